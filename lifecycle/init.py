"""PID 1 of a guest: one run of the lifecycle, told to the host frame by frame, then the reboot.

It never ends by an exception and never returns: the kernel would panic. What goes wrong here is told to the host as
an INTERNAL_ERROR frame and on the console, and then the machine reboots, which ends QEMU.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from scxlife import __version__
from scxlife.fsm.frozen import thaw
from scxlife.fsm.machinery import prepare
from scxlife.fsm.tape import Tape
from scxlife.platform.kernel import RB_AUTOBOOT, RB_DISABLE_CAD
from scxlife.platform.trace_dump import TraceDump
from scxlife.platform.vm import frames, topology
from scxlife.platform.vm.payload_relay import PayloadRelay
from scxlife.platform.vm.port import GuestPort

from . import surroundings
from .boot_ending import BootEnding
from .init_kernel import InitKernel
from .orders import take_orders
from .outcomes import describe_exit
from .plan import Plan, scheduler_environment
from .realtime import take_precedence
from .standard_descriptors import open_standard_descriptors
from .supervision import Supervision

if TYPE_CHECKING:
    from scxlife.fsm.definition import Definition
    from scxlife.platform.probe import Probe

    from .guest_operations import GuestOperations

SCHEDULER, SCHEDULER_ARGS, SCHEDULER_LOG = "/scheduler", "/sched_args", "/tmp/sched.log"
STANDARD = "/scxlife/standard"
OPERATIONS = "/scxlife/operations.json"
MOUNTS = (("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys"))
WANTED_MOUNTS = (("cgroup2", "/sys/fs/cgroup"), ("tracefs", "/sys/kernel/tracing"), ("bpf", "/sys/fs/bpf"))
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "linux",
}
RELAY_TIMEOUT = 5.0  # seconds for the host to take what is left of the payload's output, which was waited for before
ACK_TIMEOUT = 30.0  # seconds for the host to say that it heard the last frame

FRAMES = {
    "begins": "SchedulerBegins",
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
        degraded = [*_mount_wanted(kernel), *surroundings.machine(kernel), *take_precedence(kernel)]
        port = GuestPort.open()
        kernel.listen_to(port)
        _live(kernel, port, degraded)
    except BaseException as error:  # PID 1 must not end, whatever comes
        _confess(port, error)
    finally:
        _end(kernel, port)


def _live(kernel: InitKernel, port: GuestPort, degraded: list[str]) -> None:
    standard, probe = _standard(), _open_probe(kernel, degraded)
    _prepare(standard)
    hello = {"version": __version__, "kernel": os.uname().release, "t": kernel.monotonic(), "degraded": degraded}
    _send(port, frames.HELLO, {**hello, "topology": topology.shown()})
    config = take_orders(port)
    if config.get("cwd"):
        with suppress(OSError):
            # Where the host's caller stood: relative paths mean the same here.
            os.chdir(config["cwd"])
    definition, ending = (_definition(name, standard, config) for name in ("definition", "boot"))
    degraded += surroundings.files()
    relay = _open_relay(kernel, config, degraded)
    payload, gets = tuple(_in_path(config["payload"])), config.get("gets", ())
    if "host" in config:
        # Here, as most guests have nothing of the host's.
        from . import host_root

        needed = [path for path in (config.get("cwd"), *config["payload"][:1]) if path]
        host_root.prepare(kernel, config["host"]["writable"], needed, degraded)
        payload = host_root.in_root(config["payload"], config.get("cwd"))
        gets = [host_root.ROOT + path for path in gets]
    if config["setup"]:
        _set_up(kernel, config["setup"], relay)
    plan = Plan(
        command=SCHEDULER,
        arguments_file=SCHEDULER_ARGS,
        environment=scheduler_environment(ENVIRONMENT),
        log_path=SCHEDULER_LOG,
        payload=payload,
        payload_environment=ENVIRONMENT if not config.get("term") else {**ENVIRONMENT, "TERM": config["term"]},
        payload_output=2,
        payload_streams=relay,
        gets=tuple(gets),
    )
    on_probe = partial(_probe, port)
    name = f"{definition.name} {definition.version}"
    common: dict[str, Any] = {
        "announce": lambda what, facts: _lifecycle(port, FRAMES[what], facts),
        "probe": probe,
        "on_probe": on_probe,
        "on_log": partial(port.send, frames.LOG),
        "degraded": degraded,
    }
    bound = partial(BootEnding, kernel, port, ending, name=name, probe=probe, on_probe=on_probe, relay=relay)
    asked = config.get("operations")
    if not config.get("scheduler", True) and asked is None:
        _end_with(kernel, bound(plan, None, failure="", degraded=degraded))
        return
    run: Supervision | GuestOperations
    if asked is None:
        tape = Tape(definition, kernel.monotonic, lambda line: _tape(port, line))
        run = Supervision(kernel, definition, plan, observer=tape, **common)
    else:
        # Here, as most guests have one scheduler.
        from .guest_operations import GuestOperations

        machine = thaw(_content(OPERATIONS))
        run = GuestOperations(kernel, port, definition, machine, plan, asked["boot"], asked["staged"], **common)
    kernel.owned = run.pids
    outcome = run.run()
    _end_with(kernel, bound(run.plan, outcome, failure=run.failure, failed=run.failed))


def _standard() -> dict[str, Definition]:
    """The definitions of which most runs change a few settings, or nothing. A guest that is restored has them."""
    try:
        files = os.listdir(STANDARD)
    except FileNotFoundError:
        return {}
    return {file.removesuffix(".json"): thaw(_content(f"{STANDARD}/{file}")) for file in files}


def _prepare(standard: Mapping[str, Definition]) -> None:
    """Do for these definitions, and import, what each run would: a guest that is restored has it done."""
    from scxlife.platform.linux import fork  # noqa: F401
    from scxlife.platform.sources import kernel_log, log_size, signals  # noqa: F401

    for definition in standard.values():
        prepare(definition)
    # Nothing of all that is garbage some day: it is not looked through for any.
    gc.freeze()


def _definition(name: str, standard: Mapping[str, Definition], config: Mapping[str, Any]) -> Definition:
    changes = config.get("changes", {}).get(name)
    return thaw(_content(f"/scxlife/{name}.json")) if changes is None else attrs.evolve(standard[name], **changes)


def _end_with(kernel: InitKernel, ending: BootEnding) -> None:
    kernel.owned = ending.pids
    ending.run()


def _open_relay(kernel: InitKernel, config: Mapping[str, Any], degraded: list[str]) -> PayloadRelay | None:
    """The payload's streams. Without them it runs all the same, and its output goes to the console."""
    window = config.get("terminal")
    try:
        relay = PayloadRelay.open(None if window is None else (window[0], window[1]))
    except OSError as error:
        degraded.append(f"the payload has no streams: {error.strerror or error}")
        return None
    kernel.relay_for(relay)
    return relay


def _mount_wanted(kernel: InitKernel) -> list[str]:
    """Mount what a small kernel may lack. What it lacks, in words."""
    lacking = []
    for fstype, target in WANTED_MOUNTS:
        try:
            kernel.mount(fstype, target, fstype, 0, "")
        except OSError as error:
            lacking.append(f"no {fstype}: {error.strerror}")
    return lacking


def _open_probe(kernel: InitKernel, degraded: list[str]) -> Probe | None:
    probe = TraceDump(kernel)
    try:
        probe.open()
    except OSError as error:
        degraded.append(f"no {probe.name}: {error.strerror}")
        return None
    return probe


def _set_up(kernel: InitKernel, command: str, relay: PayloadRelay | None) -> None:
    """Run the guest's set-up command to its end; what it leaves in the background stays. A failure ends the run."""
    null = kernel.open("/dev/null", os.O_RDONLY)
    output = 2 if relay is None else relay.error
    pid = kernel.spawn("/bin/sh", ("sh", "-c", command), ENVIRONMENT, stdin=null, stdout=output, stderr=output)
    kernel.close(null)
    kernel.owned = lambda: (pid,)
    pidfd = kernel.pidfd_open(pid)
    kernel.poll((pidfd,), None)
    status = kernel.pidfd_wait(pidfd, reap=True)
    kernel.close(pidfd)
    if status is None or status.code != 0:
        ended = describe_exit(None if status is None else status.as_data())
        raise RuntimeError(f"the set-up command ended with {ended}")


def _in_path(payload: list[str]) -> list[str]:
    """The payload with its program as a path, looked up as a shell would; as it is when nothing is found."""
    if payload and "/" not in payload[0]:
        for folder in ENVIRONMENT["PATH"].split(":"):
            path = f"{folder}/{payload[0]}"
            if os.access(path, os.X_OK):
                return [path, *payload[1:]]
    return payload


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _send(port: GuestPort, kind: int, facts: Mapping[str, Any]) -> None:
    port.send(kind, json.dumps(facts, ensure_ascii=False).encode("utf-8", "replace"))


def _tape(port: GuestPort, line: str) -> None:
    port.send(frames.TAPE, line.encode("utf-8", "replace"))


def _probe(port: GuestPort, name: str, chunk: bytes) -> None:
    port.send(frames.PROBE, name.encode() + b"\0" + chunk)


def _lifecycle(port: GuestPort, name: str, facts: Mapping[str, Any]) -> None:
    _send(port, frames.LIFECYCLE, {"event": name, **facts})


def _confess(port: GuestPort | None, error: BaseException) -> None:
    """Tell the host that PID 1 itself failed, by every way that is left."""
    try:
        import traceback

        text = "".join(traceback.format_exception(error))
        _complain(f"scxlife: init failed\n{text}".encode("utf-8", "replace"))
        if port is not None:
            facts = {"error": f"{type(error).__name__}: {error}"[:8192], "traceback": text[-16384:]}
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
        kernel.finish_relay(RELAY_TIMEOUT)
        if port is not None:
            port.finish(ACK_TIMEOUT)
        os.sync()
    except BaseException as error:  # whatever it is, what is left to do is the reboot
        _complain(f"scxlife: the last words may be lost: {type(error).__name__}\n".encode())
    try:
        kernel.reboot(RB_AUTOBOOT)
    finally:
        while True:
            _complain(b"scxlife: the reboot failed\n")
            kernel.poll((), None)
