"""`scxlife run`: one scheduler, or any daemon, on this host, in the foreground."""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

import attrs

from scxlife.fsm.tape import Tape
from scxlife.lifecycle.destinations import STDOUT, log_descriptor
from scxlife.lifecycle.listeners import Listeners, add_listeners
from scxlife.lifecycle.log_formats import FORMATS, format_for, gap_for
from scxlife.lifecycle.metrics import Metrics
from scxlife.lifecycle.operations.options import add_operations, serve, wanted
from scxlife.lifecycle.operations.staging import Staged
from scxlife.lifecycle.options import add_settings, chosen, shipped
from scxlife.lifecycle.outlet import Outlets
from scxlife.lifecycle.plan import Plan, scheduler_environment
from scxlife.lifecycle.report import print_json
from scxlife.lifecycle.search_path import found
from scxlife.lifecycle.supervision import Supervision
from scxlife.lifecycle.tapefile import TapeFile
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.leftovers import unit_of
from scxlife.platform.linux import LinuxKernel

SUMMARY = "supervise a scheduler, or any daemon, on this host"
DESCRIPTION = """Starts COMMAND, proves that it is ready, watches it, stops it and reaps it.
Ctrl-C stops it and all that it has started; a second one kills them.
SIGTERM, SIGHUP (unless nohup ignores it) and Ctrl-\\ do the same. Ctrl-Z and other signals have no effect."""
EPILOG = """exit codes:
  0    it was ready, or not yet, and ended as asked
  2    usage or definition error
  10   startup-died: it ended before it was ready, whatever its own code
  11   not-attached: it lived and was not ready, or the kernel has no sched_ext
  12   ejected: the kernel threw it out, or it was detached or replaced
  13   exited by itself with a failure while it ran
  14   left-running: it could not be ended
  70   scxlife itself failed
  126  spawn-failed: it could not be started
  127  not-configured: there is no such command

examples:
  scxlife run -- ./scx_simple -v
  scxlife run --for 30s --json -- ./scx_simple
  scxlife run --ready file:/run/d.ready --log d.log -- /usr/sbin/d
  scxlife run --ready none -- sleep 60
  scxlife run --log - -- ./scx_simple           its output on stdout, the timeline on stderr
  scxlife run --restart on-failure -- ./scx_simple
  scxlife run --control /run/scx.sock --stage fair=./scx_flatcg --stage fifo='./scx_simple -f' -- ./scx_simple
  scxlife run --metrics /var/lib/prometheus/node-exporter/scx.prom -- ./scx_simple"""


def readiness(text: str) -> str:
    if text in ("sched_ext", "none") or (text.startswith("file:") and text != "file:"):
        return text
    raise argparse.ArgumentTypeError(f"{text!r}: use sched_ext, file:PATH or none")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "scxlife run [options] -- COMMAND [ARG…]\n       scxlife run --control SOCKET --stage NAME=PATH …"
    parser.add_argument(
        "--ready",
        type=readiness,
        default="sched_ext",
        metavar="HOW",
        help="what proves it ready: sched_ext (default), file:PATH, or none",
    )
    add_settings(parser, shipped())
    parser.add_argument(
        "--log",
        metavar="FILE",
        help="write its stdout and stderr to FILE, or to our stdout (-) (default: a new temporary file)",
    )
    parser.add_argument(
        "--keep-leftovers",
        action="store_true",
        help="report what a dead supervisor of the same socket or unit has left, and keep it (default: end it first)",
    )
    parser.add_argument("--tape", metavar="FILE", help="write all that happened as JSON Lines")
    parser.add_argument("--json", action="store_true", help="print the outcome as one object, the last line of stdout")
    add_listeners(parser)
    add_operations(parser)
    parser.add_argument("argv", nargs="*", metavar="COMMAND [ARG…]", help=argparse.SUPPRESS)


def run(parsed: argparse.Namespace) -> int:
    profile, _, ready_file = parsed.ready.partition(":")
    definition = chosen(parsed, shipped().with_profile(profile)).with_settings(keep_leftovers=parsed.keep_leftovers)
    ready_file = os.path.abspath(ready_file) if ready_file else None  # noqa: PTH100
    if not parsed.argv and parsed.control is None:
        raise UsageError("what is to be run? scxlife run [options] -- COMMAND [ARG…]")
    if wanted(parsed):
        first = None
        if parsed.argv:
            command, *arguments = parsed.argv
            first = Staged(Path(command).name, found(command), tuple(arguments))
        return serve(parsed, definition, first, ready_file)
    command, *arguments = parsed.argv
    name = Path(command).name
    log_fd = None if parsed.log is None else log_descriptor("--log", parsed.log)
    log = parsed.log or str(Path(tempfile.gettempdir(), f"scxlife-{name}-{secrets.token_hex(4)}.log"))
    kernel = LinuxKernel()
    plan = Plan(
        command=found(command),
        arguments=tuple(arguments),
        environment=scheduler_environment(os.environ),
        log_path=log,
        log_fd=log_fd,
        ready_file=ready_file,
        unit=unit_of(kernel, None),
    )
    out = sys.stderr if parsed.json or log_fd == STDOUT else sys.stdout
    kind = parsed.log_format or format_for(out, os.environ)
    described = f"{definition.name} {definition.version}"
    with Outlets(kernel) as outlets:
        timeline = FORMATS[kind](outlets.standard(out, gap_for(kind)).line)
        listening = Listeners(
            definition,
            os.environ,
            outlets,
            notify_fd=parsed.notify_fd,
            metrics=None if parsed.metrics is None else Metrics(parsed.metrics, definition, name, realtime=time.time),
        )
        with TapeFile(parsed.tape, outlets) as tape, listening as listeners:
            lines = () if parsed.tape is None else (tape,)
            observer = Tape(definition, kernel.monotonic, *lines, records=(timeline.record, listeners.record))
            waiter = listeners.waiter(os.getpid())
            run = Supervision(kernel, definition, plan, observer=observer, announce=listeners.announce, waiter=waiter)
            outcome = listeners.over(run.run())
        outcome = attrs.evolve(outcome, degraded=(*outcome.degraded, *outlets.lost()))
        timeline.over(outcome, described)
        result = None
        if parsed.json:
            result = outlets.standard(sys.stdout)
            print_json(outcome, described, result.line)
    if result is not None and result.error is not None:
        raise result.error
    return outcome.status
