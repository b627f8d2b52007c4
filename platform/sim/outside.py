"""What befalls a run from outside, as data. `at` is seconds from its beginning."""

from __future__ import annotations

import attrs

from .names import a_signal
from .program import Program


@attrs.frozen
class Interrupt:
    """A signal to the supervisor itself."""

    at: float
    signal: str = a_signal("SIGINT")


@attrs.frozen
class Eject:
    """The kernel throws out whatever scheduler it runs: a stall, sysrq-S, an error of the scheduler's own; or somebody
    detaches its link, which the kernel calls `unregistered from user space`."""

    at: float
    reason: str = "runnable task stall"


@attrs.frozen
class Hotplug:
    """A CPU goes offline: ejection, and whoever has opened its scheduler before can't attach it any more."""

    at: float


@attrs.frozen
class Kill:
    """A signal from a stranger to the first process that the supervisor has started."""

    at: float
    signal: str = a_signal("SIGKILL")


@attrs.frozen
class Stranger:
    """A process that is nobody's of ours, perhaps a scheduler itself."""

    at: float
    program: Program


@attrs.frozen
class Steal:
    """Somebody in the supervisor's own process waits for any child, and takes its status."""

    at: float


@attrs.frozen
class FullDisk:
    """From now on nothing more fits on it; a second one makes room again."""

    at: float


@attrs.frozen
class ReadOnlyDisk:
    """The file system is remounted read-only, and writable by a second one."""

    at: float


@attrs.frozen
class TouchFile:
    at: float
    path: str


@attrs.frozen
class RemoveFile:
    at: float
    path: str


@attrs.frozen
class Noise:
    """Uevents of other devices, and lines of other subsystems in the kernel's log."""

    at: float
    count: int = 1


@attrs.frozen
class StallReader:
    """The reader of what the supervisor prints stops reading, as Ctrl-S makes it."""

    at: float


@attrs.frozen
class ResumeReader:
    """It reads on."""

    at: float


@attrs.frozen
class CloseReader:
    """It goes away."""

    at: float


Happening = (
    Interrupt
    | Eject
    | Hotplug
    | Kill
    | Stranger
    | Steal
    | FullDisk
    | ReadOnlyDisk
    | TouchFile
    | RemoveFile
    | Noise
    | StallReader
    | ResumeReader
    | CloseReader
)
