"""A unix socket at a path, private, and nobody else's."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from scxlife.lifecycle.usage import UsageError

# struct sockaddr_un, unix(7): the path with its NUL.
_LONGEST_PATH = 107
_BACKLOG = 16


class ListeningSocket:
    """Listens at `path`, mode 0600. Raises UsageError when that can't be.

    A lock beside it, held for as long as we live, tells a socket that is in use from one that was left behind: that
    one is replaced. `close` takes the path away if it is still ours.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        if len(os.fsencode(path)) > _LONGEST_PATH:
            raise UsageError(
                f"--control {path}: a socket's path has at most {_LONGEST_PATH} bytes: choose a shorter one"
            )
        self._lock = self._locked()
        try:
            self.socket = self._bound()
        except BaseException:
            self._unlock()
            raise
        found = os.lstat(path)
        self._identity = (found.st_dev, found.st_ino)

    def close(self) -> None:
        with suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == self._identity:
                Path(self.path).unlink()
        self.socket.close()
        self._unlock()

    def _unlock(self) -> None:
        with suppress(OSError):
            Path(f"{self.path}.lock").unlink()
        os.close(self._lock)

    def _locked(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        while True:
            try:
                lock = os.open(f"{self.path}.lock", flags, 0o600)
            except OSError as error:
                hint = ": make the folder first" if error.errno == errno.ENOENT else ""
                raise UsageError(f"--control {self.path}: {error.strerror}{hint}") from None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Its last holder may have taken it away since it was opened: then it is nobody's lock.
                here = Path(f"{self.path}.lock").stat()
            except BlockingIOError:
                os.close(lock)
                raise UsageError(
                    f"--control {self.path}: another supervisor listens there: choose another path, or stop it with "
                    f"scxlife ctl --control {self.path} stop"
                ) from None
            except FileNotFoundError:
                os.close(lock)
                continue
            if os.path.samestat(here, os.fstat(lock)):
                return lock
            os.close(lock)

    def _bound(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        before = os.umask(0o177)
        try:
            with suppress(FileNotFoundError):
                if not stat.S_ISSOCK(os.lstat(self.path).st_mode):
                    raise UsageError(f"--control {self.path}: there is something that is no socket: remove it first")
                Path(self.path).unlink()
            made.bind(self.path)
            made.listen(_BACKLOG)
        except OSError as error:
            made.close()
            raise UsageError(f"--control {self.path}: {error.strerror}") from None
        except UsageError:
            made.close()
            raise
        finally:
            os.umask(before)
        return made
