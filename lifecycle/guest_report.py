"""The end of a run in a guest: the files to keep, the lines for people, the object for programs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .guest_run import GUEST_FAILED
from .options import shipped
from .outcomes import GUEST_FAILED as GUEST_FAILED_STATUS
from .outcomes import PAYLOAD_FAILED, Outcome
from .plain_text import plain
from .report import print_json, say_outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from .guest_files import Taken
    from .guest_run import Attempt
    from .kept_file import KeptFile
    from .payload_streams import PayloadStreams

NEWLINE = b"\n"


class Report:
    """Reports an attempt: for people with `write`, for programs with `write_json`, and in the files to keep. `warn`
    writes what even those want to know who asked for silence."""

    def __init__(
        self,
        args: argparse.Namespace,
        taken: Taken,
        log: KeptFile,
        dump: KeptFile,
        kept: KeptFile,
        streams: PayloadStreams,
        write: Callable[[str], object],
        warn: Callable[[str], object],
        write_json: Callable[[str], object] | None,
    ) -> None:
        self._args = args
        self._payload = bool(taken.payload)
        self._log = log
        self._dump = dump
        self._kept = kept
        self._streams = streams
        self._write = write
        self._warn = warn
        self._write_json = write_json

    def __call__(self, attempt: Attempt, *, interrupted: bool = False) -> int:
        """The exit code. A payload that was ended as asked has not failed."""
        dump = b"".join(attempt.probes.values())
        failures = (self._log.write(), self._dump.write(dump), self._kept.write())
        if attempt.outcome is None:
            status = self._failed(attempt)
        else:
            status = self._ended(attempt, attempt.outcome, dump, interrupted=interrupted)
        for failure in failures:
            if failure is not None:
                self._warn(f"scxlife: warning: {failure}")
        return status

    def _failed(self, attempt: Attempt) -> int:
        write = self._write
        if self._args.quiet:
            self._warn(f"scxlife: {GUEST_FAILED}: {attempt.failure}: {attempt.reason}")
        write("")
        write(plain(f"outcome    {GUEST_FAILED}: {attempt.failure}: {attempt.reason}"))
        self._degraded(attempt)
        if attempt.console_tail:
            write("the console's last lines:")
        for line in attempt.console_tail[-20:]:
            write(f"  {plain(line)}")
        self._print(
            attempt,
            Outcome(reason=attempt.reason, degraded=attempt.degraded),
            outcome=GUEST_FAILED,
            guest=attempt.failure,
            console_tail=list(attempt.console_tail),
            log_tail=attempt.log[-16384:].decode("utf-8", "replace"),
        )
        return GUEST_FAILED_STATUS

    def _ended(self, attempt: Attempt, outcome: Outcome, dump: bytes, *, interrupted: bool) -> int:
        if self._args.quiet and outcome.status != 0:
            self._warn(f"scxlife: {outcome.name}: {outcome.reason}")
        say_outcome(outcome, self._write, log_path=self._args.log)
        if outcome.status == 0:
            self._degraded(attempt)
        if dump:
            kept = self._args.dump or "not kept: --dump FILE keeps it"
            self._write(f"dump       {dump.count(NEWLINE)} lines of the kernel's; {kept}")
        self._print(attempt, outcome, kernel=attempt.kernel)
        failed = self._payload and not interrupted and (outcome.payload or {}).get("exit") != {"code": 0}
        return PAYLOAD_FAILED if outcome.status == 0 and failed else outcome.status

    def _degraded(self, attempt: Attempt) -> None:
        for what in attempt.degraded:
            self._write(plain(f"degraded   {what}"))

    def _print(self, attempt: Attempt, ended: Outcome, **more: object) -> None:
        """One object, the last line of stdout."""
        if self._write_json is not None:
            definition = shipped()
            more["topology"] = attempt.topology
            if self._payload:
                more["payload_output"] = self._streams.as_json()
            print_json(ended, f"{definition.name} {definition.version}", self._write_json, **more)
