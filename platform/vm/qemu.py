"""Runs a guest in QEMU and says, in one typed result, how it ended. It never waits without a bound.

Four channels, each one end of a socket pair that QEMU inherits, so nothing has a name in the file system: the serial
console (the kernel's words, kept as evidence), a virtio-serial port (frames, the protocol of ``frames``), another one
for the payload's standard streams, and QEMU's own monitor. A ``virtserialport`` holds the guest back when the host is
slow, where a ``virtconsole`` drops bytes.

One loop waits for all of it: console and ports, QEMU's standard error, its pidfd, the caller's interrupts, one
deadline.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Protocol

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.vm import frames, topology
from scxlife.platform.vm.children import tied
from scxlife.platform.vm.console import Console
from scxlife.platform.vm.guest import (
    MIB,
    Completed,
    CutOff,
    GuestResult,
    GuestSpec,
    Interrupted,
    Malformed,
    NotRestored,
    NotStarted,
    OutOfMemory,
    Panicked,
    Record,
    TimedOut,
    Truncated,
    WrongContent,
)
from scxlife.platform.vm.payload_link import NoPayload, PayloadLink, PayloadSink
from scxlife.platform.vm.port import CONTROL_NAME, PAYLOAD_NAME, PORT_NAME
from scxlife.platform.vm.qmp import Qmp, QmpError

if TYPE_CHECKING:
    from scxlife.fsm.sources import Waiter

OnFrame = Callable[[frames.Frame], None]
OnConsoleLine = Callable[[str], None]

_CHUNK = 1 << 16
#: Bytes of small frames that a guest leaves untaken before it gets no more.
_OUTBOX = 1 << 20
#: Seconds for QEMU to answer, and for a restored guest to take more of its orders or to begin.
RESTORE_S = 20.0
_STDERR_TAIL = 4096
#: What QEMU says when KVM gives a guest up. It then keeps the guest where it is, and waits for a debugger.
_HALTED = b"KVM internal error"
#: Seconds that a guest has to reboot after its EXIT frame: it may drain a probe for 30 of them.
_REBOOT_S = 40.0
#: Seconds for QEMU to end after SIGTERM, and then after SIGKILL.
_TERM_S = 2.0
_KILL_S = 5.0
#: Seconds for what a QEMU that has ended left in its channels: something else may hold them open, and write on.
_DRAIN_S = 5.0


class Interrupts(Protocol):
    """Requests to end the run."""

    def fileno(self) -> int:
        """A descriptor that turns readable when there is one."""

    def take(self) -> list[int]:
        """The signal numbers of those that came since the last call. Does not wait."""


def command(spec: GuestSpec, console_fd: int, port_fd: int, payload_fd: int, monitor_fd: int) -> list[str]:
    """QEMU's command line. The descriptors are connected stream sockets that it inherits, as it does those of
    ``spec``. What is saved and what restores it have the same devices, so each is there whether it is used or not."""
    initrd = f"/proc/self/fd/{spec.initrd}" if isinstance(spec.initrd, int) else str(spec.initrd)
    kernel_line = ["console=ttyS0", "quiet", "panic=-1", "oops=panic"]
    if spec.accel.name == "tcg":
        # On a busy host the emulated timer is late, and the kernel's check of it ends in a panic.
        kernel_line.append("no_timer_check")
    machine = topology.arguments(spec.topology, spec.cpus, spec.memory, tcg=spec.accel.name == "tcg")
    *accelerated, cpu_option, cpu = spec.accel.arguments
    return [
        *(str(spec.qemu), "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-no-reboot"),
        *accelerated,
        *(cpu_option, cpu + machine.cpu, "-smp", machine.smp, *_memory(spec, machine)),
        *("-chardev", f"socket,id=monitor,fd={monitor_fd}", "-mon", "chardev=monitor,mode=control"),
        *("-chardev", f"socket,id=console,fd={console_fd}", "-serial", "chardev:console"),
        *("-device", "virtio-serial-pci", "-chardev", f"socket,id=port,fd={port_fd}"),
        *("-device", f"virtserialport,chardev=port,name={PORT_NAME}"),
        *("-chardev", f"socket,id=payload,fd={payload_fd}"),
        *("-device", f"virtserialport,chardev=payload,name={PAYLOAD_NAME}"),
        *_control(spec),
        *("-kernel", str(spec.kernel), "-initrd", initrd),
        *("-append", " ".join([*kernel_line, *spec.append])),
        *(() if spec.saved is None else ("-incoming", "defer")),
    ]


def _inherited(spec: GuestSpec) -> tuple[int, ...]:
    """The descriptors of ``spec`` that QEMU needs."""
    return (
        *((spec.initrd,) if isinstance(spec.initrd, int) else ()),
        *(() if spec.control is None else (spec.control.fileno(),)),
        *(() if spec.memory_files is None else spec.memory_files.descriptors),
    )


def _memory(spec: GuestSpec, machine: topology.Arguments) -> list[str]:
    size = f"{sum(machine.nodes) // MIB}M"
    several = len(machine.nodes) > 1
    if spec.memory_files is None and not several:
        return ["-M", "pc", "-m", size]
    ids = [f"ram{node or ''}" for node in range(len(machine.nodes))]
    kinds = ["ram"] * len(ids)
    if spec.memory_files is not None:
        shared = "on" if spec.memory_files.shared else "off"
        # A file for each node: QEMU before 8.1 maps one from its start only.
        kinds = [f"file,share={shared},mem-path=/proc/self/fd/{file}" for file in spec.memory_files.descriptors]
    words = ["-M", "pc" if several else f"pc,memory-backend={ids[0]}", "-m", size]
    for kind, id, bytes_of_node in zip(kinds, ids, machine.nodes, strict=True):
        words += ["-object", f"memory-backend-{kind},id={id},size={bytes_of_node}"]
    return [*words, *machine.numa(ids)]


def _control(spec: GuestSpec) -> list[str]:
    where = "null" if spec.control is None else "socket"
    fd = "" if spec.control is None else f",fd={spec.control.fileno()},server=on,wait=off"
    return [
        *("-chardev", f"{where},id=control{fd}"),
        *("-device", f"virtserialport,chardev=control,name={CONTROL_NAME}"),
    ]


def run_guest(
    spec: GuestSpec,
    *,
    on_frame: OnFrame,
    on_console_line: OnConsoleLine | None = None,
    on_hello: Callable[[Qmp], None] | None = None,
    interrupts: Interrupts | None = None,
    waiter: Waiter | None = None,
    payload: PayloadSink | None = None,
) -> GuestResult:
    """Runs the guest to its end. ``on_frame`` gets each sound frame at once, in order, EXIT included.

    ``waiter`` waits, where something else is to be done meanwhile. ``on_hello`` gets QEMU's monitor once the first
    frame is there, before the orders are sent. ``payload`` takes the payload's output and gives its input; as long as
    it has no room, the payload is held up, and nothing else.

    A WrongContent that ``on_frame`` raises ends the guest, and gives Malformed: nothing after that frame is delivered.
    The first of ``interrupts`` asks PID 1 to end the run, which then has ``spec.stop_within`` seconds; the second ends
    QEMU at once. Whatever ends this call ends QEMU too: its result, an exception of a callback, the end of the calling
    thread or of the process. The call takes at most ``spec.timeout`` seconds and the few that stopping QEMU may need.
    """
    with ExitStack() as stack:
        console_here, console_there = _pair(stack)
        port_here, port_there = _pair(stack)
        payload_here, payload_there = _pair(stack)
        link = PayloadLink(payload_here, payload or NoPayload())
        stack.callback(link.close)
        monitor_here, monitor_there = _pair(stack)
        theirs = tuple(each.fileno() for each in (console_there, port_there, payload_there, monitor_there))
        started = time.monotonic()
        try:
            with _nothing_blocked():
                qemu = subprocess.Popen(
                    # This thread stays in this call until QEMU is gone.
                    tied(command(spec, *theirs), "KILL"),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    pass_fds=(*theirs, *_inherited(spec)),
                    process_group=0,
                    bufsize=0,
                )
        except OSError as error:
            return NotStarted(f"can't start QEMU: {error}", Record((), None, 0.0, None))
        for each in (console_there, port_there, payload_there, monitor_there):
            each.close()
        with _ended(qemu) as pidfd:
            assert qemu.stderr is not None
            stderr = stack.enter_context(qemu.stderr)
            monitor = Qmp(monitor_here)
            console = (console_here, on_console_line)
            watch = _Watch(spec, console, port_here, link, stderr.fileno(), started, on_frame, monitor, on_hello)
            watch.restore()
            watch.until_end(waiter or LinuxKernel(), pidfd, started + spec.timeout, interrupts, spec.stop_within)
            _stop(qemu, pidfd)
            watch.drain()
            return watch.result(qemu.returncode, spec.timeout)


class _Watch:
    """What has been seen of one run."""

    def __init__(
        self,
        spec: GuestSpec,
        console: tuple[socket.socket, OnConsoleLine | None],
        port: socket.socket,
        link: PayloadLink,
        stderr: int,
        started: float,
        on_frame: OnFrame,
        monitor: Qmp,
        on_hello: Callable[[Qmp], None] | None,
    ) -> None:
        self._saved = spec.saved
        self._monitor = monitor
        self._on_hello = on_hello
        self._orders = spec.orders
        self._outbox = bytearray()
        self._unrestored = ""
        self._begun = spec.saved is None
        self._port = port
        self._link = link
        self._started = started
        self._on_frame = on_frame
        console_here, self._on_console_line = console
        self._console = Console()
        self._decoder = frames.Decoder()
        self._damage: frames.FrameError | None = None
        self._wrong: WrongContent | None = None
        self._misled: frames.FrameError | WrongContent | None = None
        self._exit: frames.Frame | None = None
        self._sent = 0
        self._interrupt: int | None = None
        self._given_up: str | None = None
        self._first_frame_s: float | None = None
        self._stderr = b""
        self._halted = False
        self._timed_out = False
        self._readers: dict[int, Callable[[bytes], None]] = {
            console_here.fileno(): self._read_console,
            port.fileno(): self._read_port,
            stderr: self._read_stderr,
        }
        for descriptor in self._readers:
            os.set_blocking(descriptor, False)

    def restore(self) -> None:
        """Lets QEMU go on from what was saved, if anything was."""
        if self._saved is None:
            return
        self._read_port(self._saved.hello)
        ignore = {"capability": "x-ignore-shared", "state": True}
        try:
            self._monitor.call("migrate-set-capabilities", {"capabilities": [ignore]}, timeout_s=RESTORE_S)
            self._monitor.call("getfd", {"fdname": "state"}, fds=(self._saved.state,), timeout_s=RESTORE_S)
            self._monitor.call("migrate-incoming", {"uri": "fd:state"}, timeout_s=RESTORE_S)
        except QmpError as error:
            self._unrestored = str(error)

    def until_end(
        self, waiter: Waiter, pidfd: int, deadline: float, interrupts: Interrupts | None, stop_within: float
    ) -> None:
        """Returns when QEMU ended or can't go on, the frames can't be believed any more, or the time is up."""
        open_ones = {pidfd, *self._readers}
        if interrupts is not None:
            open_ones.add(interrupts.fileno())
        stop_by = None
        restore_by = time.monotonic() + RESTORE_S
        checked = -1 if self._saved is None else self._saved.checked
        open_ones |= set() if self._saved is None else {checked}
        while not (self._damage or self._wrong or self._misled or self._halted or self._unrestored):
            if self._on_hello is not None and self._first_frame_s is not None:
                self._on_hello(self._monitor)
                self._on_hello = None
            now = time.monotonic()
            if not self._begun and now >= restore_by:
                self._unrestored = "it does not go on"
                return
            if now >= deadline:
                self._timed_out = True
                return
            if stop_by is not None and now >= stop_by:
                self._given_up = "it was asked to end and did not in time"
                return
            bounds = [deadline, *([] if stop_by is None else [stop_by]), *([] if self._begun else [restore_by])]
            left = min(bounds) - now
            of_payload = self._link.filenos()
            with self._when_writable() as writable:
                ready = waiter.poll({*open_ones, *writable, *of_payload}, left)
            for descriptor, _ in ready:
                if descriptor == pidfd:
                    return
                if descriptor in of_payload:
                    self._relay(descriptor)
                    continue
                if descriptor == checked:
                    open_ones.discard(checked)
                    if not self._goes_on():
                        return
                    continue
                if descriptor in writable:
                    self._flush()
                    restore_by = time.monotonic() + RESTORE_S
                    continue
                if interrupts is not None and descriptor == interrupts.fileno():
                    for number in interrupts.take():
                        if stop_by is not None:
                            self._given_up = "it was asked to end twice"
                            return
                        stop_by = time.monotonic() + stop_within
                        self._interrupt = number
                    continue
                finished = self._exit is not None
                if not self._read(descriptor):
                    open_ones.discard(descriptor)
                if self._exit is not None and not finished:
                    deadline = min(deadline, time.monotonic() + _REBOOT_S)
            # Before its first frame nobody there would hear it.
            if self._interrupt is not None and self._first_frame_s is not None:
                self._send(frames.encode_interrupt, self._interrupt)
                self._interrupt = None
                stop_by = time.monotonic() + stop_within

    def drain(self) -> None:
        """Reads what is left in the channels of a QEMU that is gone."""
        deadline = time.monotonic() + _DRAIN_S
        for descriptor in self._readers:
            while self._read(descriptor) and time.monotonic() < deadline:
                pass
        self._link.drain(deadline)
        self._tell(self._console.finish())

    def result(self, status: int | None, timeout_s: float) -> GuestResult:
        record = Record(self._console.tail, self._first_frame_s, time.monotonic() - self._started, status)
        said = self._stderr.decode("utf-8", "replace").strip()
        panic, no_memory = self._console.panic, self._console.no_memory
        if self._unrestored or not (self._begun or self._given_up):
            return NotRestored(self._unrestored or said or "it does not go on", record)
        if self._wrong is not None:
            return Malformed(str(self._wrong), record)
        if self._misled is not None:
            kind = Malformed if isinstance(self._misled, WrongContent) else Truncated
            return kind(f"payload: {self._misled}", record)
        if self._exit is not None:
            return Completed(self._exit, record)
        if no_memory is not None:
            return OutOfMemory(no_memory, record)
        if self._halted:
            text = "KVM can't execute what this guest executes: use --accel tcg"
            return CutOff(text, record) if self._console.spoke else NotStarted(text, record)
        if panic is not None:
            return Panicked(panic.message, panic.init_status, record)
        if self._given_up is not None:
            return Interrupted(self._given_up, record)
        if self._timed_out:
            return TimedOut(timeout_s, record)
        if self._damage is not None:
            return Truncated(str(self._damage), record)
        if (ending := self._decoder.finish()).truncated:
            return Truncated(f"the last {ending.leftover} bytes are no whole frame", record)
        if status is not None and status >= 0 and self._first_frame_s is None and not self._console.spoke:
            return NotStarted(said or f"the guest said nothing, and QEMU ended with status {status}", record)
        return CutOff(said, record)

    def _read(self, descriptor: int) -> bool:
        """Handles one chunk. False when there is none now, or never again."""
        try:
            data = os.read(descriptor, _CHUNK)
        except (BlockingIOError, ConnectionResetError):
            return False
        if data:
            self._readers[descriptor](data)
        return bool(data)

    def _relay(self, descriptor: int) -> None:
        """What is wrong on the payload's port ends the guest. The frames of the other one are not wrong by that."""
        try:
            self._link.ready(descriptor)
        except (frames.FrameError, WrongContent) as error:
            self._misled = error

    def _read_console(self, data: bytes) -> None:
        self._tell(self._console.feed(data))

    def _read_stderr(self, data: bytes) -> None:
        self._stderr = (self._stderr + data)[-_STDERR_TAIL:]
        self._halted = self._halted or _HALTED in self._stderr

    def _read_port(self, data: bytes) -> None:
        if self._damage or self._wrong:
            return
        try:
            found = self._decoder.feed(data)
        except frames.FrameError as error:
            self._damage = error
            found = error.frames
        for frame in found:
            if self._first_frame_s is None:
                self._first_frame_s = time.monotonic() - self._started
            elif not self._begun:
                if not self._goes_on():
                    return
                self._begun = True
            try:
                self._on_frame(frame)
            except WrongContent as error:
                self._wrong = error
                return
            if frame.type == frames.EXIT and self._exit is None:
                self._exit = frame
            if self._exit is not None:
                self._send(frames.encode_ack, frame.sequence)

    def _send(self, encode: Callable[[int, int], bytes], what: int) -> None:
        """Sends one frame to the guest, as soon as it takes it. One that takes nothing for long waits for none."""
        if len(self._outbox) < _OUTBOX:
            self._outbox += encode(self._sent, what)
            self._sent += 1
            self._flush()

    def _flush(self) -> None:
        """Send what the guest takes now: what waits to be sent, and behind that the orders."""
        while True:
            if not self._outbox:
                if self._orders is None or self._first_frame_s is None:
                    return
                if chunk := os.read(self._orders, _CHUNK):
                    self._outbox += frames.encode(frames.ORDERS, self._sent, chunk)
                else:
                    self._orders = None
                    self._outbox += frames.encode_begin(self._sent, time.time(), os.urandom(frames.SEED_SIZE))
                self._sent += 1
            try:
                del self._outbox[: self._port.send(self._outbox)]
            except BlockingIOError:
                return
            except OSError:
                # QEMU is gone, which is noticed elsewhere.
                self._orders = None
                self._outbox.clear()
                return

    @contextmanager
    def _when_writable(self) -> Iterator[tuple[int, ...]]:
        """A descriptor that turns readable when the guest takes more, if there is more; else none."""
        if not self._outbox and (self._orders is None or self._first_frame_s is None):
            yield ()
            return
        with select.epoll() as epoll:
            epoll.register(self._port.fileno(), select.EPOLLOUT)
            yield (epoll.fileno(),)

    def _goes_on(self) -> bool:
        """Whether the guest that says something is the one that was saved."""
        assert self._saved is not None
        if not self._saved.is_sound():
            self._unrestored = "it is not what was saved"
        return not self._unrestored

    def _tell(self, lines: list[str]) -> None:
        if self._on_console_line is not None:
            for line in lines:
                self._on_console_line(line)


def _pair(stack: ExitStack) -> tuple[socket.socket, socket.socket]:
    here, there = socket.socketpair()
    stack.enter_context(here)
    stack.enter_context(there)
    return here, there


@contextmanager
def _nothing_blocked() -> Iterator[None]:
    """What is started meanwhile inherits no blocked signal."""
    mask = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _ended(qemu: subprocess.Popen[bytes]) -> Iterator[int]:
    """QEMU's pidfd; when the block is left, in whatever way, QEMU is stopped."""
    try:
        pidfd = os.pidfd_open(qemu.pid)
    except OSError:
        qemu.kill()
        raise
    try:
        yield pidfd
    finally:
        try:
            _stop(qemu, pidfd)
        finally:
            os.close(pidfd)


def _stop(qemu: subprocess.Popen[bytes], pidfd: int) -> None:
    """Ends QEMU and reaps it, within a bound. One that outlives SIGKILL (in the kernel, for good) is left behind."""
    if qemu.returncode is not None:
        return
    ending = select.poll()
    ending.register(pidfd, select.POLLIN)
    for number, patience_s in ((signal.SIGTERM, _TERM_S), (signal.SIGKILL, _KILL_S)):
        if ending.poll(0):
            break
        signal.pidfd_send_signal(pidfd, number)
        if ending.poll(patience_s * 1000):
            break
    if ending.poll(0):
        qemu.wait()
