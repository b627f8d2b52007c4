"""What is in the cache: how large it is, when it was used last, and what can go."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from scxlife.platform.vm.cache import cache_root, entries, locked_now, read_manifest, text_of, trusted

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
        # Of a folder with entries this is the rest: damaged ones, and what is no entry.
        rest = kept.path.parent == cache_root() and kept.path.is_dir() and not kept.path.is_symlink()
        for path in _rest_of(kept.path) if rest else [kept.path]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    return True


def _rest_of(folder: Path) -> list[Path]:
    """What is no entry in a folder of the cache. A hidden name is a lock, or somebody's who builds or replaces."""
    found = (each for each in sorted(folder.iterdir()) if not each.name.startswith("."))
    return [each for each in found if not each.is_dir() or each.is_symlink() or read_manifest(each) is None]


def _kept(root: Path, folder: Path) -> Iterator[Kept]:
    if not folder.is_dir() or folder.is_symlink():
        yield _of(root, folder, "", [folder])
        return
    for entry, manifest in entries(folder):
        said = text_of(manifest, "machine") or text_of(manifest, "version") or [""]
        yield _of(root, entry, said[0], [entry])
    if rest := _rest_of(folder):
        yield _of(root, folder, f"{len(rest)} files", rest)


def _of(root: Path, path: Path, what: str, parts: Sequence[Path]) -> Kept:
    sizes, used = [_size(part) for part in parts], [part.lstat().st_mtime for part in parts if os.path.lexists(part)]
    return Kept(str(path.relative_to(root)), sum(sizes), max(0.0, time.time() - max(used, default=0.0)), what)


def _size(path: Path) -> int:
    """Bytes on the disk, all below it included."""
    try:
        found = path.lstat()
        below = []
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as listed:
                below = [Path(each.path) for each in listed]
        return found.st_blocks * 512 + sum(map(_size, below))
    except OSError:
        # It was removed meanwhile.
        return 0
