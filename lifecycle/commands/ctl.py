"""`scxlife ctl`: ask a supervisor that runs."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scxlife.fsm.json_text import json_text
from scxlife.lifecycle.control.client import PATIENCE, Control, ControlError
from scxlife.lifecycle.outcomes import USAGE
from scxlife.lifecycle.plain_text import plain

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

SUMMARY = "ask a supervisor that runs: attach, detach, restart, replace, stop"
DESCRIPTION = """Asks the supervisor that listens at SOCKET (scxlife run --control SOCKET) and waits for its answer.
Requests are worked on one after the other; detach and stop end whatever is under way."""
EPILOG = """requests:
  attach NAME    start the staged scheduler NAME, where none runs
  replace NAME   stop the one that runs, wait until the kernel runs none, start NAME
  restart        the same for the one that runs, or ran last
  detach         stop the one that runs, or is on its way
  status         what is wanted, what the kernel says, and whether they differ
  watch          what happens, a line each, until Ctrl-C
  stop           end the supervisor, with all that is its

exit codes:
  0    done; for status: what is wanted is what the kernel runs
  1    it came to nothing, and why is said; for status: what is wanted and what the kernel runs differ
  2    usage error, or a request that the supervisor does not understand
  69   no answer: nobody listens at SOCKET, or it is busy, silent, endless or malformed, as is said, or it hung up
  77   the supervisor is another user's

examples:
  scxlife ctl --control /run/scx.sock replace fifo
  scxlife ctl --control /run/scx.sock status --json | jq .drift
  scxlife ctl --control /run/scx.sock watch --json"""

UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits(3)
NOT_ALLOWED = 77  # EX_NOPERM
_EXITS = dict.fromkeys(("unreachable", "busy", "timeout", "endless", "malformed", "closed"), UNAVAILABLE)
_EXITS |= {"not-allowed": NOT_ALLOWED}
_NAMED = ("attach", "replace")


REQUESTS = ("attach", "replace", "restart", "detach", "status", "watch", "stop")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    # A guest's payload has this module, and no more of the command line than it needs.
    from scxlife.lifecycle.duration_option import positive_duration

    parser.usage = "scxlife ctl --control SOCKET [options] REQUEST [NAME]"
    parser.add_argument("--control", metavar="SOCKET", required=True, help="where the supervisor listens")
    parser.add_argument("--json", action="store_true", help="print the answer as one object; watch: each event as one")
    parser.add_argument(
        "--timeout",
        type=positive_duration,
        default=PATIENCE,
        metavar="DURATION",
        help=f"wait so long for a place in the queue and the answer; what was asked goes on (default: {PATIENCE:g}s)",
    )
    parser.add_argument("request", choices=REQUESTS, metavar="REQUEST")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the staged scheduler, for attach and replace")


def run(parsed: argparse.Namespace) -> int:
    return ask(parsed.control, parsed.request, parsed.name, as_json=parsed.json, patience=parsed.timeout)


def ask(path: str, request: str, name: str | None, *, as_json: bool = False, patience: float = PATIENCE) -> int:
    """Ask for it and print the answer; the exit code."""
    if (request in _NAMED) != (name is not None):
        wants = "needs a NAME" if request in _NAMED else "takes no NAME"
        print(f"scxlife: error: {request} {wants}", file=sys.stderr)
        return USAGE
    try:
        with Control(path, patience=patience, once=True) as control:
            if request == "watch":
                return _watch(control, as_json)
            asked: Callable[..., Mapping[str, Any]] = getattr(control, request)
            answer = asked(*([name] if name is not None else []))
    except ControlError as error:
        print(f"scxlife: error: {plain(str(error))}", file=sys.stderr)
        return _EXITS.get(error.code, USAGE)
    if as_json:
        print(json_text(answer))
    else:
        for line in _status(answer) if request == "status" else _said(answer):
            print(plain(line))
    return int(bool(answer["drift"])) if request == "status" else int(not answer["done"])


def _watch(control: Control, as_json: bool) -> int:
    for event in control.watch():
        print(json_text(event) if as_json else plain(_event(event)), flush=True)
    return 0


def _said(answer: Mapping[str, Any]) -> list[str]:
    name = answer.get("name") or ""
    if answer["result"] == "attached":
        return [f"attached   {name}"]
    lines = [f"{answer['result']:<10} {name}".rstrip()]
    if answer.get("reason") and answer["result"] != "detached":
        lines.append(f"reason     {answer['reason']}")
    outcome = answer.get("outcome") or {}
    if answer["result"] == "failed":
        lines += [f"outcome    {outcome['outcome']}"] if outcome else []
        lines += [f"kernel     {outcome['kernel_reason']}"] if outcome.get("kernel_reason") else []
        lines += [f"hint       {outcome['hint']}"] if outcome.get("hint") else []
        lines += [f"log        {outcome['log_path']}"] if outcome.get("log_path") else []
    return lines


def _status(status: Mapping[str, Any]) -> list[str]:
    kernel, life, last = status.get("kernel") or {}, status.get("run"), status.get("last")
    lines = [
        f"state      {status['state']}",
        f"wanted     {status.get('desired') or 'none'}",
        f"attached   {status.get('attached') or 'none'}{'   (differs from what is wanted)' if status['drift'] else ''}",
        f"kernel     {kernel.get('state') or 'no sched_ext'} {kernel.get('ops') or ''}".rstrip(),
    ]
    if life is not None:
        lines.append(f"run        {life.get('name')} #{life['number']}, {life['state']}, pid {life.get('pid')}")
        lines.append(f"log        {life.get('log')}")
    if status.get("restart_in") is not None:
        lines.append(f"restart    in {status['restart_in']:.1f} s")
    if last is not None:
        lines.append(f"last       {last['outcome']}: {last['reason']}")
    return lines


def _event(event: Mapping[str, Any]) -> str:
    what = event["event"]
    if what == "status":
        wanted, attached = event.get("desired") or "none", event.get("attached") or "none"
        return f"status     {event['state']}, wanted {wanted}, attached {attached}"
    who = f"{event.get('name') or ''}"
    if what == "state":
        return f"{event['t']:.3f}  {event['from']} → {event['state']}  {who}  {event['cause']}"
    if what == "ended":
        outcome = event["outcome"]
        return f"{event['t']:.3f}  ended  {who}  {outcome['outcome']}: {outcome['reason']}"
    return f"{event['t']:.3f}  {what}  {who}".rstrip()
