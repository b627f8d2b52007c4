"""What a guest is made of, and each way in which it can end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import attrs

from scxlife.platform.vm.accel import Accel
from scxlife.platform.vm.frames import Frame
from scxlife.platform.vm.host_files import HostFiles
from scxlife.platform.vm.topology import Topology, arguments

MIB = 1 << 20


class WrongContent(Exception):
    """A sound frame says what can't be: which frame, which field, and why. It ends the guest."""


@attrs.frozen
class MemoryFiles:
    """Open files that are a guest's memory, one for each node. What the guest writes is kept in them only if they are
    ``shared``."""

    descriptors: tuple[int, ...]
    shared: bool


@attrs.frozen
class Saved:
    """A guest as it waited for its orders: ``state`` is an open descriptor of its devices' state, at its beginning;
    ``hello`` the frame that it had sent. ``is_sound`` says whether all is as it was saved; it may take a while, until
    the descriptor ``checked`` is readable."""

    state: int
    hello: bytes
    checked: int
    is_sound: Callable[[], bool]


@attrs.frozen
class GuestSpec:
    """One guest. ``memory`` in bytes, ``timeout`` in seconds from the start of QEMU to its end.

    ``initrd`` is the path of a file, or an open descriptor of one, which then needs no name. ``control`` is a unix
    socket that listens; its clients talk to the guest's PID 1. ``stop_within`` is how many seconds the guest has to
    end once it was asked to, and again once PID 1 could hear that.
    """

    kernel: Path
    initrd: Path | int
    accel: Accel
    qemu: Path
    cpus: int = attrs.field(default=2, validator=attrs.validators.ge(1))
    #: What the CPUs share, where that matters. It has `cpus` CPUs.
    topology: Topology | None = None
    memory: int = attrs.field(default=512 * MIB, validator=attrs.validators.ge(MIB))
    timeout: float = attrs.field(default=120.0, validator=attrs.validators.gt(0))
    #: Words that are added to the kernel's command line.
    append: tuple[str, ...] = ()
    control: socket.socket | None = None
    stop_within: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))
    #: An open descriptor of the archive of the run, for a PID 1 that waits for it.
    orders: int | None = None
    memory_files: MemoryFiles | None = None
    #: What the guest goes on from, instead of booting; its memory is `memory_files`.
    saved: Saved | None = None
    #: The host's files that it is given while it waits for its orders. Its memory is shared then.
    host_files: HostFiles | None = None

    @property
    def memory_sizes(self) -> tuple[int, ...]:
        """Bytes of the memory of each node."""
        return arguments(self.topology, self.cpus, self.memory, tcg=True).nodes


@attrs.frozen
class Record:
    """What is known of every run, however it ended. Times in seconds from the start of QEMU."""

    console_tail: tuple[str, ...]
    #: None when no frame came.
    first_frame_s: float | None
    total_s: float
    #: QEMU's exit status, negative for a signal; None when it never ran, or could not be reaped in time.
    qemu_status: int | None


@attrs.frozen
class Completed:
    """The EXIT frame came, and was acknowledged. What it says is the caller's to judge."""

    exit: Frame
    record: Record


@attrs.frozen
class Panicked:
    """The guest's kernel panicked. ``init_status`` is PID 1's wait status when its end was the cause."""

    message: str
    init_status: int | None
    record: Record


@attrs.frozen
class OutOfMemory:
    """The guest had too little memory to boot or to go on. ``message`` is the console line that says so."""

    message: str
    record: Record


@attrs.frozen
class TimedOut:
    """There was no end within the time given; QEMU was stopped."""

    timeout_s: float
    record: Record


@attrs.frozen
class Interrupted:
    """The guest was asked to end, and asked again or given no more time; QEMU was stopped. ``reason`` says which."""

    reason: str
    record: Record


@attrs.frozen
class Truncated:
    """The frames were damaged, or stop inside a frame. Those before that were delivered."""

    reason: str
    record: Record


@attrs.frozen
class Malformed:
    """A sound frame had wrong content, so QEMU was stopped. Those before it were delivered."""

    reason: str
    record: Record


@attrs.frozen
class CutOff:
    """QEMU ended between two frames and without an EXIT frame: killed, crashed, or the guest reset itself."""

    stderr_tail: str
    record: Record


@attrs.frozen
class NotStarted:
    """QEMU could not be started, or gave up before the guest said a word."""

    reason: str
    record: Record


@attrs.frozen
class NotRestored:
    """What was saved does not go on, or is not what was saved. The guest has not got its orders, or not begun."""

    reason: str
    record: Record


GuestResult = (
    Completed
    | Panicked
    | OutOfMemory
    | TimedOut
    | Interrupted
    | Truncated
    | Malformed
    | CutOff
    | NotStarted
    | NotRestored
)
