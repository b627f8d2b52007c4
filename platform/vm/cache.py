"""Where fetched and built things are kept, and how they get there: whole, or not at all.

An *entry* is a directory such as ``kernels/7.2.13+deb14-amd64``. It is built in a hidden directory beside it, its
``manifest.json`` is written last, everything is flushed, and rename(2) makes it visible. So a name without a leading
dot is complete, whatever happened to the process that made it.

The manifest has the SHA-256 of what is in the entry, which is compared before use: ``verify``. The cache, an entry and
its files must belong to the user who reads them, nobody else may be able to write to them, and no link is followed.

flock(2) on ``.<name>.lock`` says who builds an entry. The kernel drops that lock with its holder, so a partial
directory whose lock can be had belongs to nobody and is removed.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import attrs

MANIFEST = "manifest.json"
#: Written into each manifest; an entry of another format is not trusted.
FORMAT = 1

_PARTIAL = ".partial-"
_REPLACED = ".replaced-"
_RETRY_S = 0.1
#: Bytes. No manifest comes near it.
_SMALL = 1 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: Seconds: longer than the longest thing that is ever done under a lock.
LOCK_TIMEOUT_S = 3600.0


class ArtifactError(Exception):
    """Something that the user can mend. ``hint`` says what to do next, in a line."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class CacheError(ArtifactError):
    """The cache can't be used as it is."""


class Damaged(CacheError):
    """An entry is not what its manifest says."""


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
    """Create a directory of the cache, and refuse a cache that is not ``trusted``. Raises CacheError."""
    root = cache_root()
    levels = [root, *(root / part for part in reversed(directory.relative_to(root).parents[:-1])), directory]
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for level in levels:
            trusted(level.parent if level != root else root)
            with suppress(FileExistsError):
                level.mkdir(mode=0o755)
    except OSError as error:
        raise CacheError(
            f"cannot create {directory}: {error.strerror}", "point XDG_CACHE_HOME at a directory of your own"
        ) from error
    trusted(directory)
    if not directory.is_dir():
        raise CacheError(f"{directory} is not a folder", f"remove it: rm {shlex.quote(str(directory))}")
    return directory


def trusted(path: Path) -> None:
    """Refuse ``path`` if it, the cache, or a folder between them can be written to by another user, or is a link.

    Programs from the cache are run by root, so write access to it decides what root runs. What does not exist is not
    refused. Raises CacheError.
    """
    root = cache_root()
    between = path.relative_to(root).parts
    for level in (root.joinpath(*between[:depth]) for depth in range(len(between) + 1)):
        try:
            found = level.lstat()
        except OSError:
            return
        _refuse_foreign(level, found)


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    root, quoted = shlex.quote(str(cache_root())), shlex.quote(str(path))
    if stat.S_ISLNK(found.st_mode):
        raise CacheError(f"{path} is a link, and the cache has none", f"remove it: rm {quoted}")
    if found.st_uid != os.geteuid():
        raise CacheError(
            f"{path} belongs to the user id {found.st_uid}, not to {os.geteuid()}",
            f"remove it: rm -r {quoted}; or point XDG_CACHE_HOME at a directory of your own",
        )
    if found.st_mode & 0o022:
        raise CacheError(
            f"other users can write to {path}",
            f"run: chmod -R go-w {root} (if you trust what is in it), or remove it: rm -r {quoted}",
        )


def read_small(path: Path) -> bytes:
    """The content of a small file of the cache. Never blocks. Raises OSError, CacheError if it is not trusted."""
    trusted(path)
    with _opened(path) as file:
        content = os.read(file, _SMALL + 1)
    if len(content) > _SMALL:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor of a regular file; a link is not followed, and nothing is waited for. Raises OSError, CacheError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        yield descriptor
    finally:
        os.close(descriptor)


def replace_small(path: Path, content: bytes) -> None:
    """Write a small file of the cache: a reader finds the old content or the new. Raises OSError, CacheError.

    Nothing is flushed to the disk: after a crash the file may be damaged, which is for its reader to notice.
    """
    if len(content) > _SMALL:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    prepare(path.parent)
    draft = path.parent / f".{path.name}{_PARTIAL}{secrets.token_hex(4)}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def create(path: Path) -> TextIO:
    """A new text file of the cache, open for writing; what is there is removed, and no link is followed."""
    path.unlink(missing_ok=True)
    return path.open("x", encoding="utf-8")


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


@contextmanager
def locked_now(entry: Path) -> Iterator[bool]:
    """Holds the lock of ``entry`` if nobody else does; yields whether. Raises CacheError when it can't be made."""
    descriptor = _lock_file(entry)
    try:
        yield _try_lock(descriptor)
    finally:
        os.close(descriptor)


def now() -> str:
    """UTC, ISO 8601: for manifests."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@contextmanager
def publish(entry: Path, *, lasting: bool = True) -> Iterator[Draft]:
    """Builds ``entry``: what is in the draft when the block ends normally appears under its name, or nothing does.

    A ``lasting`` one is on the disk before that, and its content is in the manifest. Another is soon made again, and is
    for the caller to compare. The caller holds the entry's lock. An entry that exists is replaced. Raises CacheError
    when the disk says no.
    """
    prepare(entry.parent)
    sweep(entry.parent, own=entry)
    draft = Draft(entry.parent / f".{entry.name}{_PARTIAL}{secrets.token_hex(4)}", {})
    try:
        draft.path.mkdir(mode=0o755)
        yield draft
        if lasting:
            _seal(draft)
            # One sync(2) for all: an fsync(2) for each of the 18,000 files of a source tree takes minutes.
            os.sync()
        _write_manifest(draft, lasting)
        _put_in_place(draft.path, entry)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise CacheError(f"cannot write {entry}: {error.strerror}", "make room, or set XDG_CACHE_HOME") from error
    finally:
        shutil.rmtree(draft.path, ignore_errors=True)


def read_manifest(entry: Path) -> Mapping[str, object] | None:
    """The manifest of a published entry; None for anything else that may lie there. Raises CacheError if an entry is
    not ``trusted``. What is in the manifest is for the caller to check."""
    try:
        manifest = json.loads(read_small(entry / MANIFEST))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        return None
    return manifest


def text_of(manifest: Mapping[str, object], *names: str) -> list[str] | None:
    """The values of ``names``; None unless each is a line of printable text."""
    found = [value for name in names if isinstance(value := manifest.get(name), str)]
    return found if len(found) == len(names) and all(len(v) < 256 and v.isprintable() for v in found) else None


def digests_of(found: object) -> dict[str, str] | None:
    """``found`` as file names and their SHA-256; None for anything else."""
    if not isinstance(found, dict):
        return None
    names = all(isinstance(name, str) and re.fullmatch(r"[\w+~:][\w+~:.-]*", name) for name in found)
    return found if names and all(isinstance(v, str) and _SHA256.fullmatch(v) for v in found.values()) else None


def verify(entry: Path, digests: Callable[[Mapping[str, object]], Mapping[str, str] | None]) -> None:
    """Compare files and folders of ``entry`` with their SHA-256, which ``digests`` finds in its manifest.

    Raises Damaged; NotInstalled for an entry that another process has just removed; CacheError if it is not trusted.
    """
    while True:
        before = _identity(entry)
        if before is None:
            raise NotInstalled(f"{entry} was removed", "try again")
        manifest = read_manifest(entry)
        wanted = None if manifest is None else digests(manifest)
        wrong = [name for name, digest in (wanted or {}).items() if _digest(entry / name) != digest]
        if wanted is not None and not wrong:
            return
        # Another process may have replaced the entry while this one read it.
        if _identity(entry) == before:
            what = f"{', '.join(wrong)} differs from its manifest" if wrong else "its manifest makes no sense"
            raise Damaged(f"{entry} is damaged: {what}", f"remove it: rm -r {shlex.quote(str(entry))}")


def sound(entry: Path, say: Callable[[str], None]) -> bool:
    """Whether ``entry`` is there and is what its manifest says; ``say`` is told in a sentence if it is damaged.

    An entry of an older version, whose manifest has no digests, is believed. Raises CacheError.
    """
    if read_manifest(entry) is None:
        return False
    try:
        verify(entry, lambda manifest: digests_of(manifest.get("content", {})))
    except NotInstalled:
        return False
    except Damaged as damage:
        say(f"{damage}; it is made again")
        return False
    return True


def entries(directory: Path) -> Iterator[tuple[Path, Mapping[str, object]]]:
    """Every published entry of ``directory`` with its manifest, in no order. Raises CacheError."""
    trusted(directory)
    try:
        found = list(directory.iterdir())
    except OSError:
        return
    for entry in found:
        if not entry.name.startswith(".") and (manifest := read_manifest(entry)) is not None:
            yield entry, manifest


def unsound(directory: Path, *known: str) -> str:
    """The folders of ``directory`` that are no entries, in words that end a message; empty if there are none."""
    try:
        found = sorted(p.name for p in directory.iterdir() if not p.name.startswith(".") and p.name not in known)
    except OSError:
        return ""
    return f"; damaged in {directory}: {', '.join(map(ascii, found))}" if found else ""


def sweep(directory: Path, *, own: Path) -> None:
    """Removes what dead builders left behind. ``own`` is the entry whose lock the caller holds already."""
    for leftover in directory.iterdir():
        for mark in (_PARTIAL, _REPLACED):
            name, found, _ = leftover.name[1:].rpartition(mark)
            if leftover.name.startswith(".") and found:
                _remove_unless_locked(leftover, directory / name, own)


def _remove_unless_locked(leftover: Path, entry: Path, own: Path) -> None:
    if entry == own:
        _remove(leftover)
        return
    descriptor = _lock_file(entry)
    try:
        if _try_lock(descriptor):
            _remove(leftover)
    finally:
        os.close(descriptor)


def _identity(entry: Path) -> tuple[int, int] | None:
    try:
        found = entry.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def _digest(path: Path) -> str | None:
    """The SHA-256 of a file, or of all that is in a folder: names, kinds, contents. None if it can't be read."""
    trusted(path)
    try:
        if not stat.S_ISDIR(path.lstat().st_mode):
            return _digest_of_file(path)
        whole = hashlib.sha256()
        for name, kind, content in sorted(_listing(path, "")):
            whole.update(repr((name, kind, content)).encode("utf-8", "surrogateescape"))
        return whole.hexdigest()
    except OSError:
        return None


def _digest_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with _opened(path) as descriptor:
        while content := os.read(descriptor, 1 << 20):
            digest.update(content)
    return digest.hexdigest()


def _listing(folder: Path, prefix: str) -> Iterator[tuple[str, str, str]]:
    with os.scandir(folder) as found:
        for each in found:
            name = prefix + each.name
            if each.name == "__pycache__":
                continue  # what a script of a source tree leaves there when it runs
            if each.is_symlink():
                yield name, "link", str(Path(each.path).readlink())
            elif each.is_dir():
                yield name, "folder", ""
                yield from _listing(folder / each.name, f"{name}/")
            else:
                kind = "program" if each.stat().st_mode & 0o100 else "file"
                yield name, kind, _digest_of_file(folder / each.name)


def _seal(draft: Draft) -> None:
    """Takes down what is in the draft, and takes the right to write from others, whatever the umask."""
    content: dict[str, str | None] = {}
    for path in draft.path.iterdir():
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o7777 & ~0o022)
            content[path.name] = _digest(path)
    draft.manifest["content"] = content


def _write_manifest(draft: Draft, lasting: bool) -> None:
    text = json.dumps({"format": FORMAT, **draft.manifest}, indent=2, sort_keys=True) + "\n"
    with create(draft.path / MANIFEST) as file:
        os.fchmod(file.fileno(), 0o644)
        file.write(text)
        file.flush()
        if lasting:
            os.fsync(file.fileno())
    if lasting:
        _sync_directory(draft.path)


def _put_in_place(partial: Path, entry: Path) -> None:
    # rename(2) does not replace a directory that holds something. A crash between the two renames costs the entry,
    # which is then made again; it never leaves a mixture.
    if os.path.lexists(entry):
        entry.rename(entry.parent / f".{entry.name}{_REPLACED}{secrets.token_hex(4)}")
    partial.rename(entry)
    _sync_directory(entry.parent)
    for replaced in entry.parent.iterdir():
        if replaced.name.startswith(f".{entry.name}{_REPLACED}"):
            _remove(replaced)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError:
        shutil.rmtree(path, ignore_errors=True)


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
