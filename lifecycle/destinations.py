"""Files that the user names for our output: opened, or found writable, before anything starts."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from pathlib import Path

from .usage import UsageError

STDOUT = 1
_STANDARD = {"/dev/stdout": STDOUT, "/dev/stderr": 2}
_BY_NUMBER = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,9})")
# Never through a link that somebody else may have put there, and never waiting for a FIFO's reader.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHOOSE = "name a file in a folder that can be written"
_REASONS = {
    errno.ELOOP: ("it is a symbolic link", "name the file itself"),
}
_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a block device", stat.S_IFIFO: "a FIFO"}


def inherited(option: str, path: str) -> int | None:
    """The descriptor of ours that `path` stands for, as /dev/stdout or /dev/fd/3 do; None for any other path. Raises
    UsageError for a descriptor that is not open for writing."""
    import fcntl

    match = _BY_NUMBER.fullmatch(path)
    fd = _STANDARD.get(path) if match is None else int(match[1])
    if fd is None:
        return None
    try:
        mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    except (OSError, OverflowError):
        raise UsageError(f"{option} {path}: we were given no such descriptor", _CHOOSE) from None
    if mode == os.O_RDONLY:
        raise UsageError(f"{option} {path}: this descriptor is open for reading only", _CHOOSE)
    return fd


def log_descriptor(option: str, path: str) -> int | None:
    """The descriptor of ours that a process is given for its output, 1 for `-`; None for a file, which was checked.
    Raises UsageError for a path at which there can't be a log."""
    if path == "-":
        path = "/dev/stdout"
    fd = inherited(option, path)
    if fd is None:
        check_log(option, path)
    return fd


def open_new(option: str, path: str) -> int:
    """Make the file `path` anew, or open the device or FIFO that it is. Raises UsageError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _SAFELY, 0o666)
    except OSError as error:
        raise _refused(option, path, error) from None
    if stat.S_ISBLK(os.fstat(fd).st_mode):
        os.close(fd)
        raise UsageError(f"{option} {path}: it is a block device", _CHOOSE)
    return fd


def check_log(option: str, path: str) -> None:
    """Raise UsageError unless a process can be given `path` for its output. Nothing is made or changed."""
    try:
        _check_kind(option, path, (stat.S_IFREG, stat.S_IFCHR))
        os.close(os.open(path, os.O_WRONLY | _SAFELY))
    except FileNotFoundError:
        _check_folder(option, path)
    except (OSError, ValueError) as error:
        raise _refused(option, path, error) from None


def check_file(option: str, path: str) -> None:
    """Raise UsageError unless a file can be put at `path`, or replaced there. Nothing is made or changed."""
    try:
        _check_kind(option, path, (stat.S_IFREG,))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise _refused(option, path, error) from None
    _check_folder(option, path)


def check_output(option: str, path: str | Path | None) -> None:
    """As `check_file`, but links are followed, and what is no file, such as /dev/stdout, is written to. None is
    standard output."""
    if path is None:
        return
    try:
        real = os.path.realpath(path)
        if Path(real).exists() and not Path(real).is_dir() and not Path(real).is_file():
            return
    except (OSError, ValueError) as error:
        raise _refused(option, str(path), error) from None
    check_file(option, real)


def _check_kind(option: str, path: str, kinds: tuple[int, ...]) -> None:
    kind = stat.S_IFMT(Path(path).lstat().st_mode)
    if kind == stat.S_IFLNK:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if kind not in kinds:
        raise UsageError(f"{option} {path}: it is {_KINDS.get(kind, 'a device')}", _CHOOSE)


def _check_folder(option: str, path: str) -> None:
    folder = Path(path).parent
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {folder}", f"make it first, or {_CHOOSE}")
    if not Path(path).name or path.endswith("/"):
        raise UsageError(f"{option} {path}: that is no file's name", _CHOOSE)
    try:
        os.close(os.open(folder, os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC))
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EOPNOTSUPP):
            raise _no_file(option, path, error) from None
        # No such files on this file system: only one with a name shows it.
        probe = folder / f".scxlife-{secrets.token_hex(4)}"
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
            probe.unlink()
        except OSError as error:
            raise _no_file(option, path, error) from None


def _no_file(option: str, path: str, error: OSError) -> UsageError:
    return UsageError(f"{option} {path}: no file can be made in {Path(path).parent}: {error.strerror}", _CHOOSE)


def _refused(option: str, path: str, error: OSError | ValueError) -> UsageError:
    if isinstance(error, ValueError):
        return UsageError(f"{option} {path!r}: {error}", _CHOOSE)
    if error.errno == errno.ENXIO and Path(path).is_fifo():
        return UsageError(f"{option} {path}: nobody reads this FIFO", "start its reader first")
    reason, hint = _REASONS.get(error.errno or 0, (error.strerror, _CHOOSE))
    return UsageError(f"{option} {path}: {reason}", hint)
