"""Scripts for the fake QEMU: what sound and hostile guests send, without a guest."""

from __future__ import annotations

import base64
import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scxlife.lifecycle.outcomes import OUTCOMES, as_json
from scxlife.platform.vm import frames

Step = list[Any]

HELLO: Mapping[str, Any] = {"version": "0.1.0", "kernel": "6.12.1", "t": 0.1, "degraded": []}
KERNEL: Mapping[str, Any] = {"state": "disabled", "ops": None, "enable_seq": 1, "release": "6.12.1"}


def encoded(content: object) -> bytes:
    """Bytes as they are, anything else as JSON."""
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def frame(kind: int, content: object, times: int = 1) -> Step:
    return ["frame", kind, base64.b64encode(encoded(content)).decode(), times]


def numbered(kind: int, content: object, times: int) -> Step:
    """`content` has one `%d` in it."""
    return ["numbered", kind, base64.b64encode(encoded(content)).decode(), times]


def filled(kind: int, prefix: bytes, size: int, times: int) -> Step:
    return ["filled", kind, base64.b64encode(prefix).decode(), size, times]


def raw(channel: str, data: bytes, times: int = 1) -> Step:
    return [channel, base64.b64encode(data).decode(), times]


def hello(**more: Any) -> Step:
    return frame(frames.HELLO, {**HELLO, **more})


def outcome_content(name: str = "stopped", **more: Any) -> dict[str, Any]:
    told = as_json(OUTCOMES[name](reason="it was asked to"), "scheduler 1", "0.1.0")
    return {**told, "kernel": dict(KERNEL), **more}


def outcome(name: str = "stopped", **more: Any) -> Step:
    return frame(frames.OUTCOME, outcome_content(name, **more))


def last_word(status: object = 0, **more: Any) -> Step:
    return frame(frames.EXIT, {"status": status, "payload": None, "fault": None, **more})


def tape_header(**more: Any) -> dict[str, Any]:
    told = {"seq": 0, "kind": "tape", "t": 0.1, "version": 1, "machine": "scheduler", "definition": 1, "settings": {}}
    return {**told, **more}


def tape_step(**more: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"seq": 1, "kind": "step", "t": 0.2, "state": "idle", "event": "start", "cell": "go"}
    told |= {"to": "locating", "guards": {}, "do": [], "verdict": None, "because": "", "cause": "asked", "data": {}}
    return {**told, **more}


def begins(name: object = "a", run: object = 1) -> Step:
    return frame(frames.LIFECYCLE, {"event": "SchedulerBegins", "name": name, "run": run})


SOUND: list[Step] = [
    hello(),
    frame(frames.TAPE, tape_header()),
    frame(frames.TAPE, tape_step()),
    frame(frames.LOG, b"a line of the log\n"),
    frame(frames.PROBE, b"sched_ext_dump\0a dump\n"),
    outcome(),
    last_word(),
]


def install(folder: Path) -> tuple[Path, Path]:
    """Makes the fake in `folder` under QEMU's name. The executable, and where its script is to be."""
    fake = folder / "qemu-system-x86_64"
    fake.write_text(
        f'#!/bin/sh\nFAKE_QEMU_SCRIPT="{folder}/script" exec {sys.executable} '
        f'{Path(__file__).with_name("fake_qemu.py")} "$@"\n'
    )
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    return fake, folder / "script"


def environment(folder: Path) -> dict[str, str]:
    """Finds the fake that is in `folder` first, and a cache of its own."""
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(folder / "cache")}
