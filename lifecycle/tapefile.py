"""The tape of a run in a file: one write a record, and no run that ends because a disk is full."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from .usage import UsageError


class TapeFile:
    """Writes each line of a tape into a file at `path`, made anew. Raises UsageError when it can't be made.

    When a write fails later the tape ends there, which is said once on standard error: the run goes on. `path` of
    None writes nothing. Without `follow`, a symbolic link at `path` is an error: for a name that nobody gave.
    """

    def __init__(self, path: str | None, *, follow: bool = True) -> None:
        self.path = path
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            self._fd: int | None = None if path is None else os.open(path, flags, 0o666)
        except OSError as error:
            raise UsageError(f"--tape {path}: {error.strerror}") from None

    def __enter__(self) -> TapeFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __call__(self, line: str) -> None:
        if self._fd is None:
            return
        rest = memoryview((line + "\n").encode())
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as error:
            print(f"scxlife: warning: --tape {self.path} ends here: {error.strerror}", file=sys.stderr)
            self.close()

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            os.close(fd)
