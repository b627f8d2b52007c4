"""`scxlife cache`: what is kept between runs, and what of it can go."""

from __future__ import annotations

import argparse

from scxlife.fsm.json_text import json_text
from scxlife.lifecycle.commands.problems import telling
from scxlife.lifecycle.duration_option import positive_duration
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.vm.cache import cache_root
from scxlife.platform.vm.cache_contents import contents, remove

SUMMARY = "list what is kept between runs, or make room"

# Seconds.
WEEK = 7 * 86400.0

_EPILOG = """\
examples:
  scxlife cache list
  scxlife cache prune                        what was not used for a week
  scxlife cache prune --older-than 1h
  scxlife cache prune warm/3f0c…             these, whatever they are

Kernels, schedulers and sources were fetched, or take minutes to build: prune removes them only by their names.
Saved guests have at most 2 GiB; those that were not used for longest go first, without being asked.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list everything, the largest first, with its size and when it was used")
    listing.add_argument("--json", action="store_true", help="as JSON: bytes, and seconds since it was used")
    prune = actions.add_parser("prune", help="remove what is made again when it is missed: saved guests, their base …")
    prune.add_argument("names", nargs="*", metavar="NAME", help="remove these of `scxlife cache list`, and no others")
    prune.add_argument(
        "--older-than", type=positive_duration, default=WEEK, metavar="S", help="not used for this long (default: 7d)"
    )
    prune.add_argument("--all", action="store_true", help="whenever it was used")


def run(args: argparse.Namespace) -> int:
    return telling(lambda: {"list": _list, "prune": _prune}[args.action](args))


def _list(args: argparse.Namespace) -> int:
    found = contents()
    if args.json:
        rows = [{"name": k.name, "bytes": k.size, "age": round(k.age, 1), "what": k.what} for k in found]
        print(json_text({"cache": str(cache_root()), "entries": rows}, indent=2))
        return 0
    for kept in found:
        print(f"{_megabytes(kept.size):>10}  {_age(kept.age):>8}  {kept.name}{f'  ({kept.what})' if kept.what else ''}")
    print(f"{_megabytes(sum(kept.size for kept in found)):>10}  in all, in {cache_root()}")
    return 0


def _prune(args: argparse.Namespace) -> int:
    found = contents()
    if args.names:
        known = {kept.name: kept for kept in found}
        unknown = [name for name in args.names if name not in known]
        if unknown:
            raise UsageError(f"there is no {', '.join(unknown)} in the cache", "see: scxlife cache list")
        chosen = [known[name] for name in args.names]
    else:
        chosen = [kept for kept in found if kept.made_again and (args.all or kept.age > args.older_than)]
    freed, busy = 0, []
    for kept in chosen:
        if remove(kept):
            freed += kept.size
            print(f"removed {kept.name}")
        else:
            busy.append(kept.name)
    for name in busy:
        print(f"kept    {name}: it is in use")
    print(f"{_megabytes(freed)} freed")
    return 1 if busy else 0


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _age(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
