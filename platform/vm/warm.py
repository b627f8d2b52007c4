"""Warm images: guests that have booted, saved while their PID 1 waits for its orders.

A guest is restored in a tenth of a second, where booting takes seconds. Its memory is a file in the cache, or one for
each node, that QEMU maps privately, so a page is read when it is first used, any number of guests have the same file,
and none changes it. What else there is, the state of its devices, is another file of some 100 KB.

An image is good for one machine: it is keyed by all that the machine consists of. It is made by the first run on that
machine, which boots for it and then goes on as each later one does.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from scxlife.platform.vm import frames
from scxlife.platform.vm.cache import (
    Damaged,
    cache_root,
    entries,
    locked,
    now,
    publish,
    read_manifest,
    read_small,
    trusted,
)
from scxlife.platform.vm.guest import (
    MIB,
    CutOff,
    GuestResult,
    GuestSpec,
    Interrupted,
    MemoryFiles,
    OutOfMemory,
    Panicked,
    Saved,
    TimedOut,
)
from scxlife.platform.vm.qemu import Interrupts, command, run_guest
from scxlife.platform.vm.qmp import Qmp, QmpError

if TYPE_CHECKING:
    from scxlife.fsm.sources import Waiter

FOLDER = "warm"
MEMORY, STATE, HELLO = "memory", "state", "hello"
#: Raise it when what is saved, or the machine's devices, change in a way that the key does not tell.
_FORMAT = 2
#: Bytes on the disk of all images together, before those that were not used for longest are removed.
MOST = 2 << 30
#: Seconds for QEMU to write the state.
_SAVE_S = 20.0
#: Seconds; not nothing, for it is a bound of a guest.
_AT_ONCE = 0.001


class NotSaved(Exception):
    """The image could not be made. The message says why."""


class _Failed(Exception):
    """The guest came to an end of its own: it would without being saved."""

    def __init__(self, result: GuestResult) -> None:
        super().__init__()
        self.result = result


def entry_of(spec: GuestSpec) -> Path:
    """Where the image of this machine is, or is to be. `spec.initrd` is a path."""
    bare = attrs.evolve(spec, control=None, host_files=None, memory_files=None, saved=None)
    # All that QEMU is told, but for its descriptors, and the files that it is told of.
    machine = [_FORMAT, command(bare, 0, 0, 0, 0), *map(_identity, (spec.qemu, spec.kernel, Path(str(spec.initrd))))]
    if spec.accel.name == "kvm":
        machine.append(_host_cpu())
    return cache_root() / FOLDER / hashlib.sha256(repr(machine).encode()).hexdigest()[:32]


@contextmanager
def restored(spec: GuestSpec, entry: Path) -> Iterator[GuestSpec]:
    """The same guest, to go on from the image in ``entry``. Raises CacheError when there is none to be trusted."""
    sizes = _memories(spec)
    for name in (*sizes, STATE):
        trusted(entry / name)
    digests = _digests(entry, {*sizes, STATE, HELLO})
    with ExitStack() as stack:

        def opened(name: str, flags: int) -> int:
            descriptor = os.open(entry / name, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            return descriptor

        try:
            hello = read_small(entry / HELLO)
            memories = {name: opened(name, os.O_RDWR) for name in sizes}
            state = opened(STATE, os.O_RDONLY)
        except OSError as error:
            raise Damaged(f"{entry} is damaged: {error.strerror}", "it is made again") from error
        if {name: os.fstat(memory).st_size for name, memory in memories.items()} != sizes:
            raise Damaged(f"{entry} is damaged: the memory has another size", "it is made again")
        with suppress(OSError):
            os.utime(entry)
        checked = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        stack.callback(os.close, checked)
        found: list[dict[str, str]] = []

        def check() -> None:
            try:
                found.append(_digests_of({**memories, STATE: state}, hello))
            finally:
                os.eventfd_write(checked, 1)

        # While QEMU starts.
        checking = threading.Thread(target=check)
        checking.start()
        stack.callback(checking.join)

        def is_sound() -> bool:
            checking.join()
            return found == [digests]

        files = MemoryFiles(tuple(memories.values()), shared=False)
        yield attrs.evolve(spec, memory_files=files, saved=Saved(state, hello, checked, is_sound))


def is_saved(entry: Path) -> bool:
    """Whether something is there. Raises CacheError if it is not to be trusted."""
    return read_manifest(entry) is not None


def make(
    spec: GuestSpec,
    entry: Path,
    say: Callable[[str], None],
    *,
    interrupts: Interrupts | None = None,
    waiter: Waiter | None = None,
) -> GuestResult | None:
    """Boot the machine of ``spec`` and save it in ``entry``, unless another process is just doing so, which ``say`` is
    told. ``interrupts`` end it; ``waiter`` waits.

    None when it is saved; how the guest ended when it did not even boot. Raises NotSaved, CacheError.
    """
    with locked(entry, lambda _: say("another run is saving such a guest; waiting for it")) as waited:
        if waited and is_saved(entry):
            return None
        try:
            with publish(entry, lasting=False) as draft:
                began = time.monotonic()
                draft.manifest.update(_save(spec, draft.path, {"interrupts": interrupts, "waiter": waiter}))
                draft.manifest["boot_seconds"] = round(time.monotonic() - began, 3)
                draft.manifest["made"] = now()
                draft.manifest["machine"] = described(spec)
        except _Failed as failed:
            return failed.result
    forget_old(MOST)
    return None


def described(spec: GuestSpec) -> str:
    """`7.2.13+deb14-amd64, 2 CPUs, 512 MiB, tcg`"""
    more = "" if spec.topology is None else f", topology {spec.topology}"
    more += f", {' '.join(spec.append)}" if spec.append else ""
    return f"{spec.kernel.parent.name}, {spec.cpus} CPUs, {spec.memory // MIB} MiB, {spec.accel.name}{more}"


def forget(entry: Path) -> None:
    """Remove an image. Guests that were restored from it go on."""
    shutil.rmtree(entry, ignore_errors=True)


def forget_old(most: int) -> None:
    """Remove images, those first that were not used for longest, until they have at most ``most`` bytes."""
    found = sorted(((entry.stat().st_mtime_ns, entry) for entry, _ in entries(cache_root() / FOLDER)), reverse=True)
    kept = 0
    for number, (_, entry) in enumerate(found):
        kept += size_of(entry)
        if kept > most and number:
            forget(entry)


def size_of(entry: Path) -> int:
    """Bytes on the disk: a memory that was never written to has none."""
    return sum(file.lstat().st_blocks * 512 for file in entry.iterdir())


def _save(spec: GuestSpec, folder: Path, asked: Mapping[str, Any]) -> dict[str, object]:
    """Boot and save into ``folder``; what the manifest is to say of it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    sizes = _memories(spec)
    files = {name: os.open(folder / name, flags, 0o600) for name in (*sizes, STATE)}
    memories = tuple(files[name] for name in sizes)
    heard: list[frames.Frame] = []
    failure = ""

    def save(monitor: Qmp) -> None:
        nonlocal failure
        try:
            _save_by(monitor, files[STATE])
        except QmpError as error:
            failure = str(error)
        with suppress(QmpError):
            monitor.call("quit", timeout_s=_SAVE_S)

    try:
        for name, size in sizes.items():
            os.ftruncate(files[name], size)
        # Nothing runs in it that could be stopped.
        booting = attrs.evolve(
            spec, orders=None, control=None, memory_files=MemoryFiles(memories, shared=True), stop_within=_AT_ONCE
        )
        result = run_guest(booting, on_frame=heard.append, on_hello=save, **asked)
        if isinstance(result, Interrupted | OutOfMemory | Panicked | TimedOut):
            raise _Failed(result)
        if failure or not isinstance(result, CutOff) or [frame.type for frame in heard] != [frames.HELLO]:
            if result.record.qemu_status == -signal.SIGBUS:
                raise NotSaved(f"there is no room for its memory in {folder.parent}: scxlife cache prune makes some")
            said = getattr(result, "reason", "") or getattr(result, "stderr_tail", "")
            raise NotSaved(failure or f"the guest did not come up: {said or 'QEMU ended'}")
        hello = frames.encode(frames.HELLO, 0, heard[0].payload)
        (folder / HELLO).write_bytes(hello)
        return {"digests": _digests_of(files, hello)}
    finally:
        for file in files.values():
            os.close(file)


def _save_by(monitor: Qmp, state: int) -> None:
    capabilities = [{"capability": name, "state": True} for name in ("x-ignore-shared", "events")]
    monitor.call("migrate-set-capabilities", {"capabilities": capabilities}, timeout_s=_SAVE_S)
    monitor.call("getfd", {"fdname": "state"}, fds=(state,), timeout_s=_SAVE_S)
    monitor.call("migrate", {"uri": "fd:state"}, timeout_s=_SAVE_S)
    while True:
        data = monitor.event("MIGRATION", timeout_s=_SAVE_S).get("data")
        status = data.get("status") if isinstance(data, dict) else None
        if status == "completed":
            return
        if status in ("failed", "cancelled"):
            raise QmpError(f"QEMU could not save: {monitor.call('query-migrate', timeout_s=_SAVE_S)}")


def _memories(spec: GuestSpec) -> dict[str, int]:
    """The files of the memory, a node each, and their sizes."""
    return {f"{MEMORY}{node or ''}": size for node, size in enumerate(spec.memory_sizes)}


def _digests(entry: Path, names: set[str]) -> dict[str, str]:
    manifest = read_manifest(entry)
    found = None if manifest is None else manifest.get("digests")
    if not isinstance(found, dict) or {*found} != names:
        raise Damaged(f"{entry} is damaged: its manifest makes no sense", "it is made again")
    return found


def _digests_of(files: Mapping[str, int], hello: bytes) -> dict[str, str]:
    return {**{name: digest_of_file(file) for name, file in files.items()}, HELLO: _digest_of(hello)}


def digest_of_file(descriptor: int) -> str:
    """The SHA-256 of what is in a file, and where. A hole has only its place."""
    digest, at = hashlib.sha256(), 0
    size = os.fstat(descriptor).st_size
    # On a description of its own: QEMU has the descriptor too, and reads the state from where that one stands.
    own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        while at < size:
            try:
                at = os.lseek(own, at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(own, at, os.SEEK_HOLE)
            digest.update(f"{at}-{end} ".encode())
            while at < end:
                data = os.pread(own, min(1 << 20, end - at), at)
                if not data:
                    break
                digest.update(data)
                at += len(data)
    finally:
        os.close(own)
    return f"{size} {digest.hexdigest()}"


def _digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _identity(file: Path) -> tuple[object, ...]:
    found = file.stat()
    return (str(file), found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _host_cpu() -> str:
    """What `-cpu host` gives a guest."""
    wanted = ("vendor_id", "model name", "stepping", "microcode", "flags")
    first = Path("/proc/cpuinfo").read_text().partition("\n\n")[0]
    return "\n".join(line for line in first.splitlines() if line.startswith(wanted))
