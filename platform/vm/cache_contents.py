"""What is in the cache: how large it is, when it was used last, and what can go."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import attrs

from scxlife.platform.vm.cache import MANIFEST, cache_root, locked_now, read_manifest, text_of, trusted

#: Folders whose entries are made again when they are missed, in seconds and from what is here. The rest was fetched,
#: or takes minutes to build.
MADE_AGAIN = ("answers", "guests", "logs", "warm")


@attrs.frozen
class Kept:
    """Something in the cache, by its path in there. ``size`` in bytes on the disk, ``age`` in seconds since it was last
    used or made; ``what`` says more of it."""

    name: str
    size: int
    age: float
    what: str

    @property
    def made_again(self) -> bool:
        return self.name.split("/")[0] in MADE_AGAIN

    @property
    def path(self) -> Path:
        return cache_root() / self.name


def contents() -> list[Kept]:
    """All of it, the largest first: entries each, and what is no entry by its folder. Raises CacheError."""
    root = cache_root()
    trusted(root)
    try:
        folders = sorted(root.iterdir())
    except OSError:
        return []
    found = [kept for folder in folders for kept in _kept(root, folder)]
    return sorted(found, key=lambda kept: kept.size, reverse=True)


def remove(kept: Kept) -> bool:
    """Whether it was removed: not what is being built. Raises CacheError."""
    trusted(kept.path)
    with locked_now(kept.path) as ours:
        if not ours:
            return False
        if kept.path.is_dir():
            shutil.rmtree(kept.path, ignore_errors=True)
        else:
            kept.path.unlink(missing_ok=True)
    return not kept.path.exists()


def _kept(root: Path, folder: Path) -> Iterator[Kept]:
    if not folder.is_dir() or folder.is_symlink():
        yield _of(root, folder, "")
        return
    rest = False
    for each in sorted(folder.iterdir()):
        manifest = read_manifest(each) if each.is_dir() and not each.name.startswith(".") else None
        rest = rest or (manifest is None and not each.name.endswith(".lock"))
        if manifest is not None:
            said = text_of(manifest, "machine") or text_of(manifest, "version") or [""]
            yield _of(root, each, said[0])
    if rest:
        yield _of(root, folder, f"{sum(1 for _ in folder.iterdir())} files", but_entries=True)


def _of(root: Path, path: Path, what: str, *, but_entries: bool = False) -> Kept:
    size, used = _size_and_use(path, but_entries)
    return Kept(str(path.relative_to(root)), size, max(0.0, time.time() - used), what)


def _size_and_use(path: Path, but_entries: bool) -> tuple[int, float]:
    """Bytes on the disk below `path`, and when something there was used or made last, in seconds since the epoch."""
    try:
        found = path.lstat()
        size, used = found.st_blocks * 512, found.st_mtime
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as listed:
                below = [Path(each.path) for each in listed]
            for each in below:
                if but_entries and (each / MANIFEST).exists():
                    continue
                more, later = _size_and_use(each, but_entries=False)
                size, used = size + more, max(used, later) if but_entries else used
    except OSError:
        # It was removed meanwhile.
        return 0, 0.0
    return size, used
