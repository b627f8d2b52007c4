"""The command line: finds the subcommand, and imports no other.

Ctrl-C is handled before anything else is imported, so the imports are in the functions.
"""

from __future__ import annotations

import os
import sys

from scxlife.lifecycle import interrupts

# mypy and ruff know it by its name; the module `typing` is not loaded yet.
TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

FAILED = 1

COMMANDS = {
    "run": "supervise a scheduler, or any daemon, on this host",
    "ctl": "ask a supervisor that runs: attach, detach, restart, replace, stop",
    "vm": "do the same in a guest with a sched_ext kernel",
    "status": "what the kernel says of sched_ext now",
    "unit": "the systemd unit by which a scheduler is a service",
    "check": "validate and lint a machine's definition",
    "import": "draft a definition from a machine of another library",
    "diagram": "draw a definition",
    "timeline": "draw a run: its tape on one axis of time",
    "names": "a definition's names as Python types",
    "paths": "paths through a definition that take every row, to test by",
    "explore": "try everything that can happen to the lifecycle",
    "fuzz": "attack the lifecycle on a simulated kernel",
    "replay": "feed a tape back through its definition, or run a scenario again",
    "schema": "the definition format as JSON Schema, for editors",
    "kernel": "fetch and list sched_ext kernels for guests",
    "cache": "list what is kept between runs, or make room",
    "schedulers": "build and list the kernel's example schedulers",
}

# Where a command's name is no name of a module.
MODULES = {"import": "import_"}

EPILOG = """examples:
  scxlife run -- ./scx_simple                   start it, prove it attached, watch it; Ctrl-C stops it
  scxlife run --ready file:/run/d.ready -- d    any daemon that makes a file when it is ready
  scxlife vm run --scheduler scx_simple -- sleep 3
  scxlife status --json

`scxlife COMMAND --help` tells more of each."""


def _parser(command: str | None) -> argparse.ArgumentParser:
    import argparse
    import importlib

    from scxlife import __version__

    parser = argparse.ArgumentParser(
        prog="scxlife",
        description="Starts, proves, watches and buries Linux sched_ext schedulers.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"scxlife {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name != command:
            subparsers.add_parser(name, help=summary, add_help=False)
            continue
        module = importlib.import_module(f"scxlife.lifecycle.commands.{MODULES.get(name, name)}")
        sub = subparsers.add_parser(
            name,
            help=summary,
            description=getattr(module, "DESCRIPTION", module.SUMMARY),
            epilog=getattr(module, "EPILOG", None),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


# Options whose value may begin with a dash, which argparse takes for an option unless the two are one word.
DASHED_VALUES = ("--sched-args", "--setup")


def _joined(words: list[str]) -> list[str]:
    """`--sched-args -v` as `--sched-args=-v`, up to a `--`."""
    joined: list[str] = []
    rest = iter(words)
    for word in rest:
        if word == "--":
            return [*joined, word, *rest]
        value = next(rest, None) if word in DASHED_VALUES else None
        joined.append(word if value is None else f"{word}={value}")
    return joined


def _give_up_stdout() -> None:
    """What is still buffered goes nowhere: the flush at exit would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. argparse's own errors exit with 2.

    Without `arguments` this is the program itself: Ctrl-C and SIGTERM stay handled up to the end of the process.
    """
    former = interrupts.install()
    try:
        try:
            status = _main(sys.argv[1:] if arguments is None else arguments)
        finally:
            interrupts.leave()
    except KeyboardInterrupt:
        return interrupts.told()
    except BaseException:
        # What an interrupt leads to on its way out is no news.
        if not interrupts.came():
            raise
        return interrupts.told()
    else:
        return interrupts.told() if interrupts.came() else status
    finally:
        if arguments is not None:
            interrupts.restore(former)


def _main(arguments: Sequence[str]) -> int:
    try:
        return _command(arguments)
    except ModuleNotFoundError as error:
        from scxlife.lifecycle.missing_modules import report

        return report(error)


def _command(arguments: Sequence[str]) -> int:
    import errno
    import io

    from scxlife.fsm.registry import SourceError
    from scxlife.lifecycle.outcomes import USAGE
    from scxlife.lifecycle.usage import UsageError

    words = _joined(list(arguments))
    command = next((word for word in words if not word.startswith("-")), None)
    parsed = _parser(command if command in COMMANDS else None).parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        # A file's name may be any bytes: what an encoding has no character for is printed as an escape.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout is None:
        sys.stdout = io.StringIO()  # nobody reads it; the exit code is still told
    try:
        interrupts.unwind()
        status = int(parsed.run(parsed))
        sys.stdout.flush()
        return status
    except (UsageError, SourceError) as error:
        print(f"scxlife: error: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        # The reader of our output went away: nothing more can be told, and nothing of ours runs on.
        _give_up_stdout()
        return 141
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _give_up_stdout()
        print(f"scxlife: error: the output could not be written: {error.strerror}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    raise SystemExit(main())
