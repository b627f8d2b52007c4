"""Tells when files are saved: by writing them, or by putting another one in their place, as many editors do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from scxlife.lifecycle.usage import UsageError
from scxlife.platform.sources import inotify

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel

_SAVED = inotify.IN_CLOSE_WRITE | inotify.IN_MOVED_TO
_RECORDS = 65536


class Saved:
    """Watches the folders of files: a file that is replaced has another inode, and one may not be there yet."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._fd = kernel.inotify_init()
        self._folders: dict[str, int] = {}
        #: As they were given, by the number of their folder's watch and their name in it.
        self._files: dict[tuple[int, str], str] = {}

    def watch(self, files: Iterable[str]) -> bool:
        """Watch these files too. Whether one of them was new. Raises UsageError for a folder that can't be watched."""
        known = len(self._files)
        for file in files:
            path = Path(file)
            folder = str(path.parent)
            if folder not in self._folders:
                try:
                    self._folders[folder] = self._kernel.inotify_add_watch(self._fd, folder, _SAVED)
                except OSError as error:
                    raise UsageError(f"{folder}: it can't be watched: {error.strerror}") from None
            self._files.setdefault((self._folders[folder], path.name), file)
        return len(self._files) > known

    def wait(self) -> list[str]:
        """Wait until some of them are saved: which."""
        while True:
            self._kernel.poll((self._fd,), None)
            told = inotify.parse(self._kernel.read(self._fd, _RECORDS))
            if any(event.overflow for event in told):
                return list(self._files.values())
            changed = [self._files[key] for event in told if (key := (event.watch, event.name)) in self._files]
            if changed:
                return list(dict.fromkeys(changed))
