"""The payload: what is run beside a scheduler, or without one."""

from __future__ import annotations

import errno
import signal
from typing import TYPE_CHECKING

from .processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.fsm.events import Event
    from scxlife.platform.kernel import Kernel

    from .facts import Facts
    from .plan import Plan


class Payload:
    """Its four actions. `ended` is told, with the cause, when there is none that could end."""

    def __init__(self, kernel: Kernel, plan: Plan, facts: Facts, ended: Callable[[str], None]) -> None:
        self.process = Process(kernel)
        self._plan = plan
        self._facts = facts
        self._ended = ended

    def start(self, event: Event) -> None:
        if not self._plan.payload:
            return
        path, *arguments = self._plan.payload
        streams = self._plan.payload_streams
        try:
            child = self.process.spawn(
                path,
                arguments,
                self._plan.payload_environment,
                self._plan.payload_output,
                death_signal=signal.SIGKILL,
                standard=None if streams is None else streams.standard(),
                terminal=streams is not None and streams.terminal,
            )
        except OSError as error:
            self._ended(self._could_not(path, error))
        else:
            if streams is not None:
                streams.started()
            if child.unwatched is not None:
                # It got SIGKILL: its source tells its end.
                self._could_not(path, child.unwatched)

    def _could_not(self, path: str, error: OSError) -> str:
        text = f"{path}: {errno.errorcode.get(error.errno or 0, '?')}: {error.strerror}"
        self._facts.payload = {"exit": None, "error": text}
        return text

    def stop(self, event: Event) -> None:
        if self.process.child is None:
            self._ended("no payload")
        else:
            self.process.signal_group(signal.SIGTERM, signal.SIGCONT)

    def kill(self, event: Event) -> None:
        self.process.kill_group()
        self.process.signal(signal.SIGKILL, signal.SIGCONT)

    def reap(self, event: Event) -> None:
        if self.process.child is not None:
            self.process.kill_group()
            self.process.reap()
            self._facts.payload = {**(self._facts.payload or {}), "exit": event.data["exit"]}
            self.process.clear()
