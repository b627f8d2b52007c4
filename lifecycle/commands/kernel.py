"""``scxlife kernel``: the kernels that guests boot."""

from __future__ import annotations

import argparse
from functools import partial

import attrs

from scxlife.fsm.json_text import json_text
from scxlife.lifecycle.commands.problems import damaged, telling
from scxlife.platform.vm import kernel_build, kernels
from scxlife.platform.vm.progress import progress_on

SUMMARY = "fetch or build a kernel with sched_ext, or list those that are here"

_EPILOG = """\
examples:
  scxlife kernel fetch                 the kernel of Debian sid; at once if there is one already
  scxlife kernel fetch --force         ask the mirror whether there is a newer one, and fetch it again in any case
  scxlife kernel fetch --overlay       with the module that lets a payload of --rootfs host change what it sees
  scxlife kernel build 6.12            a small one that boots faster, from Debian's source: minutes, once
  scxlife kernel list --json

The mirror is the one that this machine's apt uses. Its own package state is neither used nor changed.
"""

_EPILOG_BUILD = """\
It has what a guest needs and little else. An interrupted build goes on where it was when it is asked for again.
Then: scxlife vm run --kernel 6.12
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    fetch = actions.add_parser("fetch", help="fetch the newest kernel of a Debian suite into the cache")
    fetch.add_argument("--suite", default="sid", help="the Debian suite to take it from (default: %(default)s)")
    fetch.add_argument("--force", action="store_true", help="even if one is here already")
    fetch.add_argument(
        "--overlay", action="store_true", help="fetch its overlay module too, for vm run --rootfs host (110 MB once)"
    )
    build = actions.add_parser(
        "build",
        help="build a small kernel from Debian's kernel source into the cache",
        epilog=_EPILOG_BUILD,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    build.add_argument("version", metavar="VERSION", help="such as 6.12, or 6.12.117 for that and no other")
    build.add_argument("--suite", help="the Debian suite to take the source from (default: trixie, else sid)")
    build.add_argument("-j", "--jobs", type=_jobs, metavar="N", help="compilers at once (default: one for each CPU)")
    build.add_argument("--force", action="store_true", help="ask for newer source, and build from the beginning")
    listing = actions.add_parser("list", help="list the kernels of the cache, newest first")
    listing.add_argument("--json", action="store_true", help="as JSON, with everything that is known")


def run(args: argparse.Namespace) -> int:
    return telling(lambda: {"fetch": _fetch, "build": _build, "list": _list}[args.action](args))


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r}: a number from 1 to 4096 is wanted")
    return int(text)


def _fetch(args: argparse.Namespace) -> int:
    progress = progress_on()
    kernel = kernels.fetch(progress, suite=args.suite, force=args.force)
    if args.overlay:
        kernels.fetch_overlay(progress, kernel)
    print(f"{kernel.version}  {kernel.vmlinuz}")
    return 0


def _build(args: argparse.Namespace) -> int:
    kernel = kernel_build.build(progress_on(), args.version, jobs=args.jobs, suite=args.suite, force=args.force)
    print(f"{kernel.version}  {kernel.vmlinuz}")
    return 0


def _list(args: argparse.Namespace) -> int:
    found = [kernel for kernel in kernels.installed() if not damaged(partial(kernels.verified, kernel))]
    if args.json:
        rows = [{**attrs.asdict(kernel), "vmlinuz": str(kernel.vmlinuz)} for kernel in found]
        print(json_text(rows, indent=2))
        return 0
    if not found:
        print("no kernel is here yet; run: scxlife kernel fetch")
    for kernel in found:
        came = "built" if kernel.built else "fetched"
        print(f"{kernel.version}  {kernel.suite}  {kernel.size / 1e6:.1f} MB  {came} {kernel.fetched_at}")
    return 0
