"""Guests that go on from where one like them was saved: what they share, what they must not, and what can go wrong."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest
from tests.vm.collected import Collected
from tests.vm.watched import BOUND

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import ENTRY, LAZY
from scxlife.lifecycle.guest_run import Attempt, run_in_guest
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.platform.vm import accel, frames, guest, image, schedulers, warm
from scxlife.platform.vm.cache import MANIFEST, NotInstalled, cache_root
from scxlife.platform.vm.frames import encode_begin
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.topology import Topology

# What no two guests may share: the kernel's random numbers, its layout of a new process, a process's own.
RANDOM = """cat /proc/sys/kernel/random/uuid /proc/sys/kernel/random/boot_id
head -c 16 /dev/urandom | od -An -tx1
grep -m1 stack /proc/self/maps
od -An -v -tx8 /proc/self/auxv | grep -m1 0000000000000019
date +%s
"""


class Guests:
    """Guests of one machine, whose image is this test's own."""

    def __init__(self, kernel: Kernel, qemu: Path, busybox: Path, word: str) -> None:
        self.base = image.build_base(entry=ENTRY, modules=LAZY, busybox=busybox)
        self.tape: list[str] = []
        self.said: list[str] = []
        self.output = ""
        self.spec = guest.GuestSpec(
            kernel.vmlinuz,
            self.base.archive,
            accel.choose("auto", qemu=qemu),
            qemu,
            timeout=BOUND,
            append=(word,),
        )

    @property
    def entry(self) -> Path:
        return warm.entry_of(self.spec)

    def run(self, payload: str = "true", *, cold: bool = False, tape: Callable[[str], object] | None = None) -> Attempt:
        """One run of scx_simple with this payload. What it tells is in `tape` and `said`."""
        self.tape.clear()
        config = {"setup": "", "payload": ["/bin/sh", "-c", payload]}
        run = image.Run(
            config=json.dumps(config).encode(),
            # Ten at once on two cores may take their time.
            definition=freeze(shipped().with_profile("boot").with_settings(attach_timeout=60.0, attach_at_most=300.0)),
            boot=freeze(boot_ending()),
            scheduler=schedulers.find("scx_simple"),
        )
        with tempfile.TemporaryFile() as orders:
            image.write_run(self.base, run, orders)
            orders.seek(0)
            spec = attrs.evolve(self.spec, orders=orders.fileno())
            streams = Collected()
            attempt = run_in_guest(spec, tape or self.tape.append, cold=cold, say=self.said.append, payload=streams)
            self.output = streams.output
            return attempt

    def told(self) -> list[tuple[str, ...]]:
        """The transitions of the last run."""
        records = map(json.loads, self.tape)
        return [(r["state"], r["event"], r["to"]) for r in records if r.get("kind") == "step" and r["to"] != r["state"]]


@contextmanager
def _guests(kernel: Kernel, word: str) -> Iterator[Guests]:
    qemu, busybox = shutil.which("qemu-system-x86_64"), shutil.which("busybox")
    if qemu is None or busybox is None:
        pytest.skip("QEMU or busybox is not installed")
    try:
        schedulers.find("scx_simple")
    except NotInstalled as error:
        pytest.skip(f"{error}: {error.hint}")
    found = Guests(kernel, Path(qemu), Path(busybox), word)
    warm.forget(found.entry)
    try:
        yield found
    finally:
        warm.forget(found.entry)


@pytest.fixture
def guests(small_kernel: Kernel, request: pytest.FixtureRequest) -> Iterator[Guests]:
    with _guests(small_kernel, f"test={zlib.crc32(request.node.name.encode())}") as found:
        yield found


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a sound image is kept, for the next test to begin with."""
    return tmp_path_factory.mktemp("kept") / "entry"


@pytest.fixture
def saved(small_kernel: Kernel, kept: Path) -> Iterator[Guests]:
    """Guests with a sound image."""
    with _guests(small_kernel, "test=saved") as found:
        if kept.exists():
            subprocess.run(["cp", "-a", "--sparse=always", kept, found.entry], check=True)
        else:
            one_saved(found)
            subprocess.run(["cp", "-a", "--sparse=always", found.entry, kept], check=True)
        yield found


@pytest.fixture
def each_guests(each_kernel: Kernel, request: pytest.FixtureRequest) -> Iterator[Guests]:
    with _guests(each_kernel, f"test={zlib.crc32(request.node.name.encode())}") as found:
        yield found


def one_saved(guests: Guests) -> Attempt:
    """A run that has saved, and gone on from it."""
    attempt = guests.run()
    assert (attempt.failure, attempt.degraded) == ("", ()), attempt
    assert warm.is_saved(guests.entry)
    return attempt


def test_a_second_run_does_as_the_first_and_as_one_that_boots(each_guests: Guests) -> None:
    seen = []
    for cold in (False, False, True):
        attempt = each_guests.run("echo $((6 * 7))", cold=cold)
        assert attempt.outcome is not None, attempt
        outcome = attempt.outcome
        said = (outcome.name, outcome.exit, outcome.phase, outcome.payload, outcome.degraded, each_guests.output)
        seen.append((said, [move for move in each_guests.told() if move[0] not in ("startup", "attaching")]))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0][0] == "stopped"
    assert seen[0][0][-1] == "42\n"
    # It was booted and saved by the first, and by no other.
    assert len([line for line in each_guests.said if "boots once" in line]) == 1


def test_a_guest_of_several_nodes_is_saved_with_the_memory_of_each(guests: Guests) -> None:
    guests.spec = attrs.evolve(guests.spec, topology=Topology(2, 1, 1, 1))
    one_saved(guests)
    assert {file.name for file in guests.entry.iterdir()} == {"memory", "memory1", "state", "hello", MANIFEST}
    attempt = guests.run("cat /sys/devices/system/node/online")
    assert (attempt.failure, attempt.degraded, guests.output) == ("", (), "0-1\n")
    assert len([line for line in guests.said if "boots once" in line]) == 1
    _flip(guests.entry / "memory1")
    attempt = guests.run()
    assert attempt.failure == ""
    # The topology is as asked both times, or that would be told here.
    assert attempt.degraded == ("booted, as no saved guest could go on: it is not what was saved",)
    assert not guests.entry.exists()


def test_two_guests_of_one_image_share_no_random_state(each_guests: Guests) -> None:
    found = []
    for _ in range(2):
        before = time.time()
        attempt = each_guests.run(RANDOM)
        assert attempt.failure == "", attempt
        *lines, told = each_guests.output.splitlines()
        # The wall clock is the host's, also where a boot came before.
        assert before - 1 < int(told) <= time.time()
        found.append(lines)
    assert len(found[0]) >= 5
    assert not [both for both in zip(*found, strict=True) if both[0] == both[1]]


def test_a_guest_does_not_begin_without_a_seed(guests: Guests, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it is mixed in, the CPU's own random numbers hide, without which Python can't start there."""
    one_saved(guests)
    monkeypatch.setattr(frames, "encode_begin", lambda number, now, seed: encode_begin(number, now, seed[:-1]))
    attempt = guests.run()
    assert (attempt.failure, attempt.outcome) == ("init-failed", None)
    assert attempt.reason.startswith("ValueError: a time and 32 random bytes are wanted")
    assert guests.entry.exists()


def test_a_failure_of_ours_does_not_run_a_guest_twice(guests: Guests) -> None:
    one_saved(guests)
    seen: list[str] = []

    def fail(line: str) -> None:
        seen.append(line)
        raise OSError(errno.ENOSPC, "ours")

    with pytest.raises(OSError, match="ours"):
        guests.run(tape=fail)
    assert len(seen) == 1
    assert guests.entry.exists()


def _flip(file: Path) -> None:
    """Another bit in the middle of what a file has."""
    with file.open("r+b") as opened:
        at = os.lseek(opened.fileno(), file.stat().st_size // 3, os.SEEK_DATA)
        byte = os.pread(opened.fileno(), 1, at)[0]
        os.pwrite(opened.fileno(), bytes((byte ^ 1,)), at)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit of the memory": lambda entry: _flip(entry / warm.MEMORY),
    "a bit of the state": lambda entry: _flip(entry / warm.STATE),
    "half a state": lambda entry: os.truncate(entry / warm.STATE, (entry / warm.STATE).stat().st_size // 2),
    "no state": lambda entry: (entry / warm.STATE).write_bytes(b""),
    "half a memory": lambda entry: os.truncate(entry / warm.MEMORY, 64 << 20),
    "no memory": lambda entry: (entry / warm.MEMORY).unlink(),
    "another greeting": lambda entry: _flip(entry / warm.HELLO),
    "a manifest without digests": lambda entry: (entry / MANIFEST).write_text('{"format": 1}'),
    "a manifest of another kind": lambda entry: (entry / MANIFEST).write_text('{"format": 1, "digests": {"a": 1}}'),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_image_is_removed_and_the_guest_boots(saved: Guests, damage: str) -> None:
    DAMAGES[damage](saved.entry)
    attempt = saved.run("echo $((6 * 7))")
    assert attempt.outcome is not None, attempt
    assert (attempt.outcome.name, saved.output) == ("stopped", "42\n")
    (why,) = attempt.degraded
    assert why.startswith("booted, as no saved guest could go on: ")
    assert not saved.entry.exists()


def test_an_image_that_is_a_link_is_neither_followed_nor_removed(saved: Guests) -> None:
    guests = saved
    memory = guests.entry / warm.MEMORY
    memory.rename(memory.with_name("elsewhere"))
    memory.symlink_to("elsewhere")
    attempt = guests.run()
    assert attempt.outcome is not None
    assert "is a link, and the cache has none" in attempt.degraded[0]
    assert memory.is_symlink()


def test_an_image_that_another_qemu_has_made_is_another_image(guests: Guests, tmp_path: Path) -> None:
    other = tmp_path / "qemu"
    other.write_text(f'#!/bin/sh\nexec {guests.spec.qemu} "$@"\n')
    other.chmod(0o755)
    here = guests.entry
    assert warm.entry_of(attrs.evolve(guests.spec, qemu=other)) != here
    other.touch()
    os.utime(other, ns=(1, 1))
    first = warm.entry_of(attrs.evolve(guests.spec, qemu=other))
    os.utime(other, ns=(2, 2))
    assert warm.entry_of(attrs.evolve(guests.spec, qemu=other)) != first


def test_a_state_of_another_version_is_not_taken_for_a_guest(saved: Guests) -> None:
    """Its digests are right, and QEMU refuses it."""
    guests = saved
    state, manifest = guests.entry / warm.STATE, json.loads((guests.entry / MANIFEST).read_text())
    content = bytearray(state.read_bytes())
    content[4:8] = (9).to_bytes(4)
    state.write_bytes(content)
    with state.open("rb") as opened:
        manifest["digests"]["state"] = warm.digest_of_file(opened.fileno())
    (guests.entry / MANIFEST).write_text(json.dumps(manifest))
    attempt = guests.run()
    assert attempt.outcome is not None
    assert attempt.outcome.name == "stopped"
    assert "no saved guest could go on" in attempt.degraded[0]


@pytest.mark.parametrize("when", ["at once", "while it restores"])
def test_a_qemu_that_is_killed_as_it_restores_costs_a_boot(guests: Guests, tmp_path: Path, when: str) -> None:
    real = guests.spec.qemu
    killed = "kill -9 $$" if when == "at once" else f'{real} "$@" & sleep 0.05; kill -9 $!; kill -9 $$'
    guests.spec = attrs.evolve(guests.spec, qemu=tmp_path / "qemu")
    guests.spec.qemu.write_text(f'#!/bin/sh\ncase "$*" in *-incoming*) {killed} ;; esac\nexec {real} "$@"\n')
    guests.spec.qemu.chmod(0o755)
    attempt = guests.run("echo $((6 * 7))")
    assert attempt.outcome is not None, attempt
    assert (attempt.outcome.name, guests.output) == ("stopped", "42\n")
    assert "no saved guest could go on" in attempt.degraded[0]
    assert not guests.entry.exists()


@pytest.mark.parametrize("room", ["30M", "4k"])
def test_a_full_disk_costs_the_image_and_not_the_run(small_kernel: Kernel, room: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounts need root")
    folder = cache_root() / warm.FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    # For this run alone.
    mount = f'mount -t tmpfs -o size={room},mode=755 none {folder} && exec "$@"'
    command = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--json", "--kernel", small_kernel.version]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount, "sh", *command, "--", "true"], capture_output=True, text=True, timeout=600
    )
    outcome = json.loads(done.stdout)
    assert (done.returncode, outcome["outcome"]) == (0, "stopped"), done.stderr
    (why,) = outcome["degraded"]
    assert why.startswith("booted, as no saved guest could go on: ")
    assert "no room for its memory" in why or "No space left" in why


def test_runs_that_save_at_once_save_one_image_and_all_end(guests: Guests) -> None:
    """Ten, on however few CPUs."""
    ended: list[str] = []

    def one() -> None:
        attempt = guests.run()
        ended.append(f"{attempt.failure or (attempt.outcome and attempt.outcome.name)} {attempt.degraded}")

    threads = [threading.Thread(target=one) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(ended) == {"stopped ()": 10}
    assert len([line for line in guests.said if "boots once" in line]) >= 1
    assert not [left for left in guests.entry.parent.iterdir() if left.name.startswith(f".{guests.entry.name}.partial")]
