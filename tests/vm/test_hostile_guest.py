"""A guest can't harm its host: `scxlife vm run` against a QEMU that is none, and sends what no sound guest does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.vm.bench import ROOM, Bench, Run, bench, complaints
from tests.vm.hostile import fuzz
from tests.vm.scripts import (
    HELLO,
    KERNEL,
    SOUND,
    Step,
    begins,
    filled,
    frame,
    hello,
    install,
    last_word,
    numbered,
    outcome,
    outcome_content,
    raw,
    tape_header,
    tape_step,
)

from scxlife.lifecycle.commands.problems import telling
from scxlife.lifecycle.guest_records import MOST_RUNS, OUTCOME_FIELDS
from scxlife.lifecycle.guest_run import LOG_LIMIT, PROBE_LIMIT, TAPE_LIMIT, Attempt, run_in_guest
from scxlife.lifecycle.outcomes import Outcome
from scxlife.platform.vm import frames
from scxlife.platform.vm.accel import Accel
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.guest import CutOff, GuestSpec
from scxlife.platform.vm.qemu import run_guest

#: Moves the cursor, rings, sets the title; in C1 as well; turns the reading direction.
PAINT = "\x1b[2J\x07\x1b]0;title\x07\x9b31m\u202egnp.exe\x08\r"
OPERATIONS = ("--stage", "a=/bin/true")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with bench(tmp_path_factory.mktemp("bench")) as found:
        yield found


def sending(folder: Path, script: list[Step]) -> GuestSpec:
    """A guest that sends a script."""
    fake, place = install(folder)
    place.write_text(json.dumps(script))
    return GuestSpec(folder / "vmlinuz", folder / "initrd", Accel("tcg", ""), fake, timeout=60.0)


def attempt(folder: Path, script: list[Step]) -> Attempt:
    """The same without the command: what `run_in_guest` makes of it."""
    return run_in_guest(sending(folder, script), on_tape=lambda line: None, cold=True)


def check(made: Bench, run: Run, status: int) -> None:
    assert complaints(run, made.sound_peak) == []
    assert run.status == status, run.text


def step(**more: Any) -> Step:
    return frame(frames.TAPE, tape_step(**more))


def lifecycle(**more: Any) -> Step:
    return frame(frames.LIFECYCLE, more)


def internal_error(error: object) -> Step:
    return frame(frames.INTERNAL_ERROR, {"error": error, "traceback": ""})


DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000

#: What follows the hello, and the reason: each ends the guest.
WRONG: dict[str, tuple[Step, str]] = {
    # of the issue: a path, a record of wrong content
    "run-is-a-path": (begins(run="d/../passwd"), "lifecycle frame: run: a whole number from 1 to 10000 is wanted"),
    "run-is-a-path-in-a-later-event": (
        lifecycle(event="SchedulerLost", run="../../etc/passwd"),
        "lifecycle frame: run: a whole number",
    ),
    "name-is-a-path": (begins(name="../../etc/passwd"), "lifecycle frame: name: a name has no slash"),
    "outcome-is-a-list": (frame(frames.OUTCOME, []), "outcome frame: not a JSON object"),
    "outcome-is-unknown": (outcome(outcome="won"), "outcome frame: outcome: one of "),
    "outcome-has-no-kernel": (frame(frames.OUTCOME, {**outcome_content(), "kernel": None}), "outcome frame: kernel: "),
    "internal-error-without-error": (frame(frames.INTERNAL_ERROR, {}), "internal-error frame: error: it is missing"),
    "tape-is-not-json": (frame(frames.TAPE, b"nonsense"), "tape frame: not JSON"),
    # our own
    "run-is-negative": (begins(run=-1), "lifecycle frame: run: "),
    "run-is-true": (begins(run=True), "lifecycle frame: run: "),
    "run-is-a-float": (begins(run=1.0), "lifecycle frame: run: "),
    "run-is-huge": (begins(run=MOST_RUNS + 1), "lifecycle frame: run: "),
    "run-is-out-of-turn": (begins(run=7), "lifecycle frame: run: 1 is the next, not 7"),
    "name-is-hidden": (begins(name=".bashrc"), "lifecycle frame: name: a name does not begin with a dot"),
    "name-is-empty": (begins(name=""), "lifecycle frame: name: "),
    "name-is-long": (begins(name="x" * 129), "lifecycle frame: name: a name has 1 to 128 bytes"),
    "name-has-a-nul": (begins(name="a\0b"), "lifecycle frame: name: a name has no NUL"),
    "name-is-a-list": (begins(name=["a"]), "lifecycle frame: name: a name is wanted"),
    "event-is-unknown": (lifecycle(event="SchedulerPainted"), "lifecycle frame: event: one of "),
    "event-is-a-mapping": (lifecycle(event={}), "lifecycle frame: event: one of "),
    "tape-is-deep": (frame(frames.TAPE, DEEP), "tape frame: nested more than 16 levels"),
    "tape-is-deep-in-lists": (frame(frames.TAPE, b"[" * 200_000), "tape frame: nested more than 16 levels"),
    "tape-has-a-long-number": (frame(frames.TAPE, b'{"t":' + b"9" * 5000 + b"}"), "tape frame: a number of more"),
    "tape-has-a-huge-float": (frame(frames.TAPE, b'{"t":1e999}'), "tape frame: a number that is not finite"),
    "tape-has-nan": (frame(frames.TAPE, b'{"t":NaN}'), "tape frame: NaN is no value"),
    "tape-has-a-key-twice": (frame(frames.TAPE, b'{"t":1,"t":2}'), "tape frame: a key stands there twice"),
    "tape-is-two-lines": (frame(frames.TAPE, b'{"t":1,\n"seq":2}'), "tape frame: more than one line"),
    "tape-is-not-utf-8": (frame(frames.TAPE, b"\xff{}"), "tape frame: not UTF-8"),
    "tape-is-too-long": (step(cause="x" * (300 << 10)), "tape frame: "),
    "tape-is-of-no-kind": (step(kind="poem"), "tape frame: kind: one of "),
    "tape-has-no-data": (step(data=None), "tape frame: data: a mapping"),
    "tape-has-an-exit-of-no-kind": (step(data={"exit": {"code": []}}), "tape frame: data: exit: "),
    "tape-has-an-exit-that-is-text": (step(data={"exit": "boo"}), "tape frame: data: exit: "),
    "tape-has-time-as-text": (step(t="1"), "tape frame: t: a number"),
    "tape-goes-back-to-before-the-boot": (step(t=-1), "tape frame: t: a number"),
    "tape-has-a-verdict-that-is-a-list": (step(verdict=[]), "tape frame: verdict: "),
    "failed-action-without-error": (
        frame(frames.TAPE, {"seq": 1, "t": 1, "kind": "action", "name": "spawn", "result": "failed"}),
        "tape frame: error: it is missing",
    ),
    "operations-is-not-json": (frame(frames.OPERATIONS, b"{"), "operations frame: not JSON"),
    "probe-is-a-path": (frame(frames.PROBE, b"../x\0data"), "probe frame: name: "),
    "probe-has-no-name": (frame(frames.PROBE, b"no zero byte"), "probe frame: name: "),
    "probe-has-a-long-name": (frame(frames.PROBE, b"x" * 65 + b"\0"), "probe frame: name: "),
    "probe-paints": (frame(frames.PROBE, b"\x1b[2J\0data"), "probe frame: name: "),
    "hello-comes-twice": (hello(), "hello frame: it is the second one"),
    "type-is-unknown": (frame(0x42, b""), "0x42 frame: a guest sends none"),
    "type-is-the-hosts": (frame(frames.ACK, b"\0\0\0\0"), "ack frame: a guest sends none"),
    "exit-is-empty": (frame(frames.EXIT, b""), "exit frame: not JSON"),
    "exit-status-is-text": (last_word("0"), "exit frame: status: "),
    "exit-status-is-large": (last_word(256), "exit frame: status: "),
    "exit-payload-is-text": (last_word(payload="ok"), "exit frame: payload: an object"),
    "outcome-says-the-process-exited-with-text": (outcome(exit={"code": "0"}), "outcome frame: exit: "),
    "outcome-says-the-process-exited-in-no-way": (outcome(exit={}), "outcome frame: exit: "),
    "outcome-has-a-payload-without-exit": (outcome(payload={}), "outcome frame: payload: exit: it is missing"),
    "outcome-has-a-reason-that-is-none": (outcome(reason=None), "outcome frame: reason: "),
    "outcome-has-details-that-are-text": (outcome(kernel_details="x"), "outcome frame: kernel_details: a list"),
    "outcome-has-countless-details": (outcome(kernel_details=[""] * 300), "outcome frame: kernel_details: a list"),
    "outcome-has-timings-that-are-text": (outcome(timings={"end": "x"}), "outcome frame: timings: "),
    "outcome-has-an-owner-that-is-text": (outcome(owner="me"), "outcome frame: owner: an object"),
    "outcome-has-a-log-tail-that-is-a-number": (outcome(log_tail=1), "outcome frame: log_tail: "),
    "outcome-is-too-long": (outcome(log_tail="x" * (600 << 10)), "outcome frame: "),
    "error-is-a-mapping": (internal_error({"a": 1}), "internal-error frame: error: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_L10_wrong_content_ends_the_guest_and_says_where(made: Bench, tmp_path: Path, case: str) -> None:
    wrong, reason = WRONG[case]
    # What would be a success.
    script = [hello(), frame(frames.LOG, b"before it\n"), wrong, outcome(), last_word(), ["hang"]]
    run = made.run(script, "--json", *OPERATIONS)
    check(made, run, 15)
    assert (run.outcome["outcome"], run.outcome["guest"]) == ("guest-failed", "wrong-content")
    assert run.outcome["reason"].startswith(reason)
    assert run.outcome["log_tail"] == "before it\n"
    assert (run.folder / "log").read_bytes() == b"before it\n"
    seen = attempt(tmp_path, script)
    assert (seen.outcome, seen.failure, seen.reason) == (None, "wrong-content", run.outcome["reason"])


def without_hello(script: list[Step]) -> list[Step]:
    return script[1:]


#: Whole conversations, and what they come to.
ORDER: dict[str, tuple[list[Step], str, str]] = {
    "no-hello": (without_hello(SOUND), "wrong-content", "tape frame: hello has to be the first"),
    "only-exit": ([last_word()], "wrong-content", "exit frame: hello has to be the first"),
    "only-log": ([frame(frames.LOG, b"x")], "wrong-content", "log frame: hello has to be the first"),
    "hello-is-nothing": ([frame(frames.HELLO, {})], "wrong-content", "hello frame: version: it is missing"),
    "hello-has-a-time-of-text": ([hello(t="now")], "wrong-content", "hello frame: t: a number"),
    "hello-has-a-long-kernel": ([hello(kernel="x" * 129)], "wrong-content", "hello frame: kernel: a text"),
    "file-that-nobody-asked-for": (
        [hello(), frame(frames.FILE, b"\0\0\0\0+../../etc/passwd")],
        "wrong-content",
        "file frame: it is of no file that is still to come",
    ),
    "file-without-a-number": ([hello(), frame(frames.FILE, b"")], "wrong-content", "file frame: it is of no file"),
    "topology-is-a-list": ([hello(topology=[])], "wrong-content", "hello frame: topology: an object"),
    "topology-has-no-cores": (
        [hello(topology={"nodes": [], "llcs": []})],
        "wrong-content",
        "hello frame: topology: cores: it is missing",
    ),
    "topology-of-many-nodes": (
        [hello(topology={"nodes": ["0"] * 257, "llcs": [], "cores": []})],
        "wrong-content",
        "hello frame: topology: nodes: a list of at most 256",
    ),
    "topology-of-words": (
        [hello(topology={"nodes": ["0-1\n"], "llcs": [], "cores": []})],
        "wrong-content",
        "hello frame: topology: nodes: a list of CPUs is wanted",
    ),
    "topology-of-numbers": (
        [hello(topology={"nodes": [0], "llcs": [], "cores": []})],
        "wrong-content",
        "hello frame: topology: nodes: a list of CPUs is wanted",
    ),
    "topology-of-a-long-list": (
        [hello(topology={"nodes": ["0," * 600 + "0"], "llcs": [], "cores": []})],
        "wrong-content",
        "hello frame: topology: nodes: a list of CPUs is wanted",
    ),
    "second-outcome": (
        [hello(), outcome("startup-died"), outcome(), last_word()],
        "wrong-content",
        "outcome frame: it is the second one",
    ),
    "second-exit": ([*SOUND, last_word(), ["hang"]], "wrong-content", "exit frame: it is the second one"),
    "another-exit": ([*SOUND, last_word(12), ["hang"]], "wrong-content", "exit frame: it is the second one"),
    "exit-contradicts": (
        [hello(), outcome("startup-died"), last_word(0)],
        "wrong-content",
        "exit frame: status: it is 0, and the outcome's 10",
    ),
    "exit-has-no-status": ([hello(), outcome(), last_word(None)], "wrong-content", "exit frame: status: it is None"),
    "exit-has-another-payload": (
        [hello(), outcome(payload={"exit": {"code": 1}}), last_word(payload={"exit": {"code": 0}})],
        "wrong-content",
        "exit frame: payload: it is not the outcome's",
    ),
    "exit-hides-the-payload": (
        [hello(), outcome(payload={"exit": {"code": 1}}), last_word()],
        "wrong-content",
        "exit frame: payload: it is not the outcome's",
    ),
    "outcome-after-exit": ([hello(), last_word(), outcome()], "unconfirmed", "the guest ended without an outcome"),
    "error-then-success": (
        [hello(), internal_error("E: x"), outcome(), last_word()],
        "wrong-content",
        "outcome frame: only exit can follow an internal error",
    ),
    "error-then-status": (
        [hello(), internal_error("E: x"), last_word(0)],
        "wrong-content",
        "exit frame: status: it is 0 after an internal error",
    ),
    "two-errors": (
        [hello(), internal_error("E: x"), internal_error("E: y")],
        "wrong-content",
        "internal-error frame: only exit can follow an internal error",
    ),
    "error-before-hello": ([internal_error("E: x"), last_word(None)], "init-failed", "E: x"),
    "error-after-outcome": ([hello(), outcome(), internal_error("E: x"), last_word(None)], "init-failed", "E: x"),
    "no-exit": (SOUND[:-1], "cut-off", "QEMU ended before the guest had told its outcome"),
    "nothing": ([], "not-started", "the guest said nothing, and QEMU ended with status 0"),
    "noise-after-hello": ([hello(), raw("port", b"\0\0\0\0")], "truncated", "bad magic"),
}


@pytest.mark.parametrize("case", ORDER)
def test_L10_the_order_of_the_protocol_is_kept(made: Bench, tmp_path: Path, case: str) -> None:
    script, failure, reason = ORDER[case]
    run = made.run(script, "--json")
    check(made, run, 15)
    assert (run.outcome["outcome"], run.outcome["guest"]) == ("guest-failed", failure)
    assert run.outcome["reason"].startswith(reason)
    seen = attempt(tmp_path, script)
    assert (seen.outcome, seen.failure, seen.reason) == (None, failure, run.outcome["reason"])


@pytest.mark.parametrize(
    "late",
    [
        outcome("startup-died"),
        outcome("fault", reason="late"),
        frame(frames.OUTCOME, b"nonsense"),
        internal_error("late"),
        frame(frames.LOG, b"late"),
        frame(frames.TAPE, b"late"),
        begins(run="../late"),
        hello(),
        frame(0x42, b"late"),
        frame(frames.PROBE, b"../late\0"),
    ],
)
def test_L10_nothing_after_exit_changes_the_verdict(made: Bench, late: Step) -> None:
    run = made.run([*SOUND, late, frame(frames.PROBE, b"sched_ext_dump\0its end\n")], "--json")
    check(made, run, 0)
    assert (run.outcome["outcome"], run.outcome["reason"]) == ("stopped", "it was asked to")
    assert run.outcome["degraded"] == ["1 frames after the exit frame were dropped"]
    assert (run.folder / "dump").read_bytes() == b"a dump\nits end\n"
    assert (run.folder / "log").read_bytes() == b"a line of the log\n"


#: Where a guest's words reach the terminal.
WORDS: dict[str, list[Step]] = {
    "panic": [hello(), raw("console", f"Kernel panic - not syncing: {PAINT}\n".encode())],
    "out-of-memory": [hello(), raw("console", f"Out of memory: Killed {PAINT}\n".encode())],
    "console": [hello(), raw("console", f"{PAINT}\n".encode())],
    "console-of-any-bytes": [hello(), raw("console", bytes(range(256)))],
    "internal-error": [hello(), internal_error(f"Error: {PAINT}"), last_word(None)],
    "stderr": [hello(), raw("stderr", f"qemu: {PAINT}\n".encode())],
    "stderr-before-the-guest": [raw("stderr", f"qemu: {PAINT}\n".encode()), ["exit", 1]],
    "tape": [hello(), step(state=PAINT, event=PAINT, to=PAINT, cause=PAINT, verdict=PAINT)],
    "line-of-the-kernel": [hello(), step(data={"line": PAINT})],
    "failed-action": [
        hello(),
        frame(frames.TAPE, {"seq": 1, "t": 1, "kind": "action", "name": PAINT, "result": "failed", "error": PAINT}),
    ],
    "operations": [hello(), frame(frames.OPERATIONS, tape_step(cause=PAINT))],
    "name-of-a-run": [hello(), begins(name=PAINT), step()],
    "reason": [hello(), outcome("ejected", reason=PAINT), last_word(12)],
    "hint": [hello(), outcome("ejected", hint=PAINT, cause=PAINT), last_word(12)],
    "kernel": [hello(), outcome("ejected", kernel_reason=PAINT, kernel_details=[PAINT]), last_word(12)],
    "log-tail": [hello(), outcome("ejected", log_tail=f"{PAINT}\n{PAINT}", log_lost=PAINT), last_word(12)],
    "degraded": [hello(), outcome("ejected", degraded=[PAINT]), last_word(12, fault=PAINT)],
    "payload-error": [
        hello(),
        outcome(payload={"exit": None, "error": PAINT}),
        last_word(payload={"exit": None, "error": PAINT}),
    ],
    "wrong-name": [hello(), begins(name=f"{PAINT}/")],
    "wrong-type": [hello(), lifecycle(event=PAINT)],
    "wrong-probe": [hello(), frame(frames.PROBE, PAINT.encode() + b"\0")],
    "lone-surrogates": [hello(), outcome("ejected", reason="\ud800", log_tail="\udfff"), last_word(12)],
}


@pytest.mark.parametrize("case", WORDS)
def test_L10_a_guests_words_do_not_act_on_the_terminal(made: Bench, case: str) -> None:
    run = made.run(WORDS[case], *OPERATIONS, lives=1)
    assert run.status in (0, 12, 15)
    check(made, run, run.status)


MIB = 1 << 20
LINE = tape_step(cause="x" * 100_000)
_LINES_KEPT = (TAPE_LIMIT - len(json.dumps(tape_header())) - 1) // (len(json.dumps(LINE)) + 1)

#: What would fill memory or a disk, and what is said of what was dropped.
FLOODS: dict[str, tuple[list[Step], list[str]]] = {
    "log": (
        [filled(frames.LOG, b"", MIB, 200)],
        [f"the first {200 * MIB - LOG_LIMIT} bytes of the scheduler's log were dropped"],
    ),
    "log-of-single-bytes": (
        [filled(frames.LOG, b"", MIB, LOG_LIMIT // MIB), frame(frames.LOG, b"y", 200_000)],
        ["the first 200000 bytes of the scheduler's log were dropped"],
    ),
    "probe": (
        [filled(frames.PROBE, b"sched_ext_dump\0", MIB, 200)],
        [f"{200 * (MIB - 15) - PROBE_LIMIT} bytes of probes were dropped"],
    ),
    "probe-names": ([numbered(frames.PROBE, b"p%d\0x", 100_000)], ["99984 bytes of probes were dropped"]),
    "empty-probes": ([numbered(frames.PROBE, b"p%d\0", 100_000)], []),
    "tape": (
        [frame(frames.TAPE, tape_header()), frame(frames.TAPE, LINE, 500)],
        [f"{500 - _LINES_KEPT} records of tapes were dropped"],
    ),
    "tape-nobody-shows": ([frame(frames.TAPE, {**tape_header(), "seq": 1}, 20_000)], []),
    "lifecycle": ([frame(frames.LIFECYCLE, {"event": "SchedulerLost"}, 20_000)], []),
    "console": ([raw("console", b"no end ", 300_000)], []),
    "stderr": ([raw("stderr", bytes(65536), 500)], []),
    "empty-frames": ([frame(frames.LOG, b"", 300_000)], []),
}


@pytest.mark.parametrize("case", FLOODS)
def test_L10_memory_stays_bounded_and_what_is_dropped_is_counted(made: Bench, case: str) -> None:
    flood, degraded = FLOODS[case]
    run = made.run([hello(), *flood, outcome(), last_word()], "--json")
    check(made, run, 0)
    assert run.outcome["degraded"] == degraded
    assert sum(file.stat().st_size for file in run.folder.iterdir()) < TAPE_LIMIT * 3


def test_L10_a_flood_of_records_that_are_wrong_ends_at_the_first(made: Bench) -> None:
    run = made.run([hello(), frame(frames.TAPE, b"[" * MIB, 300), outcome(), last_word()])
    check(made, run, 15)


def test_L10_the_tape_of_a_run_does_not_follow_a_link(made: Bench, tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root")
    script = [hello(), begins(), frame(frames.TAPE, tape_header()), outcome(), last_word()]
    run = made.run(script, *OPERATIONS, lives=1, before={"tape.1": str(tmp_path / "passwd")})
    check(made, run, 0)
    assert (tmp_path / "passwd").read_text() == "root"
    assert "tape.1: " in run.text


def test_a_sound_guest_is_believed(made: Bench) -> None:
    run = made.run(SOUND, "--json")
    check(made, run, 0)
    assert (run.outcome["outcome"], run.outcome["degraded"]) == ("stopped", [])
    assert run.outcome["kernel"] == KERNEL
    assert [json.loads(line)["kind"] for line in run.tape()] == ["tape", "step"]


def test_each_run_of_a_sound_guest_has_a_tape_of_its_own(made: Bench) -> None:
    header = frame(frames.TAPE, tape_header())
    script = [hello(), begins(), header, step(), begins("b", 2), header, outcome(), last_word()]
    run = made.run(script, *OPERATIONS, lives=2)
    check(made, run, 0)
    assert [len(run.tape(number)) for number in (1, 2)] == [2, 1]
    assert "a#1" in run.text


@pytest.mark.parametrize(
    "end", [[], [["exit", 1]], [raw("port", b"SCXF\x02")], [raw("console", b"Kernel panic - not syncing: x\n")]]
)
def test_L8_what_came_before_a_bad_end_is_kept(made: Bench, end: list[Step]) -> None:
    run = made.run([*SOUND[:-2], *end])
    check(made, run, 15)
    assert (run.folder / "log").read_bytes() == b"a line of the log\n"
    assert (run.folder / "dump").read_bytes() == b"a dump\n"
    assert len(run.tape()) == 2


def test_L10_a_process_that_qemu_leaves_behind_is_not_listened_to(tmp_path: Path) -> None:
    """A run that waited for its end would never end: there is always something to read."""
    spec = sending(tmp_path, [hello(), ["leave"]])
    guard = time.monotonic() + 60.0

    def read(_: str) -> None:
        time.sleep(0.01)  # slower than the one that writes
        assert time.monotonic() < guard

    result = run_guest(spec, on_frame=lambda _: None, on_console_line=read)
    assert isinstance(result, CutOff), result


def test_a_scheduler_with_a_name_that_no_run_can_have_is_a_usage_error(made: Bench, tmp_path: Path) -> None:
    (tmp_path / ".hidden").symlink_to("/bin/true")
    run = made.run(SOUND, *OPERATIONS, f"--scheduler={tmp_path}/.hidden")
    check(made, run, 2)
    assert "a name does not begin with a dot: '.hidden'" in run.text


def test_L10_a_problem_with_a_guests_words_does_not_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise ArtifactError(f"KVM does not work here: {PAINT}", "use --accel tcg")

    assert telling(fail) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("scxlife: error: KVM does not work here: \\x1b[2J") and first.isprintable()
    assert second == "hint: use --accel tcg"


def test_L10_a_text_of_a_guest_can_be_encoded(tmp_path: Path) -> None:
    lone = {"reason": "\ud800", "log_tail": "\udfff", "timings": {"\ud800": 1}, "degraded": ["\ud800"]}
    seen = attempt(tmp_path, [hello(), outcome("ejected", **lone), last_word(12, fault="\ud800")])
    assert seen.outcome is not None
    assert json.dumps(attrs.asdict(seen.outcome), ensure_ascii=False).encode().count(b"ud800") == 4


def test_every_field_of_an_outcome_has_a_check() -> None:
    assert [*OUTCOME_FIELDS] == [field.name for field in attrs.fields(Outcome)]
    assert HELLO["degraded"] == []


def test_L10_ten_seconds_of_hostile_guests() -> None:
    """The same for longer: python -m tests.vm.hostile --seconds 600 --seed 2"""
    figures = fuzz(10.0, seed=1)
    print(figures)
    assert figures.runs
    assert figures.most < ROOM
