"""Schedulers that come and go on the real kernel, as the payload and the host ask PID 1 for them."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.schedulers.build import fault_scheduler

from scxlife.lifecycle.control.client import Control, ControlError
from scxlife.platform.vm.kernels import Kernel

pytestmark = pytest.mark.guest

PATIENCE = 900.0
SEQUENCES = 50
NAMES = ("scx_simple", "one", "two")

ASKED = """
scxlife ctl replace one && scxlife ctl restart && scxlife ctl detach
cat /sys/kernel/sched_ext/state
scxlife ctl restart && scxlife ctl replace scx_simple
scxlife ctl attach two; echo "exit $?"
scxlife ctl attach nobody 2>&1; echo "exit $?"
scxlife ctl fly 2>/dev/null; echo "exit $?"
cat /sys/kernel/sched_ext/root/ops
"""
SAID = """attached   one
attached   one
detached   one
disabled
attached   one
attached   scx_simple
refused    scx_simple
reason     scx_simple is there: replace it, or detach it first
exit 1
scxlife: error: no scheduler is staged as 'nobody'
exit 2
exit 2
simple
"""


def staged() -> list[str]:
    """The fixture under two names, one of which takes its time."""
    fault = fault_scheduler()
    return ["--stage", f"one={fault}", "--stage", f"two={fault} --slow-init 50"]


def vm_run(kernel: Kernel, *words: str) -> list[str]:
    command = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--kernel", str(kernel.vmlinuz)]
    return [*command, "--timeout", f"{PATIENCE:g}s", *words]


def test_row_18_the_payload_asks_for_one_after_the_other(each_kernel: Kernel, tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    words = vm_run(each_kernel, *staged(), "--json", "--tape", str(tape), "--", "sh", "-c", ASKED)
    done = subprocess.run(words, capture_output=True, text=True, timeout=2 * PATIENCE)
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, outcome["outcome"]) == (0, "stopped"), done.stderr
    assert outcome["payload_output"]["stdout"]["text"] == SAID
    # Each life has a tape of its own, beside that of what stands around them.
    assert json.loads(tape.read_text().splitlines()[0])["machine"] == "operations"
    lives = sorted(tmp_path.glob("tape.*"))
    assert len(lives) == 5
    assert all(json.loads(life.read_text().splitlines()[-1])["outcome"] == "stopped" for life in lives)


def test_an_ejection_is_answered_by_the_policy(small_kernel: Kernel) -> None:
    """The scheduler gives up by itself after a while, each time; the payload is not disturbed."""
    fault = fault_scheduler()
    words = vm_run(small_kernel, "--scheduler", str(fault), "--sched-args", "--error-after 700")
    asked = "sleep 6; cat /sys/kernel/sched_ext/enable_seq"
    words += ["--restart", "on-ejection", "--json", "--", "sh", "-c", asked]
    done = subprocess.run(words, capture_output=True, text=True, timeout=2 * PATIENCE)
    output = json.loads(done.stdout)["payload_output"]["stdout"]["text"].split()
    assert int(output[0]) >= 2, done.stderr
    assert "→ backing_off" in done.stderr


class Guest:
    """A guest that is asked from this host."""

    def __init__(self, process: subprocess.Popen[str], path: Path, said: list[str]) -> None:
        self.process = process
        self.path = path
        self.said = said


@contextlib.contextmanager
def guest(kernel: Kernel, folder: Path) -> Iterator[Guest]:
    path = folder / "guest.sock"
    words = vm_run(
        kernel,
        *staged(),
        "--control",
        str(path),
    )
    said: list[str] = []
    boots = threading.Event()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:

        def listen() -> None:
            """All the time: whoever is not read from waits, and so does the guest."""
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                # QEMU listens by the time that the guest says a word.
                if "opening" in line:
                    boots.set()
            boots.set()

        reader = threading.Thread(target=listen)
        reader.start()
        try:
            assert boots.wait(PATIENCE)
            yield Guest(process, path, said)
            process.wait(PATIENCE)
        except ControlError as error:
            if error.code != "closed":
                raise
            process.wait(PATIENCE)
            raise AssertionError(f"the guest has ended: {''.join(said)[-5000:]}") from error
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(PATIENCE)
            reader.join(PATIENCE)


REQUESTS = st.one_of(
    st.tuples(st.sampled_from(("attach", "replace")), st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(("restart", "detach")), st.none()),
)


def drawn() -> list[list[tuple[str, str | None]]]:
    """The same fifty sequences each time."""
    found: list[list[tuple[str, str | None]]] = []

    @seed(6)
    @settings(
        max_examples=SEQUENCES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(st.lists(REQUESTS, min_size=1, max_size=3))
    def draw(sequence: list[tuple[str, str | None]]) -> None:
        found.append(sequence)

    draw()
    return found[:SEQUENCES]


def expected(state: str | None, last: str | None, what: str, name: str | None) -> tuple[str, str | None, str | None]:
    """The result, what is attached then, and what ran last: a model in three lines."""
    if what == "detach":
        return "detached", None, last
    if what == "attach" and state is not None:
        return "refused", state, last
    wanted = last if what == "restart" else name
    return ("refused", None, None) if wanted is None else ("attached", wanted, wanted)


def test_row_18_A9_fifty_random_sequences_that_the_host_asks_for_in_one_boot(
    small_kernel: Kernel, tmp_path: Path
) -> None:
    sequences = drawn()
    assert len(sequences) == SEQUENCES
    asked = 0
    with guest(small_kernel, tmp_path) as ours:
        state: str | None = "scx_simple"
        last: str | None = "scx_simple"
        with Control(str(ours.path), patience=PATIENCE) as control:
            # What is asked while the boot's own is on its way waits for it.
            first = control.replace("scx_simple")
            assert first["result"] == "attached", first
            for sequence in sequences:
                for what, name in sequence:
                    arguments = () if name is None else (name,)
                    answer = getattr(control, what)(*arguments)
                    result, state, last = expected(state, last, what, name)
                    assert answer["result"] == result, (what, name, answer)
                    status = control.status()
                    assert (status["attached"], status["drift"]) == (state, False), (what, name, status)
                    kernel_state = "disabled" if state is None else "enabled"
                    assert status["kernel"]["state"] == kernel_state
                    asked += 1
            lives = control.status()["runs"]
            assert control.stop()["result"] == "closed"
    said = "".join(ours.said)
    assert ours.process.returncode == 0, said[-3000:]
    # Nothing but clean ends: nobody was refused with EBUSY, nobody was taken for a crash, nobody was left.
    ends = re.findall(r"ended +→ \w+ +([\w-]+):", said)
    assert set(ends) == {"stopped"}
    assert len(ends) == lives
    assert "EBUSY" not in said
    print(f"\n{asked} requests in {len(sequences)} sequences, {lives} lives in one boot")


def test_a_host_that_hangs_up_and_comes_back_is_heard_again(small_kernel: Kernel, tmp_path: Path) -> None:
    with guest(small_kernel, tmp_path) as ours:
        with Control(str(ours.path), patience=PATIENCE) as control:
            assert control.replace("one")["name"] == "one"
        with Control(str(ours.path), patience=PATIENCE) as control:
            with pytest.raises(ControlError, match="no scheduler is staged"):
                control.attach("nobody")
            assert control.status()["attached"] == "one"
        # Whoever asks and does not wait is not answered, and what was asked for is done.
        with Control(str(ours.path), patience=0.001) as control, contextlib.suppress(ControlError):
            control.detach()
        until = time.monotonic() + PATIENCE
        with Control(str(ours.path), patience=PATIENCE) as control:
            while control.status()["state"] != "idle" and time.monotonic() < until:
                pass
            seen: dict[str, Any] = dict(control.status())
            assert (seen["state"], seen["desired"]) == ("idle", None)
            control.stop()
    assert ours.process.returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--stage", "nothing"],
        ["--stage", "../a=scx_simple"],
        ["--stage", "a=scx_nowhere"],
        ["--stage", "scx_simple=scx_simple"],
        ["--stage", "a=scx_simple", "--stage", "a=scx_simple"],
        ["--control", "{folder}"],
        ["--control", "{folder}/none/sock"],
    ],
)
def test_what_can_not_be_staged_is_a_line_before_anything_is_booted(
    small_kernel: Kernel, tmp_path: Path, words: list[str]
) -> None:
    command = vm_run(small_kernel, *(word.format(folder=tmp_path) for word in words))
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode in (1, 2), "Traceback" in done.stderr) == (True, False), done.stderr
    assert "scxlife: error:" in done.stderr
