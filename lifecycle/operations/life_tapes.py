"""The tapes of several lives, each in a file of its own beside the tape of what stands around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.lifecycle.tapefile import TapeFile
from scxlife.lifecycle.usage import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


class LifeTapes:
    """Writes the lines of the present life to `path`, a dot and its number; None writes nothing. One that can't be made
    is lost, which `say` is told: a life does not fail for that."""

    def __init__(self, path: str | None, say: Callable[[str], object]) -> None:
        self._path = path
        self._say = say
        self._file = TapeFile(None)

    def begins(self, number: int) -> None:
        self.close()
        try:
            self._file = TapeFile(None if self._path is None else f"{self._path}.{number}", follow=False)
        except UsageError as error:
            self._say(f"scxlife: warning: {error}")

    def __call__(self, line: str) -> None:
        self._file(line)

    def close(self) -> None:
        self._file.close()
        self._file = TapeFile(None)
