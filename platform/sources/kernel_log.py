"""What the kernel's log says of schedulers, Documentation/ABI/testing/dev-kmsg."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

if TYPE_CHECKING:
    from scxlife.platform.kernel import Kernel

# One read gives one record, and fails with EINVAL if the buffer is smaller than it.
_LARGEST_RECORD = 8192
# A log that is written faster than it is read must not keep the driver here.
_RECORDS_AT_ONCE = 1024

_SUBSYSTEM = "sched_ext: "
_SCHEDULER = 'BPF scheduler "'


class KernelLogSource:
    """Tells `kernel_says` for what sched_ext prints from now on (kernel/sched/ext.c, scx_disable_workfn).

    Data: `verb` (`enabled`, `disabled`, `detail`: a line that follows `disabled` when the reason is an error, `remark`:
    anything else), `scheduler` (but for a remark), `reason` (of `disabled`, and `partial` of `enabled`), `detail`,
    `line`.
    """

    def __init__(self, kernel: Kernel, path: str = "/dev/kmsg") -> None:
        self.degraded: str | None = None
        self._kernel = kernel
        self._path = path
        self._fd: int | None = None

    def open(self) -> None:
        self.degraded = None
        try:
            self._fd = self._kernel.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
            self._kernel.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            self._degrade(error)

    def fileno(self) -> int | None:
        return self._fd

    def next_deadline(self) -> float | None:
        return None

    def drain(self) -> list[Event]:
        told = []
        for _ in range(_RECORDS_AT_ONCE):
            if self._fd is None:
                break
            try:
                record = self._kernel.read(self._fd, _LARGEST_RECORD)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    # Overwritten before it was read: the position is now at the oldest record left.
                    continue
                if error.errno != errno.EAGAIN:
                    self._degrade(error)
                break
            if not record:
                break
            said = parse(record)
            if said is not None:
                told.append(Event("kernel_says", said, "kernel log"))
        return told

    def close(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            self._kernel.close(fd)

    def _degrade(self, error: OSError) -> None:
        self.degraded = f"the kernel's log can't be read: {self._path}: {error.strerror}"
        self.close()


def parse(record: bytes) -> dict[str, str | None] | None:
    """The data of `kernel_says`; None for a record that is not about sched_ext.

    A record is `priority,sequence,microseconds,flags;text`, newline, then ` KEY=value` lines.
    """
    head, _, body = record.decode("utf-8", "replace").partition(";")
    line = body.partition("\n")[0]
    priority = head.partition(",")[0]
    # The upper bits are the facility: 0 is the kernel's own, which what is written to /dev/kmsg can't have.
    if not priority.isdecimal() or int(priority) >> 3 or not line.startswith(_SUBSYSTEM):
        return None
    text = line.removeprefix(_SUBSYSTEM)
    if not text.startswith(_SCHEDULER):
        scheduler, colon, detail = text.partition(": ")
        if not colon or not _is_name(scheduler):
            return {"verb": "remark", "scheduler": None, "reason": None, "detail": text, "line": line}
        return {"verb": "detail", "scheduler": scheduler, "reason": None, "detail": detail, "line": line}
    scheduler, _, said = text.removeprefix(_SCHEDULER).partition('" ')
    verb, _, reason = said.partition(" ")
    if verb not in ("enabled", "disabled"):
        return None
    return {
        "verb": verb,
        "scheduler": scheduler,
        "reason": reason.removeprefix("(").removesuffix(")") or None,
        "detail": None,
        "line": line,
    }


def _is_name(word: str) -> bool:
    """The kernel takes letters, digits, `_` and `.` as a scheduler's name, nothing else."""
    return word.replace("_", "").replace(".", "").isalnum()
