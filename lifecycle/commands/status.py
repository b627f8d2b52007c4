"""`scxlife status`: what the kernel says of sched_ext at this moment."""

from __future__ import annotations

import argparse

import attrs

from scxlife.fsm.json_text import json_text
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sched_ext import link_holders, snapshot

SUMMARY = "what the kernel says of sched_ext now"
EPILOG = """examples:
  scxlife status
  scxlife status --json | jq .state

Who owns the scheduler is told by the struct_ops links in /proc, so other users' processes are seen only by root."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one object")


def run(parsed: argparse.Namespace) -> int:
    kernel = LinuxKernel()
    now = snapshot(kernel)
    holders = link_holders(kernel)
    if parsed.json:
        facts = {
            **attrs.asdict(now),
            "owners": [{"pid": holder.pid, "command": holder.command} for holder in holders.found],
            "owners_complete": holders.complete,
        }
        print(json_text(facts))
        return 0
    if not now.present:
        print("sched_ext: absent (this kernel has no /sys/kernel/sched_ext)")
        return 0
    print(f"sched_ext: {now.state}")
    print(f"scheduler: {now.ops or 'none'}")
    print(f"enabled so far: {now.enable_seq if now.enable_seq is not None else 'unknown'}")
    if now.instance is not None:
        print(f"instance: {now.instance}")
    for holder in holders.found:
        print(f"owner: {holder.command}, pid {holder.pid}")
    if now.ops and not holders.found:
        print(f"owner: not visible{'' if holders.complete else ' (not every process may be looked at; try as root)'}")
    return 0
