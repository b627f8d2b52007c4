"""What somebody left in the guest before the scheduler's turn: told clearly, and nothing of the run is lost."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.schedulers.build import fault_scheduler
from tests.vm.watched import Seen, small_kernel, watched

from scxlife.lifecycle.output_markers import dumps
from scxlife.platform.vm import frames

pytestmark = pytest.mark.guest

Boot = Callable[..., Seen]
ENDED = {"code": 0}


@pytest.fixture(scope="module")
def kernel() -> Path:
    return small_kernel()


@pytest.fixture
def boot(kernel: Path, tmp_path: Path) -> Boot:
    return functools.partial(watched, kernel, tmp_path, fault_scheduler())


# What is done to the guest; what the outcome's reason says.
UNUSABLE = {
    "a folder": ("rm /sched_args; mkdir /sched_args", "/sched_args can't be read: Is a directory"),
    "a loop": ("ln -sf sched_args /sched_args", "/sched_args can't be read: Too many levels of symbolic links"),
    "unbalanced": ("echo '--name \"half' > /sched_args", "/sched_args: no closing quotation"),
    "binary": (r"printf '\177ELF\377\376' > /sched_args", "/sched_args is not UTF-8 at byte 4"),
    "a NUL": (r"printf 'a\0b' > /sched_args", "/sched_args has a NUL byte"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_row_2_arguments_that_can_not_be_used_are_spawn_failed_and_nothing_is_started(boot: Boot, kind: str) -> None:
    setup, reason = UNUSABLE[kind]
    seen = boot("", setup=setup)
    assert seen.verdict == ("spawn-failed", None, "disabled")
    assert reason in seen.outcome["reason"]
    (dump,) = dumps(seen.console)
    assert dump.text.startswith(f"failed to spawn: {reason}")
    assert not seen.happened("spawned")


def test_G1_a_scheduler_that_somebody_still_writes_is_spawn_failed_and_says_so(boot: Boot) -> None:
    seen = boot("", setup="exec 3>>/scheduler; sleep 1000 &")
    assert seen.verdict == ("spawn-failed", None, "disabled")
    assert "/scheduler: ETXTBSY: Text file busy (somebody still writes to it)" in seen.outcome["reason"]


# What stands where the log is to be; why it is lost.
IN_ITS_PLACE = {
    "a link": ("echo of somebody else >/tmp/other; ln -s /tmp/other /tmp/sched.log", "ELOOP"),
    "a folder": ("mkdir /tmp/sched.log", "EISDIR"),
    "a FIFO": ("mkfifo /tmp/sched.log", "FIFO"),
    "a read-only disk": ("mount -t tmpfs -o ro none /tmp", "EROFS"),
}


@pytest.mark.parametrize("kind", IN_ITS_PLACE)
def test_row_3_a_log_that_can_not_be_made_is_named_and_the_rest_of_the_run_is_told(boot: Boot, kind: str) -> None:
    setup, why = IN_ITS_PLACE[kind]
    seen = boot("", setup=setup, payload="echo from the payload; exit 4")
    assert seen.verdict == ("stopped", ENDED, "disabled")
    assert why in seen.outcome["log_lost"]
    assert (seen.outcome["log_path"], seen.outcome["log_tail"], seen.text(frames.LOG)) == (None, "", "")
    assert seen.outcome["payload"] == {"exit": {"code": 4}}
    assert seen.payload.output == "from the payload\n"


# What a payload puts in the place of the logs while they are written.
MEDDLING = {
    "nothing": "true",
    "a link to all there is": "ln -s /dev/zero",
    "a folder": "mkdir",
    "a FIFO": "mkfifo",
}


@pytest.mark.parametrize("kind", MEDDLING)
def test_D10_what_a_payload_puts_in_the_place_of_the_logs_neither_blocks_pid_1_nor_costs_the_outcome(
    boot: Boot, kind: str
) -> None:
    meddle = f"rm /tmp/sched.log; {MEDDLING[kind]} /tmp/sched.log; "
    seen = boot("", payload=f"{meddle}echo said all the same")
    assert seen.verdict == ("stopped", ENDED, "disabled")
    assert seen.outcome["log_tail"].endswith("ending with code 0")
    assert seen.text(frames.LOG).rstrip().endswith("ending with code 0")
    assert seen.payload.output == "said all the same\n"


def test_D10_one_that_writes_for_ever_to_a_log_does_not_keep_pid_1_from_its_end(boot: Boot) -> None:
    seen = boot("", payload="setsid yes & sleep 0.3", log_limit=None)
    assert seen.verdict == ("stopped", ENDED, "disabled")
    assert seen.payload.output.endswith("y\n")


def test_I2_a_log_on_a_full_disk_costs_its_words_and_nothing_else(boot: Boot) -> None:
    full = "mount -t tmpfs -o size=16k none /tmp && ! head -c 100k /dev/zero 2>/dev/null >/tmp/filler"
    seen = boot("", setup=full, payload="echo nowhere to go; exit 4")
    assert seen.verdict == ("stopped", ENDED, "disabled")
    assert seen.outcome["payload"] == {"exit": {"code": 4}}
    assert seen.text(frames.LOG) == ""
