"""Where fetched and built things are kept, and how they get there: whole, or not at all.

An *entry* is a directory such as ``kernels/7.2.13+deb14-amd64``. It is built in a hidden directory beside it, its
``manifest.json`` is written last, everything is flushed, and rename(2) makes it visible. So a name without a leading
dot is complete, whatever happened to the process that made it.

flock(2) on ``.<name>.lock`` says who builds an entry. The kernel drops that lock with its holder, so a partial
directory whose lock can be had belongs to nobody and is removed.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import attrs

MANIFEST = "manifest.json"
#: Written into each manifest; an entry of another format is not trusted.
FORMAT = 1

_PARTIAL = ".partial-"
_REPLACED = ".replaced-"
_RETRY_S = 0.1
#: Seconds: longer than the longest thing that is ever done under a lock.
LOCK_TIMEOUT_S = 3600.0


class ArtifactError(Exception):
    """Something that the user can mend. ``hint`` says what to do next, in a line."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class CacheError(ArtifactError):
    """The cache can't be used as it is."""


class CacheBusy(CacheError):
    """Another process held an entry for longer than ``LOCK_TIMEOUT_S``."""


class NotInstalled(ArtifactError):
    """What was asked for was never fetched or built."""


@attrs.frozen
class Draft:
    """An entry that is being built: put files into ``path``, and what is known of them into ``manifest``."""

    path: Path
    #: Only what JSON can carry.
    manifest: dict[str, object]


def cache_root() -> Path:
    """``$XDG_CACHE_HOME/scxlife``, else ``~/.cache/scxlife``. Nothing is created.

    A relative XDG_CACHE_HOME is ignored (XDG Base Directory Specification: "consider the path invalid and ignore it").
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "scxlife"


def prepare(directory: Path) -> Path:
    """Creates a directory of the cache, and says no to a cache that someone else could write to.

    Programs from the cache are run by root, so its owner decides what root runs. Raises CacheError.
    """
    root = cache_root()
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
            raise CacheError(
                f"{root} is not a directory that belongs to the user id {os.geteuid()} alone",
                "point XDG_CACHE_HOME at a directory of your own",
            )
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CacheError(
            f"cannot create {directory}: {error.strerror}", "point XDG_CACHE_HOME at a directory of your own"
        ) from error
    return directory


@contextmanager
def locked(entry: Path, waiting: Callable[[str], None]) -> Iterator[bool]:
    """Holds the lock of ``entry``, for one process and one thread at a time. Yields whether it had to wait for another.

    ``waiting`` is told once, in a sentence, when it does. Who had to wait looks again whether the entry is there.
    Raises CacheBusy after LOCK_TIMEOUT_S, CacheError when the lock can't be made.
    """
    prepare(entry.parent)
    descriptor = _lock_file(entry)
    try:
        waited = not _try_lock(descriptor)
        if waited:
            waiting(f"another process is busy with {entry.parent.name}/{entry.name}; waiting for it")
            deadline = time.monotonic() + LOCK_TIMEOUT_S
            while not _try_lock(descriptor):
                if time.monotonic() >= deadline:
                    raise CacheBusy(
                        f"{entry} is still locked after {LOCK_TIMEOUT_S / 60:.0f} minutes",
                        f"see who holds it: fuser {_lock_path(entry)}",
                    )
                time.sleep(_RETRY_S)
        yield waited
    finally:
        os.close(descriptor)


def now() -> str:
    """UTC, ISO 8601: for manifests."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def publish(entry: Path) -> Iterator[Draft]:
    """Builds ``entry``: what is in the draft when the block ends normally appears under its name, or nothing does.

    The caller holds the entry's lock. An entry that exists is replaced. Raises CacheError when the disk says no.
    """
    prepare(entry.parent)
    sweep(entry.parent, own=entry)
    draft = Draft(entry.parent / f".{entry.name}{_PARTIAL}{secrets.token_hex(4)}", {})
    try:
        draft.path.mkdir()
        yield draft
        # One sync(2) for all: an fsync(2) for each of the 18,000 files of a source tree takes minutes.
        os.sync()
        _write_manifest(draft)
        _put_in_place(draft.path, entry)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise CacheError(f"cannot write {entry}: {error.strerror}", "make room, or set XDG_CACHE_HOME") from error
    finally:
        shutil.rmtree(draft.path, ignore_errors=True)


def read_manifest(entry: Path) -> Mapping[str, object] | None:
    """The manifest of a published entry; None for anything else that may lie there."""
    try:
        manifest = json.loads((entry / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return None
    return manifest


def entries(directory: Path) -> Iterator[tuple[Path, Mapping[str, object]]]:
    """Every published entry of ``directory`` with its manifest, in no order."""
    try:
        found = list(directory.iterdir())
    except OSError:
        return
    for entry in found:
        if not entry.name.startswith(".") and (manifest := read_manifest(entry)) is not None:
            yield entry, manifest


def sweep(directory: Path, *, own: Path) -> None:
    """Removes what dead builders left behind. ``own`` is the entry whose lock the caller holds already."""
    for leftover in directory.iterdir():
        for mark in (_PARTIAL, _REPLACED):
            name, found, _ = leftover.name[1:].rpartition(mark)
            if leftover.name.startswith(".") and found:
                _remove_unless_locked(leftover, directory / name, own)


def _remove_unless_locked(leftover: Path, entry: Path, own: Path) -> None:
    if entry == own:
        shutil.rmtree(leftover, ignore_errors=True)
        return
    descriptor = _lock_file(entry)
    try:
        if _try_lock(descriptor):
            shutil.rmtree(leftover, ignore_errors=True)
    finally:
        os.close(descriptor)


def _write_manifest(draft: Draft) -> None:
    text = json.dumps({"format": FORMAT, **draft.manifest}, indent=2, sort_keys=True) + "\n"
    with (draft.path / MANIFEST).open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    _sync_directory(draft.path)


def _put_in_place(partial: Path, entry: Path) -> None:
    # rename(2) does not replace a directory that holds something. A crash between the two renames costs the entry,
    # which is then made again; it never leaves a mixture.
    if entry.exists():
        entry.rename(entry.parent / f".{entry.name}{_REPLACED}{secrets.token_hex(4)}")
    partial.rename(entry)
    _sync_directory(entry.parent)
    for replaced in entry.parent.glob(f".{entry.name}{_REPLACED}*"):
        shutil.rmtree(replaced, ignore_errors=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _lock_path(entry: Path) -> Path:
    return entry.parent / f".{entry.name}.lock"


def _lock_file(entry: Path) -> int:
    path = _lock_path(entry)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CacheError(f"cannot open {path}: {error.strerror}", "check who owns the cache") from error


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
