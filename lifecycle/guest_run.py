"""One run in a guest, seen from the host: what goes in, what the frames say, what it comes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from scxlife.platform.vm import frames
from scxlife.platform.vm.guest import (
    Completed,
    CutOff,
    GuestResult,
    GuestSpec,
    NotStarted,
    OutOfMemory,
    Panicked,
    TimedOut,
    Truncated,
)
from scxlife.platform.vm.qemu import run_guest

from .outcomes import Outcome, from_json

GUEST_FAILED = "guest-failed"


@attrs.frozen
class Attempt:
    """What came of a guest. `outcome` is there only when the guest told it and ended as it should; otherwise
    `failure` names the way in which the guest failed (`panicked`, `timed-out`, …) and `reason` says more."""

    outcome: Outcome | None
    kernel: dict[str, Any]
    failure: str
    reason: str
    console_tail: Sequence[str]
    log: bytes
    payload_output: bytes
    #: What probes have produced, by their names.
    probes: dict[str, bytes] = attrs.Factory(dict)


def _ignore(frame: frames.Frame) -> None:
    """Nobody asked for it."""


def run_in_guest(
    spec: GuestSpec, on_tape: Callable[[str], None], on_other: Callable[[frames.Frame], None] = _ignore
) -> Attempt:
    """Boot `spec`, pass each tape line on as it comes, and judge the end. `on_other` is given the frames that tell of
    the lives of several schedulers, as they come."""
    told: dict[int, dict[str, Any]] = {}
    probes: dict[str, bytearray] = {}
    bulk: dict[int, bytearray] = {frames.LOG: bytearray(), frames.PAYLOAD_OUTPUT: bytearray()}

    def on_frame(frame: frames.Frame) -> None:
        if frame.type == frames.TAPE:
            on_tape(frame.payload.decode("utf-8", "replace"))
        elif frame.type in (frames.LIFECYCLE, frames.OPERATIONS):
            on_other(frame)
        elif frame.type in bulk:
            bulk[frame.type] += frame.payload
        elif frame.type == frames.PROBE:
            name, _, chunk = frame.payload.partition(b"\0")
            probes.setdefault(name.decode("utf-8", "replace"), bytearray()).extend(chunk)
        elif frame.type in (frames.OUTCOME, frames.EXIT, frames.INTERNAL_ERROR):
            told[frame.type] = json.loads(frame.payload)

    result = run_guest(spec, on_frame=on_frame)
    failure, reason = judge(result)
    outcome, kernel = None, {}
    if not failure and frames.INTERNAL_ERROR in told:
        failure, reason = "init-failed", told[frames.INTERNAL_ERROR]["error"]
    elif not failure and frames.OUTCOME not in told:
        failure, reason = "unconfirmed", "the guest ended without an outcome"
    elif not failure:
        outcome, kernel = from_json(told[frames.OUTCOME]), told[frames.OUTCOME]["kernel"]
        if (fault := told.get(frames.EXIT, {}).get("fault")) is not None:
            outcome = attrs.evolve(outcome, degraded=(*outcome.degraded, f"PID 1: {fault}"))
    log, output = bytes(bulk[frames.LOG]), bytes(bulk[frames.PAYLOAD_OUTPUT])
    produced = {name: bytes(whole) for name, whole in probes.items()}
    return Attempt(outcome, kernel, failure, reason, result.record.console_tail, log, output, produced)


def judge(result: GuestResult) -> tuple[str, str]:
    """The name of a guest's failure and what is known of it; two empty texts for one that ended as it should."""
    match result:
        case Completed():
            return "", ""
        case Panicked(message=message):
            return "panicked", f"kernel panic: {message}"
        case OutOfMemory(message=message):
            return "out-of-memory", f"{message} (more with --memory)"
        case TimedOut(timeout_s=seconds):
            return "timed-out", f"no end within {seconds:g} s (more with --timeout)"
        case Truncated(reason=reason):
            return "truncated", reason
        case CutOff(stderr_tail=tail):
            return "cut-off", tail.strip() or "QEMU ended before the guest had told its outcome"
        case NotStarted(reason=reason):
            return "not-started", reason
