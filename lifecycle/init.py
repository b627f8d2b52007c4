"""PID 1 of a guest: one run of the lifecycle, told to the host frame by frame, then the reboot.

It never ends by an exception and never returns: the kernel would panic. What goes wrong here is told to the host as
an INTERNAL_ERROR frame and on the console, and then the machine reboots, which ends QEMU.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from scxlife import __version__
from scxlife.fsm.frozen import thaw
from scxlife.fsm.tape import Tape
from scxlife.platform.kernel import RB_AUTOBOOT, RB_DISABLE_CAD
from scxlife.platform.sched_ext import snapshot
from scxlife.platform.vm import frames
from scxlife.platform.vm.port import GuestPort

from .boot_slot import BootSlot
from .init_kernel import InitKernel
from .outcomes import Outcome, as_json, describe_exit
from .plan import Plan, scheduler_environment
from .realtime import take_precedence
from .standard_descriptors import open_standard_descriptors

SCHEDULER, SCHEDULER_ARGS, SCHEDULER_LOG = "/scheduler", "/sched_args", "/tmp/sched.log"
PAYLOAD_LOG = "/tmp/payload.log"
CONFIG, DEFINITION = "/scxlife/config.json", "/scxlife/definition.json"
MOUNTS = (("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys"))
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "linux",
}
LOG_LIMIT = 4 * 1024 * 1024  # bytes of each log that are sent, its end
CHUNK = 256 * 1024
CONSOLE_LIMIT = 64 * 1024  # bytes of the scheduler's log that are shown on the console, its end
DRAIN_TIMEOUT = 30.0  # seconds for the console, and as many for the host to say that it heard the last frame

FRAMES = {
    "attached": "SchedulerAttached",
    "reattached": "SchedulerReattached",
    "lost": "SchedulerLost",
    "exited": "SchedulerExited",
}


def main() -> None:
    """The whole life of a guest. Does not return."""
    kernel = InitKernel()
    port: GuestPort | None = None
    try:
        open_standard_descriptors()
        kernel.keep_signals()
        kernel.reboot(RB_DISABLE_CAD)
        for fstype, target in MOUNTS:
            kernel.mount(fstype, target, fstype, 0, "")
        kernel.bury_orphans()
        degraded = take_precedence(kernel)
        port = GuestPort.open()
        _live(kernel, port, degraded)
    except BaseException as error:  # PID 1 must not end, whatever comes
        _confess(port, error)
    finally:
        _end(kernel, port)


def _live(kernel: InitKernel, port: GuestPort, degraded: list[str]) -> None:
    with open(CONFIG, "rb") as file:
        config = json.loads(file.read())
    with open(DEFINITION, "rb") as file:
        definition = thaw(file.read())
    hello = {"version": __version__, "kernel": os.uname().release, "t": kernel.monotonic(), "degraded": degraded}
    _send(port, frames.HELLO, hello)
    if config["setup"]:
        _set_up(kernel, config["setup"])
    output = kernel.open(PAYLOAD_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    plan = Plan(
        command=SCHEDULER,
        environment=scheduler_environment(ENVIRONMENT),
        log_path=SCHEDULER_LOG,
        payload=tuple(_in_path(config["payload"])),
        payload_environment=ENVIRONMENT,
        payload_output=output,
    )
    tape = Tape(definition, kernel.monotonic, lambda line: _tape(port, line))
    slot = BootSlot(
        kernel,
        definition,
        plan,
        SCHEDULER_ARGS,
        observer=tape,
        announce=lambda name, facts: _lifecycle(port, FRAMES[name], facts),
    )
    kernel.owned = slot.pids
    outcome = slot.run()
    if outcome.name in ("spawn-failed", "startup-died", "not-attached"):
        _show(kernel, slot.failure if outcome.name == "spawn-failed" else None)
    _tell(kernel, port, outcome, f"{definition.name} {definition.version}")


def _show(kernel: InitKernel, spawn_failure: str | None) -> None:
    """The scheduler's log on the console, or why there is none: for a host that has nothing else."""
    from .console import say
    from .output_markers import TAG_BYTES, enclosed

    log = bytearray()
    if spawn_failure is not None:
        log += f"failed to spawn: {spawn_failure}\n".encode("utf-8", "replace")
    else:
        _dump(kernel, SCHEDULER_LOG, log.extend, CONSOLE_LIMIT)
    say(kernel, enclosed(bytes(log), os.urandom(TAG_BYTES).hex()), kernel.monotonic() + DRAIN_TIMEOUT)


def _tell(kernel: InitKernel, port: GuestPort, outcome: Outcome, definition: str) -> None:
    for path, kind in ((SCHEDULER_LOG, frames.LOG), (PAYLOAD_LOG, frames.PAYLOAD_OUTPUT)):
        _dump(kernel, path, lambda chunk, kind=kind: port.send(kind, chunk))  # type: ignore[misc]
    if outcome.name in ("spawn-failed", "startup-died"):
        _lifecycle(port, "SchedulerDied", {"outcome": outcome.name, "reason": outcome.reason})
    elif outcome.name in ("not-attached", "not-configured"):
        _lifecycle(port, "SchedulerNotAttached", {"outcome": outcome.name, "reason": outcome.reason})
    after = snapshot(kernel)
    facts = {"state": after.state, "ops": after.ops, "enable_seq": after.enable_seq, "release": os.uname().release}
    _send(port, frames.OUTCOME, {**as_json(outcome, definition, __version__), "kernel": facts})
    _send(port, frames.EXIT, {"status": outcome.status})


def _set_up(kernel: InitKernel, command: str) -> None:
    """Run the guest's set-up command to its end; what it leaves in the background stays. A failure ends the run."""
    output = kernel.open(PAYLOAD_LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        pid = kernel.spawn("/bin/sh", ("sh", "-c", command), ENVIRONMENT, stdin=output, stdout=output, stderr=output)
        kernel.owned = lambda: (pid,)
        pidfd = kernel.pidfd_open(pid)
        kernel.poll((pidfd,), None)
        status = kernel.pidfd_wait(pidfd, reap=True)
        kernel.close(pidfd)
        if status is None or status.code != 0:
            text = kernel.pread(output, 4096, 0).decode("utf-8", "replace")
            ended = describe_exit(None if status is None else status.as_data())
            raise RuntimeError(f"the set-up command ended with {ended}: {text}")
    finally:
        kernel.close(output)


def _in_path(payload: list[str]) -> list[str]:
    """The payload with its program as a path, looked up as a shell would; as it is when nothing is found."""
    if payload and "/" not in payload[0]:
        for folder in ENVIRONMENT["PATH"].split(":"):
            path = f"{folder}/{payload[0]}"
            if os.access(path, os.X_OK):
                return [path, *payload[1:]]
    return payload


def _dump(kernel: InitKernel, path: str, send: Callable[[bytes], object], limit: int = LOG_LIMIT) -> None:
    """The last `limit` bytes of a file, in pieces; nothing where there is no such file."""
    try:
        fd = kernel.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        size = kernel.fstat(fd).size
        offset = max(0, size - limit)
        while chunk := kernel.pread(fd, CHUNK, offset):
            send(chunk)
            offset += len(chunk)
    finally:
        kernel.close(fd)


def _send(port: GuestPort, kind: int, facts: Mapping[str, Any]) -> None:
    port.send(kind, json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace"))


def _tape(port: GuestPort, line: str) -> None:
    port.send(frames.TAPE, line.encode("utf-8", "replace"))


def _lifecycle(port: GuestPort, name: str, facts: Mapping[str, Any]) -> None:
    _send(port, frames.LIFECYCLE, {"event": name, **facts})


def _confess(port: GuestPort | None, error: BaseException) -> None:
    """Tell the host that PID 1 itself failed, by every way that is left."""
    try:
        import traceback

        text = "".join(traceback.format_exception(error))
        _complain(f"scxlife: init failed\n{text}".encode("utf-8", "replace"))
        if port is not None:
            facts = {"error": f"{type(error).__name__}: {error}", "traceback": text[-65536:]}
            _send(port, frames.INTERNAL_ERROR, facts)
            _send(port, frames.EXIT, {"status": None})
    except BaseException:  # no memory, no host: the reboot that follows tells the rest
        _complain(b"scxlife: init failed, and the host can't be told\n")


def _complain(text: bytes) -> None:
    with suppress(OSError):
        os.write(2, text)


def _end(kernel: InitKernel, port: GuestPort | None) -> None:
    """Reboot, once the host has heard the last word or the wait for it is over. Never without the reboot."""
    try:
        if port is not None:
            port.finish(DRAIN_TIMEOUT)
        os.sync()
    except BaseException as error:  # whatever it is, what is left to do is the reboot
        _complain(f"scxlife: the last words may be lost: {type(error).__name__}\n".encode())
    try:
        kernel.reboot(RB_AUTOBOOT)
    finally:
        while True:
            _complain(b"scxlife: the reboot failed\n")
            kernel.poll((), None)
