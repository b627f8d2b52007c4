"""What the kernel's log says of schedulers."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources.kernel_log import KernelLogSource, parse

# As printed by 7.2, /dev/kmsg's head in front.
ENABLED = b'6,900,123456,-;sched_ext: BPF scheduler "simple" enabled\n'
PARTIAL = b'6,901,123457,-;sched_ext: BPF scheduler "qmap" enabled (partial)\n'
UNREGISTERED = b'6,902,123458,-;sched_ext: BPF scheduler "simple" disabled (unregistered from user space)\n'
STALL = b'3,903,123459,-;sched_ext: BPF scheduler "qmap_1.0.5" disabled (runnable task stall)\n SUBSYSTEM=x\n'
DETAIL = b"3,904,123460,-;sched_ext: qmap_1.0.5: worker[417] failed to run for 30.001s\n"
OTHER = b"6,905,123461,-;usb 1-1: new device\n DEVICE=+usb:1-1\n"


class Log(LinuxKernel):
    """A kernel log with just these records, each one read; errors come as read(2) would give them."""

    def __init__(self, *records: bytes | OSError) -> None:
        self.records = list(records)
        self.sought: list[tuple[int, int]] = []

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        assert flags & os.O_NONBLOCK
        return super().open("/dev/null", os.O_RDONLY)

    def lseek(self, fd: int, offset: int, whence: int) -> int:
        self.sought.append((offset, whence))
        return 0

    def read(self, fd: int, size: int) -> bytes:
        if not self.records:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        record = self.records.pop(0)
        if isinstance(record, OSError):
            raise record
        if len(record) > size:
            raise OSError(errno.EINVAL, "Invalid argument")
        return record


def said(*records: bytes | OSError) -> list[tuple[object, ...]]:
    source = KernelLogSource(Log(*records))
    source.open()
    told = source.drain()
    assert all(event.name == "kernel_says" for event in told)
    source.close()
    return [tuple(event.data[key] for key in ("verb", "scheduler", "reason", "detail")) for event in told]


def test_what_the_kernel_says_of_schedulers() -> None:
    assert said(ENABLED, OTHER, PARTIAL, UNREGISTERED, STALL, DETAIL) == [
        ("enabled", "simple", None, None),
        ("enabled", "qmap", "partial", None),
        ("disabled", "simple", "unregistered from user space", None),
        ("disabled", "qmap_1.0.5", "runnable task stall", None),
        ("detail", "qmap_1.0.5", None, "worker[417] failed to run for 30.001s"),
    ]


def test_the_line_itself_is_kept() -> None:
    told = parse(STALL)
    assert told is not None
    assert told["line"] == 'sched_ext: BPF scheduler "qmap_1.0.5" disabled (runnable task stall)'


@pytest.mark.parametrize(
    "record",
    [
        OTHER,
        b"",
        b";",
        b"nonsense",
        b"x,1,2,-;sched_ext: BPF scheduler \"a\" enabled\n",
        b"6,1,2,-;sched_ext: BPF scheduler \"a\" renamed\n",
        b"6,1,2,-;\xff\xfe sched_ext: BPF scheduler \"a\" enabled\n",
        # A continuation line that quotes one.
        b'6,1,2,-;x\n K=sched_ext: BPF scheduler "a" enabled\n',
        # Written by a process: the facility is not the kernel's.
        b'14,1,2,-;sched_ext: BPF scheduler "a" disabled (forged)\n',
    ],
)  # fmt: skip
def test_all_else_is_silence(record: bytes) -> None:
    assert parse(record) is None


def test_what_was_overwritten_is_skipped() -> None:
    gap = BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert [told[0] for told in said(ENABLED, gap, UNREGISTERED)] == ["enabled", "disabled"]


def test_only_what_comes_from_now_on_is_told() -> None:
    log = Log()
    source = KernelLogSource(log)
    source.open()
    assert log.sought == [(0, os.SEEK_END)]
    assert source.drain() == [] and source.next_deadline() is None
    log.records += [ENABLED]
    assert len(source.drain()) == 1 and source.drain() == []
    source.close()


def test_D10_an_endless_log_does_not_hold_the_driver() -> None:
    class Endless(Log):
        def read(self, fd: int, size: int) -> bytes:
            return OTHER

    class Torn(Log):
        def read(self, fd: int, size: int) -> bytes:
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    for log in (Endless(), Torn()):
        source = KernelLogSource(log)
        source.open()
        assert source.drain() == []
        source.close()


def test_a_log_that_breaks_is_given_up_not_polled() -> None:
    source = KernelLogSource(Log(ENABLED, OSError(errno.EIO, "Input/output error")))
    source.open()
    assert len(source.drain()) == 1
    assert source.fileno() is None and source.degraded is not None and "Input/output" in source.degraded
    assert source.drain() == []
    source.close()


def test_a_log_that_can_not_be_opened_is_told(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = KernelLogSource(LinuxKernel(), str(tmp_path / "kmsg"))
    source.open()
    assert source.degraded is not None and source.degraded.endswith("No such file or directory")
    assert (source.fileno(), source.next_deadline(), source.drain()) == (None, None, [])
    source.close()
    # Can't be sought in: as bad, and nothing may stay open.
    os.mkfifo(tmp_path / "kmsg")
    source.open()
    assert source.degraded is not None and source.degraded.endswith("Illegal seek")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_real_log() -> None:
    kernel = LinuxKernel()
    source = KernelLogSource(kernel)
    source.open()
    fd = source.fileno()
    if fd is None:
        pytest.skip(f"{source.degraded}")
    assert source.drain() == []
    try:
        with Path("/dev/kmsg").open("w") as log:
            log.write('<6>sched_ext: BPF scheduler "scxlife_test" disabled (not by the kernel)\n')
    except OSError as error:
        source.close()
        pytest.skip(f"the kernel's log can't be written: {error}")
    # It wakes, and what a process wrote is not what the kernel says.
    assert kernel.poll([fd], 30)
    assert source.drain() == []
    source.close()


@pytest.mark.parametrize("text", ['Not compatible with "isolcpus=" domain isolation', "BPF scheduler", "ops are old"])
def test_A12_what_sched_ext_says_of_no_scheduler_is_a_remark(text: str) -> None:
    line = f"sched_ext: {text}"
    said = parse(f"3,1,2,-;{line}\n".encode())
    assert said == {"verb": "remark", "scheduler": None, "reason": None, "detail": text, "line": line}
