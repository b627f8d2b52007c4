"""Fuzzes what the host makes of a guest: sound conversations, damaged in ways that only content can be.

    python -m tests.vm.hostile [--seconds N] [--seed N] [--run K]

Most runs are in this process: stream, decoder, transcript, timelines, report. Each hundredth is the whole command with
a QEMU that is none. A run is right when its end is typed, what it prints can be printed, no file was touched that
nobody named, and memory is bounded. `--run K` repeats one run and shows it.
"""

from __future__ import annotations

import argparse
import copy
import itertools
import json
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from tests.vm import scripts
from tests.vm.bench import ROOM, Bench, bench, complaints

from scxlife.lifecycle.guest_records import Begins, OperationsLine
from scxlife.lifecycle.guest_run import Attempt, Transcript
from scxlife.lifecycle.operations.timeline import OperationsTimeline
from scxlife.lifecycle.outcomes import as_json
from scxlife.lifecycle.plain_text import plain
from scxlife.lifecycle.report import say_outcome
from scxlife.lifecycle.timeline import Timeline
from scxlife.platform.vm import frames, guest

#: Of so many runs, one is the whole command.
WHOLE = 100
#: Of a conversation in this process, which holds all of it. A flood is a matter of the whole command.
MOST_BYTES = 16 << 20
#: The ends that a guest can have, and that the command's exit codes stand for.
STATUSES = {0, 10, 11, 12, 13, 14, 15, 70, 126, 127}

Message = tuple[int, Any]

PAINT = "\x1b[2J\x9b31m\u202e\x07\x00"
HOSTILE: list[Any] = [
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 255, 256, 10_001, 1 << 31, 1 << 63, (1 << 64) - 1, 1 << 64, 10**30),
    *("", "0", "../../etc/passwd", "d/../passwd", "/etc/passwd", ".", "..", "a\0b", "x" * 129, "x" * 70_000),
    *(PAINT, "\ud800", "\U0010ffff" * 1000, "%s%n", "\r\n\r\n", "\u2028", "SchedulerBegins", "stopped", "NaN"),
    *([], {}, [[]], {"": {}}, [None] * 300, {str(n): n for n in range(300)}, {"exit": {"code": 0}}, {"signal": 9}),
    *({"code": 1 << 70}, {"code": []}, {"signal": -1}, {"code": 0, "signal": 9}),
]
#: In place of a value in JSON's own text.
LITERALS = [
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 5000, b"1e-999", b"0x10", b"'x'", b"undefined"),
    *(b"[" * 100_000, b'{"a":' * 20_000, b'"\\ud800"', b'"\\u0000"', b'"\x1b"', b'"' + b'\\"' * 50_000, b"\xff"),
    *(b'"x","reason":"twice"', b"1,\n2", b"[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"),
]
_MARK = "\uf8ff"
KINDS = [*frames.TYPE_NAMES, 0x00, 0x0B, 0x7F, 0xFF]


def sound(dice: random.Random) -> list[Message]:
    """What a guest of one scheduler sends, or one of several."""
    payload = dice.choice([None, {"exit": {"code": dice.choice([0, 3])}}, {"exit": None, "error": "ENOENT"}])
    name = dice.choice(["stopped", "startup-died", "ejected", "exited", "not-attached", "not-configured", "fault"])
    told = scripts.outcome_content(name, payload=payload, exit=dice.choice([None, {"code": 1}, {"signal": 9}]))
    status = {"stopped": 0, "startup-died": 10, "ejected": 12, "exited": 13, "not-attached": 11}.get(name)
    status = {"not-configured": 127, "fault": 70}[name] if status is None else status
    told |= {"owner": {"pid": 1, "command": "x"}, "timings": {"startup": 0.1}, "kernel_details": ["a line"]}
    tape: list[Message] = [
        (frames.TAPE, scripts.tape_header()),
        (frames.TAPE, {"seq": 1, "kind": "start", "t": 0.1, "state": "idle", "machine": "scheduler", "version": 1}),
        (frames.TAPE, scripts.tape_step(data={"line": "sched_ext: x", "exit": {"code": 1}})),
        (frames.TAPE, {"seq": 3, "kind": "action", "t": 1, "name": "spawn", "result": "failed", "error": "E: x"}),
    ]
    found: list[Message] = [(frames.HELLO, dict(scripts.HELLO))]
    if dice.random() < 0.5:
        for run in range(1, dice.randint(1, 4)):
            found.append((frames.LIFECYCLE, {"event": "SchedulerBegins", "name": "a", "run": run}))
            found += tape
            found.append((frames.LIFECYCLE, {"event": "SchedulerLost", "name": "a", "run": run}))
            found.append((frames.OPERATIONS, scripts.tape_step()))
    else:
        found += tape
    found += [(frames.LOG, b"a log\n"), (frames.PROBE, b"sched_ext_dump\0dump\n")]
    if dice.random() < 0.1:
        found.append((frames.INTERNAL_ERROR, {"error": "E: x", "traceback": "x"}))
        found.append((frames.EXIT, {"status": None}))
    else:
        found.append((frames.OUTCOME, told))
        found.append((frames.EXIT, {"status": status, "payload": payload, "fault": dice.choice([None, "E: x"])}))
    return found


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Each container inside `value` with each of its keys."""
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            _places(value[key], found)
    return found


def _at(dice: random.Random, messages: list[Message]) -> int:
    return dice.randrange(len(messages)) if messages else -1


def change_field(dice: random.Random, messages: list[Message]) -> None:
    places = [place for _, content in messages if not isinstance(content, bytes) for place in _places(content, [])]
    if places:
        container, key = dice.choice(places)
        container[key] = copy.deepcopy(dice.choice(HOSTILE))


def drop_field(dice: random.Random, messages: list[Message]) -> None:
    places = [place for _, content in messages if not isinstance(content, bytes) for place in _places(content, [])]
    if places:
        container, key = dice.choice(places)
        del container[key]


def change_literal(dice: random.Random, messages: list[Message]) -> None:
    at = _at(dice, messages)
    if at < 0 or isinstance(messages[at][1], bytes):
        return
    kind, content = messages[at]
    places = _places(content, [])
    if places:
        container, key = dice.choice(places)
        container[key] = _MARK
        text = json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
        messages[at] = kind, text.replace(f'"{_MARK}"'.encode(), dice.choice(LITERALS))


def replace_content(dice: random.Random, messages: list[Message]) -> None:
    at = _at(dice, messages)
    if at >= 0:
        content = dice.choice([copy.deepcopy(dice.choice(HOSTILE)), dice.choice(LITERALS), dice.randbytes(50), b""])
        messages[at] = messages[at][0], content


def change_kind(dice: random.Random, messages: list[Message]) -> None:
    at = _at(dice, messages)
    if at >= 0:
        messages[at] = dice.choice(KINDS), messages[at][1]


def move(dice: random.Random, messages: list[Message]) -> None:
    if messages:
        messages.insert(dice.randrange(len(messages) + 1), messages.pop(_at(dice, messages)))


def repeat(dice: random.Random, messages: list[Message]) -> None:
    at = _at(dice, messages)
    if at >= 0:
        here = dice.choice([at, dice.randrange(len(messages) + 1)])
        messages[here:here] = [copy.deepcopy(messages[at])] * dice.choice([1, 1, 2, 50, 1000])


def leave_out(dice: random.Random, messages: list[Message]) -> None:
    if messages:
        del messages[_at(dice, messages)]


def cut(dice: random.Random, messages: list[Message]) -> None:
    del messages[dice.randrange(len(messages) + 1) :]


def make_huge(dice: random.Random, messages: list[Message]) -> None:
    kind = dice.choice(KINDS)
    prefix = b"sched_ext_dump\0" if kind == frames.PROBE else b""
    unit = dice.choice([b"\0", b"\n", b"x\n", PAINT.encode(), b'{"a":1},', b"\xff", b"["])
    content = (prefix + unit * (frames.MAX_PAYLOAD // len(unit)))[: frames.MAX_PAYLOAD]
    where = dice.randrange(len(messages) + 1)
    messages[where:where] = [(kind, content)] * dice.choice([1, 1, 1, 10])


def name_probes(dice: random.Random, messages: list[Message]) -> None:
    names = [f"p{number}".encode() for number in range(dice.choice([1, 40]))]
    names += [b"../../etc/passwd", PAINT.encode()] if dice.random() < 0.1 else []
    where = dice.randrange(len(messages) + 1)
    messages[where:where] = [(frames.PROBE, name + b"\0" + dice.randbytes(20)) for name in names]


CHANGES: list[Callable[[random.Random, list[Message]], None]] = [
    *[change_field] * 6,
    *[drop_field] * 2,
    *[change_literal] * 2,
    *(replace_content, change_kind, move, repeat, leave_out, cut, make_huge, name_probes),
]


def draw(seed: int, number: int) -> tuple[list[tuple[int, bytes]], bytes]:
    """The frames of one run, and what the console says."""
    dice = random.Random(f"{seed}:{number}")
    messages = sound(dice)
    for _ in range(dice.choice([0, 1, 1, 1, 2, 3, 6])):
        dice.choice(CHANGES)(dice, messages)
    console = dice.choice(
        [b"", b"", f"{PAINT}\n".encode(), f"Kernel panic - not syncing: {PAINT}\n".encode(), dice.randbytes(300)]
    )
    whole = [(kind, _content(content)[: frames.MAX_PAYLOAD]) for kind, content in messages]
    ends = itertools.accumulate(len(content) for _, content in whole)
    return [message for message, end in zip(whole, ends, strict=True) if end <= MOST_BYTES], console


def _content(content: Any) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


class Wrong(Exception):
    """A run that ended as none may."""


@attrs.define
class Terminal:
    """Refuses what acts on it."""

    lines: int = 0

    def write(self, line: str) -> None:
        self.lines += 1
        if not line.isprintable():
            raise Wrong(f"on the terminal: {line!r:.200}")


def hear(seed: int, number: int) -> str:
    """One run in this process: how it ended."""
    messages, _ = draw(seed, number)
    dice = random.Random(f"{seed}:{number}:wire")
    wire = bytearray(b"".join(frames.encode(kind, at, content) for at, (kind, content) in enumerate(messages)))
    if wire and dice.random() < 0.05:
        wire[dice.randrange(len(wire))] ^= 1 << dice.randrange(8)
    terminal = Terminal()
    single, several = Timeline(terminal.write), OperationsTimeline(terminal.write)

    def on_tape(line: str) -> None:
        single(line)
        several.life(json.loads(line))

    def on_other(record: object) -> None:
        match record:
            case OperationsLine(text):
                several.operations(json.loads(text))
            case Begins(name, run):
                several.begins(name, run)
                if not str(run).isdecimal():
                    raise Wrong(f"run {run!r}")

    transcript, decoder = Transcript(on_tape, on_other), frames.Decoder()
    record = guest.Record((), None, 1.0, 0)
    result: guest.GuestResult = guest.CutOff("", record)
    position = 0
    while position < len(wire) and not isinstance(result, guest.Malformed | guest.Truncated):
        step = dice.choice([1, 100, 65536, 65536])
        try:
            found = decoder.feed(bytes(wire[position : position + step]))
        except frames.FrameError as error:
            found, result = error.frames, guest.Truncated(str(error), record)
        position += step
        for frame in found:
            try:
                transcript.hear(frame)
            except guest.WrongContent as error:
                result = guest.Malformed(str(error), record)
                break
            if frame.type == frames.EXIT and not isinstance(result, guest.Truncated):
                result = guest.Completed(frame, record)
    return report(transcript.attempt(result), terminal)


def report(attempt: Attempt, terminal: Terminal) -> str:
    """What the command does with it, to the letter where that can fail."""
    if attempt.outcome is None:
        terminal.write(plain(attempt.reason))
        if attempt.failure == "wrong-content" and not re.match(r"(0x..|[a-z-]+) frame: ", attempt.reason):
            raise Wrong(f"it does not say where: {attempt.reason:.200}")
        return attempt.failure
    say_outcome(attempt.outcome, terminal.write, log_path=None)
    json.dumps({**as_json(attempt.outcome, "", ""), "kernel": attempt.kernel}, ensure_ascii=False).encode()
    return attempt.outcome.name


def command(made: Bench, seed: int, number: int) -> tuple[str, int]:
    """One run of the whole command: how it ended, and the memory above that of a sound run, in bytes."""
    messages, console = draw(seed, number)
    script: list[scripts.Step] = [scripts.raw("console", console), *(scripts.frame(*each) for each in messages)]
    dice = random.Random(f"{seed}:{number}:whole")
    flood = dice.choice([frames.LOG, frames.PROBE, None, None, None, None, None])
    if flood is not None:
        prefix = b"sched_ext_dump\0" if flood == frames.PROBE else b""
        script.insert(dice.randint(min(2, len(script)), len(script)), scripts.filled(flood, prefix, 1 << 20, 50))
    several = dice.random() < 0.5
    words = ("--stage", "a=/bin/true") if several else ()
    run = made.run(script, *words, lives=2000 if several else 0)
    wrong = complaints(run, made.sound_peak)
    if run.status not in STATUSES:
        wrong.append(f"exit status {run.status}")
    ends = re.findall(r"^outcome    (guest-failed: [a-z-]+|[a-z-]+)", run.text, re.MULTILINE)
    if len(ends) != 1:
        wrong.append(f"{len(ends)} outcomes")
    if wrong:
        raise Wrong(f"{wrong}\n{run.text[-2000:]}")
    run.clear()
    return ends[0].removeprefix("guest-failed: "), run.peak - made.sound_peak


@attrs.define
class Figures:
    runs: int = 0
    whole: int = 0
    seconds: float = 0.0
    ends: Counter[str] = attrs.Factory(Counter)
    before: int = 0
    after: int = 0
    most: int = 0

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {name}" for name, count in self.ends.most_common())
        return (
            f"{self.runs} runs and {self.whole} of the whole command in {self.seconds:.0f} s; ends: {ends}\n"
            f"memory of the fuzzer: {self.before >> 20} MiB before, {self.after >> 20} MiB after; "
            f"of the command: at most {self.most >> 20} MiB above a sound run (bound: {ROOM >> 20} MiB)"
        )


def resident() -> int:
    """Bytes of this process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


def fuzz(seconds: float, seed: int) -> Figures:
    """Raises Wrong, or whatever a run raised, with a note that names the run."""
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as made:
        for number in range(WHOLE):
            hear(seed, -number)
        figures.before = resident()
        started = time.monotonic()
        number = 0
        while (now := time.monotonic()) < started + seconds:
            number += 1
            try:
                if number % WHOLE == 0:
                    end, more = command(made, seed, number)
                    figures.most = max(figures.most, more)
                    figures.whole += 1
                else:
                    end = hear(seed, number)
                    figures.runs += 1
            except Exception as error:
                error.add_note(f"python -m tests.vm.hostile --seed {seed} --run {number}")
                raise
            figures.ends[end] += 1
        figures.seconds = now - started
        figures.after = resident()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--run", type=int)
    args = parser.parse_args()
    if args.run is None:
        print(fuzz(args.seconds, args.seed))
        return 0
    for kind, content in draw(args.seed, args.run)[0]:
        shown = "".join(map(chr, content[:200])).translate(dict.fromkeys(range(32), "."))
        print(f"{frames.TYPE_NAMES.get(kind, hex(kind)):16} {len(content):8} {shown}")
    if args.run % WHOLE:
        print(hear(args.seed, args.run))
        return 0
    with tempfile.TemporaryDirectory() as folder, bench(Path(folder)) as made:
        print(command(made, args.seed, args.run))
    return 0


if __name__ == "__main__":
    sys.exit(main())
