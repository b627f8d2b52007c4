"""Answers that take long to find, remembered in the cache with every file that they were found from.

An answer is used only while each of these files is what it was then: the same device, inode, size and times, the same
targets of links, and what was not there still isn't. A record that is damaged, or that another user could have written,
is ignored: the answer is found again, and remembered in its place. So is one whose files have just changed, since a
second change could look like the first (the kernel's time stamps are some milliseconds apart).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

from scxlife.platform.vm.cache import CacheError, cache_root, read_small, replace_small

#: Raise it when a record's layout changes.
_FORMAT = 1
#: Records that stay in the cache, some 10 to 200 KB each.
_KEPT = 128
#: Links that are followed from one file, as many as the kernel does (path_resolution(7)).
_MOST_LINKS = 40
#: Nanoseconds. No file system that the kernel writes itself has coarser time stamps of changes.
_TICK = 50_000_000
#: Nanoseconds before this module was loaded in which our own code may have been.
_LOADING = 2_000_000_000
_BEGAN = time.time_ns()
#: What a cache that can't be used raises: Path.home() a RuntimeError for a user without a home.
_NO_CACHE = (OSError, CacheError, RuntimeError)
#: What a record that is not ours raises, besides.
_NO_RECORD = (ValueError, KeyError, TypeError, AttributeError)

Identity = list[list[Any] | None]


class Sources:
    """The files that an answer is found from. Make one before the first of them is read."""

    def __init__(self) -> None:
        self._began = time.time_ns()
        self._found: dict[str, Identity] = {}
        self._settled = True

    def add(self, *paths: str | Path) -> None:
        """Take down files, folders (which change when a name in them comes or goes), and what is not there."""
        for path in map(str, paths):
            if path not in self._found:
                self._take(path, self._began)

    def add_code(self, *packages: str) -> None:
        """Take down the loaded modules of ``packages``: the code that finds the answer."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file is not None and any(name == package or name.startswith(f"{package}.") for package in packages):
                self._take(file, _BEGAN - _LOADING)

    def _take(self, path: str, began: int) -> None:
        self._found[path] = identity = _identity(path)
        # The time of its last change, which no program can set, is the last of each part.
        self._settled &= all(part[-1] < began - _TICK for part in identity if part)

    @property
    def settled(self) -> bool:
        """Whether no file has changed since just before this was made."""
        return self._settled

    def record(self) -> dict[str, Identity]:
        """Each path with what identifies its file."""
        return self._found


def recall(question: tuple[object, ...]) -> object:
    """The remembered answer, as JSON gives it; None when there is none that can be used."""
    try:
        place = _place(question)
        digest, _, text = read_small(place).partition(b"\n")
        if hashlib.sha256(text).hexdigest().encode() != digest:
            return None
        record = json.loads(text)
        current = record["format"] == _FORMAT and record["question"] == repr(question)
        if not current or any(_identity(path) != known for path, known in record["sources"].items()):
            return None
        answer: object = record["answer"]
        os.utime(place)
    except (*_NO_CACHE, *_NO_RECORD):
        return None
    return answer


def remember(question: tuple[object, ...], sources: Sources, answer: object) -> None:
    """Keep an answer that JSON can carry. A cache that can't be written costs the next run the search, nothing more."""
    if not sources.settled:
        return
    record = {"format": _FORMAT, "question": repr(question), "sources": sources.record(), "answer": answer}
    text = json.dumps(record).encode()
    try:
        place = _place(question)
        replace_small(place, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
        _forget_old(place.parent)
    except _NO_CACHE:
        return


def _place(question: tuple[object, ...]) -> Path:
    return cache_root() / "answers" / f"{hashlib.sha256(repr(question).encode()).hexdigest()[:32]}.json"


def _forget_old(folder: Path) -> None:
    """The records used last are kept. What a killed writer left behind counts as one."""
    by_use = sorted((file.stat().st_mtime_ns, file) for file in folder.iterdir())
    for _, file in by_use[:-_KEPT]:
        file.unlink(missing_ok=True)


def _identity(path: str) -> Identity:
    """What identifies the file at ``path`` and its content: a part for each link on the way, the last for the file."""
    identity: Identity = []
    for _ in range(_MOST_LINKS):
        try:
            found = os.lstat(path)
        except OSError:
            return [*identity, None]
        link = stat.S_ISLNK(found.st_mode)
        target = os.readlink(path) if link else ""  # noqa: PTH115
        identity.append([found.st_dev, found.st_ino, found.st_size, target, found.st_mtime_ns, found.st_ctime_ns])
        if not link:
            break
        path = os.path.join(os.path.dirname(path), target)  # noqa: PTH118, PTH120
    return identity
