"""A guest's frames as checked, bounded, typed records. Nothing else on the host reads what a guest sent.

A guest is not trusted: a field becomes part of a record once its type, its range, its length and, where it becomes part
of a path, its letters have been checked. Fields that nothing here reads are left out. docs/frames.md has every limit.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from scxlife.platform.vm import frames
from scxlife.platform.vm.guest import WrongContent
from scxlife.platform.vm.topology import GROUPS, MOST_CPUS

from .control.protocol import check_name
from .hostile_json import LARGEST, parse
from .outcomes import OUTCOMES, Outcome, from_json

#: Bytes of a frame in JSON.
LONGEST = 256 << 10
#: Bytes of an outcome and of an internal error: they quote logs.
LONGEST_ENDING = 512 << 10
#: Runs of schedulers in one guest: with --tape, each has a file of its own.
MOST_RUNS = 10_000
LONGEST_PROBE_NAME = 64
_PROBE_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]{0,%d}" % (LONGEST_PROBE_NAME - 1))
#: Elements of a list or a mapping.
MOST_ITEMS = 256
#: Seconds of a guest's clock, which begins when it boots.
LONGEST_TIME = 1e9
_LONGEST_WORD = 128
#: One range or number for each second CPU, at most.
_LONGEST_CPU_LIST = 4 * MOST_CPUS
_CPU_LIST = re.compile(r"[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*")


@attrs.frozen
class Hello:
    """The first record of a guest. `t` is in seconds of its clock, `degraded` what its PID 1 was refused; `topology`
    are the CPUs that share a node, a last-level cache, a core, as lists such as `0-3`, where PID 1 told of them."""

    version: str
    kernel: str
    t: float
    degraded: tuple[str, ...]
    topology: Mapping[str, tuple[str, ...]] | None = None


@attrs.frozen
class Ordered:
    """The guest has its orders, and begins."""


@attrs.frozen
class TapeLine:
    """A record of the present run's tape, as it stands in a file. `size` in bytes, without a newline."""

    text: str
    size: int


@attrs.frozen
class OperationsLine:
    """A record of the tape of operations, as it stands in a file. `size` in bytes, without a newline."""

    text: str
    size: int


@attrs.frozen
class LogChunk:
    data: bytes


@attrs.frozen
class ProbeChunk:
    name: str
    data: bytes


@attrs.frozen
class FilePiece:
    """A piece of a file that was asked for, or its end; `guest_gets.Gets` knows which."""

    data: bytes


@attrs.frozen
class Begins:
    """The run of the scheduler `name` begins, the `run`-th of this guest, from 1."""

    name: str
    run: int


@attrs.frozen
class Lifecycle:
    """Something else that became of a scheduler. `name` and `run` tell of which, where there are several."""

    event: str
    name: str | None
    run: int | None


@attrs.frozen
class KernelNow:
    """What the guest's kernel said at the end; None where it could not be read."""

    state: str | None
    ops: str | None
    enable_seq: int | None
    release: str


@attrs.frozen
class OutcomeReport:
    outcome: Outcome
    kernel: KernelNow


@attrs.frozen
class Exit:
    """The last word. `status` is None after an internal error; `fault` is a failure of PID 1 that cost no outcome."""

    status: int | None
    payload: Mapping[str, Any] | None
    fault: str | None


@attrs.frozen
class InternalError:
    error: str


Record = (
    Hello
    | Ordered
    | TapeLine
    | OperationsLine
    | LogChunk
    | ProbeChunk
    | FilePiece
    | Begins
    | Lifecycle
    | OutcomeReport
    | Exit
    | InternalError
)


def record_of(frame: frames.Frame) -> Record:
    """The record in a frame. Raises WrongContent."""
    reader = _READERS.get(frame.type)
    if reader is None:
        raise WrongContent(f"{frames.TYPE_NAMES.get(frame.type, f'0x{frame.type:02x}')} frame: a guest sends none")
    try:
        return reader(frame.payload)
    except ValueError as error:
        raise WrongContent(f"{frames.TYPE_NAMES[frame.type]} frame: {error}") from None


# -- checks: each gives the value, or raises ValueError that says what is wanted

Check = Callable[[Any], Any]


def _wanted(what: str, value: object) -> ValueError:
    if isinstance(value, str) and len(value) > _SHOWN:
        return ValueError(f"{what} is wanted, not a text of {len(value)} letters")
    return ValueError(f"{what} is wanted, not {reprlib.repr(value)}")


_SHOWN = 40


def _text(longest: int = LONGEST_ENDING) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, str) or len(value) > longest:
            raise _wanted(f"a text of at most {longest} letters", value)
        # Lone surrogates, which JSON can carry, and no encoder takes.
        return value.encode("utf-8", "backslashreplace").decode()

    return check


def _one_of(*values: str) -> Check:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in values:
            raise _wanted(f"one of {', '.join(values)}", value)
        return value

    return check


def _whole(least: int, most: int) -> Check:
    def check(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise _wanted(f"a whole number from {least} to {most}", value)
        return value

    return check


def _number(least: float, most: float) -> Check:
    def check(value: object) -> float:
        if type(value) not in (int, float) or not least <= value <= most:  # type: ignore[operator]
            raise _wanted(f"a number from {least:g} to {most:g}", value)
        return value  # type: ignore[return-value]

    return check


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _wanted("true or false", value)
    return value


def _maybe(check: Check) -> Check:
    return lambda value: None if value is None else check(value)


def _list(check: Check) -> Check:
    def checked(value: object) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) > MOST_ITEMS:
            raise _wanted(f"a list of at most {MOST_ITEMS}", value)
        return tuple(map(check, value))

    return checked


def _mapping(check: Check) -> Check:
    word = _text(_LONGEST_WORD)

    def checked(value: object) -> dict[str, Any]:
        if not isinstance(value, dict) or len(value) > MOST_ITEMS:
            raise _wanted(f"a mapping of at most {MOST_ITEMS}", value)
        return {word(key): check(inner) for key, inner in value.items()}

    return checked


def _object(checks: Mapping[str, Check], *, optional: tuple[str, ...] = ()) -> Check:
    """Of the fields that are named. One that is `optional` may be missing, and stays so."""

    def checked(value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _wanted("an object", value)
        found = {}
        for name, check in checks.items():
            if name not in value:
                if name in optional:
                    continue
                raise ValueError(f"{name}: it is missing")
            try:
                found[name] = check(value[name])
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return found

    return checked


def _exit(value: object) -> dict[str, int]:
    """`{"code": n}` or `{"signal": n}`."""
    if isinstance(value, dict) and len(value) == 1:
        for name, check in (("code", _whole(0, 255)), ("signal", _whole(1, 127))):
            if name in value:
                return {name: check(value[name])}
    raise _wanted("an exit code or a signal", value)


def _name(value: object) -> str:
    """The name of a staged scheduler."""
    if not isinstance(value, str):
        raise _wanted("a name", value)
    check_name(value)
    return str(_text()(value))


def _cpu_list(value: object) -> str:
    """CPUs as the kernel lists them: `0-3,8`."""
    if not isinstance(value, str) or len(value) > _LONGEST_CPU_LIST or _CPU_LIST.fullmatch(value) is None:
        raise _wanted("a list of CPUs", value)
    return value


_word = _text(_LONGEST_WORD)
_time = _number(0, LONGEST_TIME)
_unsigned = _whole(0, LARGEST - 1)
_payload = _object({"exit": _maybe(_exit), "error": _text()}, optional=("error",))

_hello = _object(
    {
        "version": _word,
        "kernel": _word,
        "t": _time,
        "degraded": _list(_text()),
        "topology": _object({name: _list(_cpu_list) for name in GROUPS}),
    },
    optional=("topology",),
)
_of_kernel = _object({"state": _maybe(_word), "ops": _maybe(_word), "enable_seq": _maybe(_unsigned), "release": _word})
#: Each field of an outcome.
OUTCOME_FIELDS: Mapping[str, Check] = {
    "reason": _text(),
    "phase": _word,
    "exit": _maybe(_exit),
    "kernel_reason": _maybe(_text()),
    "kernel_details": _list(_text()),
    "cause": _maybe(_word),
    "hint": _maybe(_text()),
    "verifier": _maybe(_object({"program": _text(), "source": _text(), "message": _text()})),
    "owner": _maybe(_object({"pid": _whole(0, 1 << 31), "command": _text()})),
    "instance": _maybe(_unsigned),
    "enable_seq": _maybe(_unsigned),
    "partial": _maybe(_flag),
    "generation": _unsigned,
    "ready_seconds": _maybe(_number(0, LONGEST_TIME)),
    "log_path": _maybe(_text()),
    "log_lost": _maybe(_text()),
    "log_dropped": _unsigned,
    "log_tail": _text(),
    "timings": _mapping(_number(-LONGEST_TIME, LONGEST_TIME)),
    "payload": _maybe(_payload),
    "leftovers": _maybe(_text()),
    "degraded": _list(_text()),
}
_outcome = _object({"outcome": _one_of(*OUTCOMES), **OUTCOME_FIELDS, "kernel": _of_kernel})
_last_word = _object(
    {"status": _maybe(_whole(0, 255)), "payload": _maybe(_payload), "fault": _maybe(_text())},
    optional=("payload", "fault"),
)
_run = _whole(1, MOST_RUNS)
_begins = _object({"name": _name, "run": _run})
_other = _object({"name": _name, "run": _run}, optional=("name", "run"))
_event = _object(
    {
        "event": _one_of(
            "SchedulerBegins",
            "SchedulerAttached",
            "SchedulerReattached",
            "SchedulerLost",
            "SchedulerExited",
            "SchedulerDied",
            "SchedulerNotAttached",
        )
    }
)

#: What the readers of a tape read, by the kind of its records; `seq`, `t` and `kind` are in each.
_any_mapping = _mapping(lambda value: value)
_cause_and_data = {"cause": _text(), "data": _any_mapping}
TAPE_KINDS: Mapping[str, Mapping[str, Check]] = {
    "tape": {"version": _unsigned, "machine": _word, "definition": _unsigned, "settings": _any_mapping},
    "start": {"state": _word},
    "event": {"event": _word, "rank": _whole(-(1 << 31), 1 << 31), **_cause_and_data},
    "step": {
        "state": _word,
        "event": _word,
        "cell": _word,
        "to": _word,
        "guards": _any_mapping,
        "do": _list(_word),
        "verdict": _maybe(_text()),
        **_cause_and_data,
    },
    "action": {"name": _word, "result": _one_of("done", "failed", "skipped")},
    "guard": {"name": _word, "result": _one_of("failed"), "error": _text()},
    "drop": {"state": _word, "event": _word, "because": _text()},
    "end": {"state": _word, "outcome": _word},
}
_of_any_kind = _object({"seq": _unsigned, "t": _time, "kind": _one_of(*TAPE_KINDS)})
_OF_KIND = {kind: _object(checks) for kind, checks in TAPE_KINDS.items()}
_failure = _object({"error": _text()})
_of_data = _object({"line": _maybe(_text()), "exit": _maybe(_exit)}, optional=("line", "exit"))


# -- readers: the record in a payload


def _tape(raw: bytes) -> str:
    """The line of a record of a tape, which each of its readers can read."""
    data = parse(raw, LONGEST)
    kind = _of_any_kind(data)["kind"]
    _OF_KIND[kind](data)
    if kind in ("event", "step"):
        _object({"data": _of_data})(data)
    if kind == "action" and data["result"] == "failed":
        _failure(data)
    return raw.decode()


def _read_lifecycle(raw: bytes) -> Begins | Lifecycle:
    data = parse(raw, LONGEST)
    event = _event(data)["event"]
    if event == "SchedulerBegins":
        return Begins(**_begins(data))
    found = _other(data)
    return Lifecycle(event, found.get("name"), found.get("run"))


def _read_probe(raw: bytes) -> ProbeChunk:
    name, zero, data = raw.partition(b"\0")
    if not zero or _PROBE_NAME.fullmatch(name) is None:
        raise _wanted(f"name: 1 to {LONGEST_PROBE_NAME} letters, digits and _.- and a zero byte", name)
    return ProbeChunk(name.decode(), data)


def _read_outcome(raw: bytes) -> OutcomeReport:
    found = _outcome(parse(raw, LONGEST_ENDING))
    return OutcomeReport(from_json(found), KernelNow(**found["kernel"]))


def _read_exit(raw: bytes) -> Exit:
    found = _last_word(parse(raw, LONGEST))
    return Exit(found["status"], found.get("payload"), found.get("fault"))


def _read_ordered(raw: bytes) -> Ordered:
    if raw:
        raise ValueError(f"{len(raw)} bytes, and it has none")
    return Ordered()


_READERS: Mapping[int, Callable[[bytes], Record]] = {
    frames.HELLO: lambda raw: Hello(**_hello(parse(raw, LONGEST))),
    frames.TAPE: lambda raw: TapeLine(_tape(raw), len(raw)),
    frames.LIFECYCLE: _read_lifecycle,
    frames.LOG: LogChunk,
    frames.OUTCOME: _read_outcome,
    frames.EXIT: _read_exit,
    frames.INTERNAL_ERROR: lambda raw: InternalError(**_failure(parse(raw, LONGEST_ENDING))),
    frames.PROBE: _read_probe,
    frames.FILE: FilePiece,
    frames.OPERATIONS: lambda raw: OperationsLine(_tape(raw), len(raw)),
    frames.ORDERED: _read_ordered,
}
