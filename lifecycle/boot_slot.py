"""The scheduler that a guest boots with: its arguments stand in a file beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .scheduler_names import EventName
from .supervision import Announce, Supervision

if TYPE_CHECKING:
    from scxlife.fsm.definition import Definition
    from scxlife.fsm.events import Event
    from scxlife.platform.kernel import Kernel

    from .plan import Plan

_CHUNK = 65536


class ArgumentsError(Exception):
    """The argument file can't be used. The message names it and says what to do."""


class BootSlot(Supervision):
    """A run of the lifecycle whose arguments are read when the command is looked for: without a command, an argument
    file that can't be used is nobody's concern; with one, it could not be executed as was meant."""

    def __init__(
        self,
        kernel: Kernel,
        definition: Definition,
        plan: Plan,
        arguments_path: str,
        *,
        observer: Callable[[Mapping[str, Any]], None],
        announce: Announce,
    ) -> None:
        super().__init__(kernel, definition, plan, observer=observer, announce=announce)
        self._arguments_path = arguments_path

    def pids(self) -> tuple[int, ...]:
        """The processes whose statuses this run takes itself."""
        return tuple(slot.child.pid for slot in (self.process, self.payload) if slot.child is not None)

    def locate(self, event: Event) -> None:
        try:
            self.plan = attrs.evolve(self.plan, arguments=tuple(read_arguments(self.kernel, self._arguments_path)))
        except ArgumentsError as error:
            if self._is_there():
                self.failure = str(error)
                self.post(EventName.SPAWN_FAILED, {"path": self._arguments_path}, self.failure)
                return
        super().locate(event)

    def _is_there(self) -> bool:
        try:
            self.kernel.stat(self.plan.command)
        except FileNotFoundError:
            return False
        except OSError:
            pass
        return True


def read_arguments(kernel: Kernel, path: str) -> list[str]:
    """The words in the file, split as a shell would; none where there is no file or nothing in it. Raises
    ArgumentsError for a file that can't be read, is not UTF-8, or leaves a quotation open."""
    try:
        text = _content(kernel, path).decode("utf-8")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ArgumentsError(f"{path} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArgumentsError(f"{path} is not UTF-8 at byte {error.start}: write it in UTF-8") from error
    if "\0" in text:
        raise ArgumentsError(f"{path} has a NUL byte, which no argument can hold: remove it")
    if not text.strip():
        return []
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        # "No closing quotation", "No escaped character"
        raise ArgumentsError(f"{path}: {str(error).lower()}: write it as on a shell's command line") from error


def _content(kernel: Kernel, path: str) -> bytes:
    fd = kernel.open(path, os.O_RDONLY)
    try:
        whole = bytearray()
        while chunk := kernel.read(fd, _CHUNK):
            whole += chunk
        return bytes(whole)
    finally:
        kernel.close(fd)
