"""Our lines about a run, where a payload may have the same terminal."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .plain_text import plain

if TYPE_CHECKING:
    from .outlet import Outlet

#: Lines that are kept while the payload has the terminal, the last of them.
HELD = 1000
_CLEAR = b"\r\033[K"


class Shown:
    """Writes lines to `outlet`. While they are held, they wait. `status` is one line that vanishes before anything else
    is written; only a terminal gets it (`on_terminal`)."""

    def __init__(self, outlet: Outlet, *, on_terminal: bool) -> None:
        self._outlet = outlet
        self._on_terminal = on_terminal
        self._status = ""
        self._held: deque[str] | None = None

    def line(self, text: str) -> None:
        """Write a line, fit for a terminal: what a guest and QEMU say must not act there."""
        if self._held is not None:
            self._held.append(text)
            return
        status = self._status
        self.status("")
        self._outlet.line(plain(text))
        self.status(status)

    def status(self, text: str) -> None:
        """Show what is waited for in place of what was shown before; nothing if `text` is empty."""
        if not self._on_terminal or self._held is not None or text == self._status:
            return
        self._status = text
        self._outlet.write(_CLEAR + plain(text).encode("utf-8", "backslashreplace"))

    def hold(self) -> None:
        """Hold lines back from now on."""
        self.status("")
        self._held = deque(maxlen=HELD)

    def release(self) -> None:
        """Write those that were held back, and each later one at once."""
        held, self._held = self._held, None
        for text in held or ():
            self.line(text)
