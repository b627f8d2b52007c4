"""``scxlife schedulers``: the kernel's own example schedulers, to run in guests and to test with."""

from __future__ import annotations

import argparse
from functools import partial

from scxlife.fsm.json_text import json_text
from scxlife.lifecycle.commands.problems import damaged, telling
from scxlife.platform.vm import schedulers
from scxlife.platform.vm.progress import progress_on

SUMMARY = "build the kernel's example schedulers, or list those that are here"

_EPILOG = """\
examples:
  scxlife schedulers build             scx_simple and its siblings; at once if they are here already
  scxlife schedulers build --jobs 1    for a machine with little memory
  scxlife schedulers build --force     ask the mirror for a newer source, and build again in any case
  scxlife schedulers list --json

The source is Debian's linux-source package. Building takes clang 17 or newer; what is missing is said, with the
command that installs it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="build them from the kernel source of Debian sid into the cache")
    build.add_argument("--jobs", type=_positive, metavar="N", help="run N compilers at once (default: one a CPU)")
    build.add_argument("--force", action="store_true", help="even if they are here already")
    listing = actions.add_parser("list", help="list the schedulers of the cache, newest set first")
    listing.add_argument("--json", action="store_true", help="as JSON, with everything that is known")


def run(args: argparse.Namespace) -> int:
    return telling(lambda: _build(args) if args.action == "build" else _list(args))


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def _build(args: argparse.Namespace) -> int:
    _print(schedulers.build(progress_on(), jobs=args.jobs, force=args.force))
    return 0


def _list(args: argparse.Namespace) -> int:
    found = [one for one in schedulers.installed() if not damaged(partial(schedulers.verify, one, *one.names))]
    if args.json:
        print(json_text([_row(one) for one in found], indent=2))
        return 0
    if not found:
        print("no scheduler is here yet; run: scxlife schedulers build")
    for one in found:
        _print(one)
    return 0


def _print(one: schedulers.SchedulerSet) -> None:
    print(f"{one.version}  {one.directory}\n  {' '.join(one.names)}")


def _row(one: schedulers.SchedulerSet) -> dict[str, object]:
    return {
        "version": one.version,
        "suite": one.suite,
        "clang": one.clang,
        "built_at": one.built_at,
        "schedulers": [{"name": name, "path": str(one.path(name)), "sha256": one.sha256[name]} for name in one.names],
    }
