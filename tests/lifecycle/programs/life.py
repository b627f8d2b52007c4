"""One life of one of the programs beside this file, on the host's own kernel, and who is left of it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scxlife.fsm.definition import Definition
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import Outcome
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.linux import LinuxKernel

PROGRAMS = Path(__file__).parent
DEFINITION = shipped()
#: Seconds after which something hangs that should not. Never waited for in a test that passes.
LIMIT = 60.0
_MARK = "SCXLIFE_TEST_LIFE"


def profile(name: str, **settings: Any) -> Definition:
    """The shipped lifecycle under a profile; nothing in it ends by patience unless a test says so."""
    patient: dict[str, Any] = {"stop_grace": LIMIT, "attach_timeout": LIMIT, "attach_at_most": LIMIT}
    return DEFINITION.with_profile(name).with_settings(**{**patient, **settings})


class Life:
    """A life whose program's processes are all marked, so that they are found wherever they went.

    `at_ready` is called when the program was proven ready; `family` are the pidfds of all that lived then.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready = folder / "ready"
        self.log = folder / "log"
        self.mark = f"{os.getpid()}.{id(self)}"
        self.steps: list[str] = []
        self.family: dict[int, int] = {}
        self.at_ready: Callable[[], object] = lambda: None

    def run(self, definition: Definition, command: str | Path, *arguments: object) -> Outcome:
        plan = Plan(
            command=os.fspath(PROGRAMS / command),
            arguments=tuple(map(str, arguments)),
            environment={"PATH": os.environ["PATH"], _MARK: self.mark},
            log_path=str(self.log),
            ready_file=str(self.ready),
        )
        return Supervision(
            LinuxKernel(), definition, plan, observer=self._observe, announce=lambda name, _: self._announced(name)
        ).run()

    def members(self) -> list[int]:
        """The pids that bear our mark. Zombies bear none."""
        mark = f"{_MARK}={self.mark}\0".encode()
        found = []
        for process in Path("/proc").iterdir():
            try:
                if process.name.isdecimal() and mark in _environment(process):
                    found.append(int(process.name))
            except OSError:
                continue
        return found

    def survivors(self) -> list[int]:
        """Who of the family does not end. What was killed is waited for; what was not would live for minutes."""
        return [pid for pid, pidfd in self.family.items() if not _ends(pidfd, 5.0)]

    def bury(self) -> None:
        for pidfd in self.family.values():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)
        self.family = {}

    def _announced(self, name: str) -> None:
        if name == "attached":
            for pid in self.members():
                # The one that made the file, a child of its own perhaps, may end meanwhile.
                with contextlib.suppress(ProcessLookupError):
                    self.family[pid] = os.pidfd_open(pid)
            self.at_ready()

    def _observe(self, record: Mapping[str, Any]) -> None:
        if record["kind"] == "step":
            self.steps.append(f"{record['event']} → {record['to']}")


def _environment(process: Path) -> bytes:
    """The environment of a process. In the middle of execve(2) it has none, for a moment that is waited for."""
    until = time.monotonic() + 1.0
    while not (found := (process / "environ").read_bytes()) and time.monotonic() < until:
        # ENOENT for a zombie and a thread of the kernel: they have none for good.
        (process / "exe").readlink()
        os.sched_yield()
    return found


def _ends(pidfd: int, patience: float) -> bool:
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    return bool(poller.poll(patience * 1000))
