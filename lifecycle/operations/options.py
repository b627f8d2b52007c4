"""`--control`, `--stage` and `--restart` of `scxlife run`, and the run that they ask for."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scxlife.fsm.json_text import json_text
from scxlife.lifecycle.destinations import STDOUT, log_descriptor
from scxlife.lifecycle.duration_option import duration
from scxlife.lifecycle.log_formats import FORMATS, format_for, gap_for
from scxlife.lifecycle.metrics import Metrics
from scxlife.lifecycle.notify import ReadinessDescriptor, ServiceManager, watched
from scxlife.lifecycle.options import operations
from scxlife.lifecycle.outlet import Outlets
from scxlife.lifecycle.plan import NOTIFY_SOCKET, scheduler_environment
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.linux import LinuxKernel

from .restart_policy import POLICIES, Policy
from .serving import Serving
from .staging import Staged, all_staged
from .timeline import OperationsLog, OperationsTimeline

if TYPE_CHECKING:
    from scxlife.fsm.definition import Definition


def add_operations(parser: argparse.ArgumentParser) -> None:
    machine = operations()
    group = parser.add_argument_group("several schedulers, one after the other")
    group.add_argument(
        "--control", metavar="SOCKET", help="listen there for scxlife ctl (without COMMAND: begin with none)"
    )
    group.add_argument(
        "--stage",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="a scheduler to be asked for by NAME: 'PATH ARG…', or a folder with the files scheduler and sched_args",
    )
    group.add_argument(
        "--restart",
        choices=POLICIES,
        default=None,
        help="after which ends it is started again (default: never)",
    )
    for name, words in (
        ("backoff_first", "the pause before the first restart; each further one is twice as long"),
        ("backoff_at_most", "no pause is longer"),
        ("start_window", "the time for --start-limit"),
        ("healthy_after", "who is ready for so long has no failures behind it"),
    ):
        option, value = f"--{name.replace('_', '-')}", machine.settings[name]
        group.add_argument(option, type=duration, metavar="DURATION", help=f"{words} (default: {value:g}s)")
    group.add_argument(
        "--start-limit",
        type=int,
        metavar="N",
        help=f"so many restarts within --start-window are enough (default: {machine.settings['start_limit']})",
    )


def wanted(parsed: argparse.Namespace) -> bool:
    """Whether the command line asks for more than one life of one scheduler."""
    return bool(parsed.control or parsed.stage or parsed.restart)


def machine_for(parsed: argparse.Namespace) -> Definition:
    """operations.yaml with what the command line says. Raises UsageError."""
    names = ("restart", "backoff_first", "backoff_at_most", "start_window", "healthy_after", "start_limit")
    given: dict[str, Any] = {name: value for name in names if (value := getattr(parsed, name)) is not None}
    machine = operations().with_settings(linger=parsed.control is not None, **given)
    try:
        Policy.of(machine.settings)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return machine


def serve(parsed: argparse.Namespace, life: Definition, first: Staged | None, ready_file: str | None) -> int:
    """`scxlife run` with these options; the exit code."""
    if parsed.stage and parsed.control is None:
        raise UsageError("--stage needs --control SOCKET: nobody could ask for what is staged")
    log_fd = None if parsed.log is None else log_descriptor("--log", parsed.log)
    if parsed.log is not None and log_fd is None:
        raise UsageError(
            "--log FILE is for one life: with --control, --stage or --restart each has a log of its own; --log - works"
        )
    staged = all_staged(parsed.stage, first=first)
    out = sys.stderr if parsed.json or log_fd == STDOUT else sys.stdout
    kind = parsed.log_format or format_for(out, os.environ)
    kernel = LinuxKernel()
    outlets = Outlets(kernel)
    write = outlets.standard(out, gap_for(kind)).line
    log = OperationsTimeline(write) if kind == "text" else OperationsLog(FORMATS[kind](write))
    life = life.with_profile("operation")
    metrics = None
    if parsed.metrics is not None:
        metrics = Metrics(parsed.metrics, life, "operations" if first is None else first.name, realtime=time.time)
    descriptor = None if parsed.notify_fd is None else ReadinessDescriptor(parsed.notify_fd, outlets)
    manager = ServiceManager(os.environ.get(NOTIFY_SOCKET), descriptor)
    serving = Serving(
        kernel,
        life,
        machine_for(parsed),
        staged,
        environment=scheduler_environment(os.environ),
        log_folder=tempfile.mkdtemp(prefix="scxlife-"),
        log_fd=log_fd,
        log=log,
        manager=manager,
        outlets=outlets,
        waiter=watched(outlets, manager, os.environ, os.getpid()),
        metrics=metrics,
        ready_file=ready_file,
        control=None if parsed.control is None else str(Path(parsed.control).absolute()),
        tape=parsed.tape,
    )
    result = None
    with outlets:
        try:
            status = serving.run(None if first is None else first.name)
        finally:
            manager.close()
        log.note("")
        for listener in (manager, descriptor, metrics):
            if listener is not None and listener.degraded is not None:
                log.note(f"degraded   {listener.degraded}")
        for lost in outlets.lost():
            log.note(f"degraded   {lost}")
        if log_fd is None:
            log.note(f"logs       {serving.log_folder}")
        if parsed.json:
            result = outlets.standard(sys.stdout)
            result.line(json_text({"status": status, "last": serving.last}))
    if result is not None and result.error is not None:
        raise result.error
    return status
