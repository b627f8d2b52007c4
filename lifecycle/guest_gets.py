"""`--get`: files of the guest for its host. Sent by PID 1 once the payload has ended, written here as they come.

A FILE frame is the number of the file among those that were asked for (4 bytes, little-endian), a letter, and content:
`+` a chunk, `.` the end, `!` why there is no more. Nothing of a guest becomes part of a path: only the number counts.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from scxlife.platform.vm import frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scxlife.platform.kernel import Kernel
    from scxlife.platform.vm.port import GuestPort

#: Bytes of all files together, and how many files.
LIMIT = 256 << 20
MOST = 256
CHUNK, END, REFUSED = b"+", b".", b"!"
LONGEST_REASON = 4096
_NUMBER = 4
_PIECE = 256 << 10


# -- in the guest


def send(kernel: Kernel, port: GuestPort, paths: Sequence[str]) -> None:
    """Send the files as they are now. One that can't be read is said to be so. Raises what the port raises."""
    left = LIMIT
    for number, path in enumerate(paths):
        head = number.to_bytes(_NUMBER, "little")
        try:
            for piece in _pieces(kernel, path, left):
                left -= len(piece)
                port.send(frames.FILE, head + CHUNK + piece)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            port.send(frames.FILE, head + REFUSED + why.encode("utf-8", "replace")[:LONGEST_REASON])
        else:
            port.send(frames.FILE, head + END)


def _pieces(kernel: Kernel, path: str, left: int) -> Iterator[bytes]:
    """A FIFO would block us, and a device never end."""
    fd = kernel.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > left:
            raise ValueError(f"it has {found.st_size} bytes, and {left} of {LIMIT} for all files are left")
        offset = 0
        # As much as it had: somebody may still write to it.
        while offset < found.st_size and (piece := kernel.pread(fd, min(_PIECE, found.st_size - offset), offset)):
            yield piece
            offset += len(piece)
    finally:
        kernel.close(fd)


# -- on the host


class Gets:
    """The files that are asked for: (path in the guest, where it goes). One that arrives whole replaces what was there;
    of any other, nothing is left. Call `close` at the end."""

    def __init__(self, wanted: Sequence[tuple[str, Path]]) -> None:
        self.wanted = tuple(wanted)
        self.size = 0
        self._drafts: dict[int, IO[bytes]] = {}
        self._ended: dict[int, str] = {}
        # Those that can't be written here: the rest of them comes all the same.
        self._unwritten: set[int] = set()

    def take(self, payload: bytes) -> None:
        """One frame's content. Raises ValueError for what no sound guest sends."""
        number, letter = int.from_bytes(payload[:_NUMBER], "little"), payload[_NUMBER : _NUMBER + 1]
        content = payload[_NUMBER + 1 :]
        if (
            len(payload) <= _NUMBER
            or number >= len(self.wanted)
            or (number in self._ended and number not in self._unwritten)
        ):
            raise ValueError("it is of no file that is still to come")
        if number in self._unwritten and letter != END:
            return
        if letter == CHUNK:
            self.size += len(content)
            if self.size > LIMIT:
                raise ValueError(f"the files have more than {LIMIT} bytes")
            self._write(number, content)
        elif letter == END:
            self._finish(number)
        elif letter == REFUSED and len(content) <= LONGEST_REASON:
            self._drop(number, content.decode("utf-8", "replace"))
        else:
            raise ValueError("it is neither a piece nor an end")

    def close(self) -> list[str]:
        """What did not arrive, in words."""
        for number in range(len(self.wanted)):
            if number not in self._ended:
                self._drop(number, "the guest did not send all of it")
        return [f"--get {self.wanted[number][0]}: {why}" for number, why in sorted(self._ended.items()) if why]

    def _write(self, number: int, content: bytes) -> None:
        try:
            if number not in self._drafts:
                folder = self.wanted[number][1].parent
                self._drafts[number] = tempfile.NamedTemporaryFile(  # noqa: SIM115
                    dir=folder, prefix=".scxlife-get-", delete=False
                )
            self._drafts[number].write(content)
        except OSError as error:
            self._discard(number)
            self._failed(number, error)
            self._unwritten.add(number)

    def _finish(self, number: int) -> None:
        if number not in self._unwritten and number not in self._drafts:
            self._write(number, b"")
        if number in self._unwritten:
            self._unwritten.discard(number)
            return
        draft, path = self._drafts[number], self.wanted[number][1]
        try:
            draft.close()
            umask = os.umask(0)
            os.umask(umask)
            Path(draft.name).chmod(0o666 & ~umask)
            Path(draft.name).replace(path)
        except OSError as error:
            self._discard(number)
            self._failed(number, error)
        else:
            del self._drafts[number]
            self._ended[number] = ""

    def _failed(self, number: int, error: OSError) -> None:
        self._ended[number] = f"{self.wanted[number][1]}: {error.strerror}"

    def _drop(self, number: int, why: str) -> None:
        self._discard(number)
        self._ended[number] = why

    def _discard(self, number: int) -> None:
        draft = self._drafts.pop(number, None)
        if draft is not None:
            with suppress(OSError):
                draft.close()
            with suppress(OSError):
                Path(draft.name).unlink()
