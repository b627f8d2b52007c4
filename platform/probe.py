"""Diagnostics that something produces beside the run, such as what the kernel dumps when it ejects a scheduler."""

from __future__ import annotations

from typing import Protocol


class Probe(Protocol):
    """One producer. Nothing here blocks; a failure is an OSError."""

    name: str

    def open(self) -> None:
        """Begin to produce."""

    def fileno(self) -> int | None:
        """Readable when `read` has something to give, or the end."""

    def read(self, size: int) -> bytes | None:
        """At most `size` bytes; b"" when there is nothing now, None when nothing will come any more."""

    def stop(self) -> None:
        """Produce no more. What was produced is still there to be read, and then the end."""

    def close(self) -> None:
        """Give everything back."""
