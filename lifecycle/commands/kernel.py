"""``scxlife kernel``: the kernels that guests boot."""

from __future__ import annotations

import argparse
import json

import attrs

from scxlife.lifecycle.commands.problems import telling
from scxlife.platform.vm import kernels
from scxlife.platform.vm.progress import progress_on

SUMMARY = "fetch a kernel with sched_ext, or list those that are here"

_EPILOG = """\
examples:
  scxlife kernel fetch                 the kernel of Debian sid; at once if there is one already
  scxlife kernel fetch --force         ask the mirror whether there is a newer one, and fetch it again in any case
  scxlife kernel list --json

The mirror is the one that this machine's apt uses. Its own package state is neither used nor changed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fetch = actions.add_parser("fetch", help="fetch the newest kernel of a Debian suite into the cache")
    fetch.add_argument("--suite", default="sid", help="the Debian suite to take it from (default: %(default)s)")
    fetch.add_argument("--force", action="store_true", help="even if one is here already")
    listing = actions.add_parser("list", help="list the kernels of the cache, newest first")
    listing.add_argument("--json", action="store_true", help="as JSON, with everything that is known")


def run(args: argparse.Namespace) -> int:
    return telling(lambda: _fetch(args) if args.action == "fetch" else _list(args))


def _fetch(args: argparse.Namespace) -> int:
    kernel = kernels.fetch(progress_on(), suite=args.suite, force=args.force)
    print(f"{kernel.version}  {kernel.vmlinuz}")
    return 0


def _list(args: argparse.Namespace) -> int:
    found = kernels.installed()
    if args.json:
        rows = [{**attrs.asdict(kernel), "vmlinuz": str(kernel.vmlinuz)} for kernel in found]
        print(json.dumps(rows, indent=2))
        return 0
    if not found:
        print("no kernel is here yet; run: scxlife kernel fetch")
    for kernel in found:
        print(f"{kernel.version}  {kernel.suite}  {kernel.size / 1e6:.1f} MB  fetched {kernel.fetched_at}")
    return 0
