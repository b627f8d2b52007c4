"""Real guests: each way in which a run can end, shown on a real kernel in QEMU, the one that boots soonest."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from binascii import crc32
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from scxlife.platform.vm import accel, frames, guest, image
from scxlife.platform.vm.frames import Frame
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.qemu import run_guest

pytestmark = pytest.mark.guest

HERE = Path(__file__).parent
BOUND_S = 300.0

SpecFor = Callable[..., guest.GuestSpec]


@pytest.fixture(scope="module")
def qemu() -> Path:
    found = shutil.which("qemu-system-x86_64")
    if found is None:
        pytest.skip("QEMU is not installed")
    return Path(found)


@pytest.fixture
def spec_for(small_kernel: Kernel, qemu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpecFor:
    """Makes the guest whose PID 1 is a module of ``inits``."""
    monkeypatch.syspath_prepend(str(HERE))

    def make(init: str, run: image.Run | None = None, **more: Any) -> guest.GuestSpec:
        busybox = shutil.which("busybox")
        base = image.build_base(entry=f"inits.{init}", busybox=Path(busybox) if busybox else None)
        initrd = tmp_path / f"{init}.cpio"
        image.build_run(base, run or image.Run(config=b"{}", definition=b"{}"), initrd)
        spec = guest.GuestSpec(small_kernel.vmlinuz, initrd, accel.choose("auto", qemu=qemu), qemu, timeout=BOUND_S)
        return attrs.evolve(spec, **more)

    return make


def children() -> list[int]:
    return [int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]


def test_a_run_completes_and_its_last_frame_is_acknowledged(spec_for: SpecFor) -> None:
    seen: list[Frame] = []
    lines: list[str] = []
    run = image.Run(config=b'{"color": "green"}', definition=b"{}")
    # A word that the kernel does not know becomes an argument of init, and must not disturb it.
    spec = spec_for("completes", run, append=("unheard-of",))
    result = run_guest(spec, on_frame=seen.append, on_console_line=lines.append)
    assert isinstance(result, guest.Completed), result
    assert [frame.type for frame in seen] == [frames.HELLO, frames.EXIT]
    hello = json.loads(seen[0].payload)
    assert hello["pid"] == 1
    assert hello["config"] == {"color": "green"}
    assert hello["shell"] == "42\n"
    assert result.exit == seen[1]
    assert json.loads(result.exit.payload) == {"status": 7}
    assert result.record.qemu_status == 0
    assert "acknowledged: True" in lines
    assert children() == []


def test_the_end_of_init_is_a_panic_with_its_status(spec_for: SpecFor) -> None:
    seen: list[Frame] = []
    result = run_guest(spec_for("dies"), on_frame=seen.append)
    assert isinstance(result, guest.Panicked), result
    assert result.init_status is not None
    assert os.waitstatus_to_exitcode(result.init_status) == 3
    assert any("Kernel panic" in line for line in result.record.console_tail)
    assert len(seen) == 1


def test_D2_an_init_that_can_not_be_run_is_a_panic_with_its_traceback(spec_for: SpecFor) -> None:
    result = run_guest(spec_for("raises"), on_frame=lambda _: None)
    assert isinstance(result, guest.Panicked), result
    assert any("ZeroDivisionError" in line for line in result.record.console_tail)
    assert result.record.first_frame_s is None


def test_a_guest_that_hangs_is_stopped_when_its_time_is_up(spec_for: SpecFor) -> None:
    seen: list[Frame] = []
    result = run_guest(spec_for("hangs", timeout=20.0), on_frame=seen.append)
    assert isinstance(result, guest.TimedOut), result
    assert result.record.total_s >= 20.0
    if seen:
        assert result.record.console_tail[-1] == r"\xff\xfe no end of line"
    assert children() == []


def test_an_init_that_takes_all_memory_is_out_of_memory(spec_for: SpecFor) -> None:
    result = run_guest(spec_for("hungry", memory=192 * guest.MIB), on_frame=lambda _: None)
    assert isinstance(result, guest.OutOfMemory), result


def test_J5_an_initramfs_that_does_not_fit_is_out_of_memory(spec_for: SpecFor, tmp_path: Path) -> None:
    ballast = tmp_path / "ballast"
    ballast.write_bytes(os.urandom(100 * guest.MIB))
    run = image.Run(config=b"{}", definition=b"{}", files=((ballast, "/a/ballast"),))
    result = run_guest(spec_for("completes", run, memory=256 * guest.MIB), on_frame=lambda _: None)
    assert isinstance(result, guest.OutOfMemory), result


def test_a_qemu_that_is_killed_cuts_the_run_off(spec_for: SpecFor) -> None:
    def kill(_: Frame) -> None:
        (pid,) = children()
        os.kill(pid, signal.SIGKILL)

    result = run_guest(spec_for("hangs"), on_frame=kill)
    assert isinstance(result, guest.CutOff), result
    assert result.record.qemu_status == -signal.SIGKILL


def test_a_frame_that_is_cut_short_is_truncated(spec_for: SpecFor) -> None:
    seen: list[Frame] = []
    result = run_guest(spec_for("cut_short"), on_frame=seen.append)
    assert isinstance(result, guest.Truncated), result
    assert [frame.type for frame in seen] == [frames.HELLO]


def test_I7_bytes_that_are_no_frame_end_the_run_at_once(spec_for: SpecFor) -> None:
    seen: list[Frame] = []
    result = run_guest(spec_for("garbles"), on_frame=seen.append)
    assert isinstance(result, guest.Truncated), result
    assert "bad magic" in result.reason
    assert [frame.type for frame in seen] == [frames.HELLO]


def test_I5_twenty_megabytes_arrive_whole(spec_for: SpecFor) -> None:
    total = count = checksum = 0

    def take(frame: Frame) -> None:
        nonlocal total, count, checksum
        if frame.type == frames.LOG:
            total += len(frame.payload)
            count += 1
            checksum = crc32(frame.payload, checksum)

    result = run_guest(spec_for("bulk"), on_frame=take)
    assert isinstance(result, guest.Completed), result
    assert json.loads(result.exit.payload) == {"count": count, "crc": checksum}
    assert total == 20_000_000


def test_an_exception_of_the_caller_ends_qemu(spec_for: SpecFor) -> None:
    def interrupt(_: Frame) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_guest(spec_for("hangs"), on_frame=interrupt)
    assert children() == []


def test_qemu_dies_with_a_host_process_that_is_killed(spec_for: SpecFor) -> None:
    spec = spec_for("hangs")
    argv: list[str | Path] = [sys.executable, HERE / "host.py", spec.kernel, spec.initrd, spec.qemu]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as host:
        try:
            assert host.stdout is not None
            qemu = os.pidfd_open(int(host.stdout.readline()))
        finally:
            host.kill()
    gone, _, _ = select.select([qemu], [], [], BOUND_S)
    os.close(qemu)
    assert gone


def test_a_kernel_that_is_none_never_starts(spec_for: SpecFor, tmp_path: Path) -> None:
    bad = tmp_path / "vmlinuz"
    bad.write_text("this is not a kernel")
    result = run_guest(spec_for("completes", kernel=bad), on_frame=lambda _: None)
    assert isinstance(result, guest.NotStarted), result
    assert "kernel" in result.reason


def test_a_guest_too_small_for_its_kernel_never_starts(spec_for: SpecFor) -> None:
    result = run_guest(spec_for("completes", memory=16 * guest.MIB), on_frame=lambda _: None)
    assert isinstance(result, guest.NotStarted), result


def test_a_qemu_that_is_missing_never_starts(spec_for: SpecFor, tmp_path: Path) -> None:
    result = run_guest(spec_for("completes", qemu=tmp_path / "qemu"), on_frame=lambda _: None)
    assert isinstance(result, guest.NotStarted), result
    assert str(tmp_path / "qemu") in result.reason


def test_a_guest_that_kvm_gives_up_is_not_waited_for(spec_for: SpecFor, tmp_path: Path) -> None:
    """QEMU keeps it for a debugger. A shell says what QEMU 7.2 said where KVM emulates its guest, and stays as well."""
    halted = tmp_path / "qemu"
    halted.write_text("#!/bin/sh\necho 'KVM internal error. Suberror: 1' >&2\necho 'RAX=0' >&2\nexec sleep 1000\n")
    halted.chmod(0o755)
    result = run_guest(spec_for("completes", qemu=halted), on_frame=lambda _: None)
    assert isinstance(result, guest.NotStarted), result
    assert "--accel tcg" in result.reason
