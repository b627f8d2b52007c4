"""The cause of a failed start is found in real logs on a real disk: anywhere, in bounded memory, in hostile text."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.lifecycle.diagnosis import Diagnosis, diagnose, examine
from scxlife.lifecycle.logfile import OVERLAP, PIECE, SEARCHED, Log, trim
from scxlife.platform.linux import LinuxKernel

kernel = LinuxKernel()
MIB = 2**20
FILLER = "82: (79) r1 = *(u64 *)(r9 +8)         ; R1=scalar() R9=arena\n"

VERIFIER = """libbpf: prog 'fault_tick': BPF program load failed: -EACCES
libbpf: prog 'fault_tick': -- BEGIN PROG LOAD LOG --
; p->pid = 0; @ fault.bpf.c:12
2: (63) *(u32 *)(r1 +1312) = r2
cannot write into ptr_task_struct at off 1312 with size 4
processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'fault_tick': failed to load: -EACCES
libbpf: failed to load BPF skeleton 'fault': -EACCES
[SCX_BUG] fault.c:384 (Permission denied)"""
# The words that real loaders printed, or that their source has.
WORDS = {
    "verifier": [VERIFIER],
    "no-permission": [
        "libbpf: Error in bpf_object__probe_loading(): -EPERM. Couldn't load trivial BPF program.",
        "libbpf: Error in bpf_object__probe_loading():Operation not permitted(1). Couldn't load trivial BPF program.",
        "libbpf: failed to load BPF skeleton 'scx_simple': -EPERM",
        "libbpf: prog 'x': BPF program load failed: -EPERM\nlibbpf: failed to load BPF skeleton 'x': -EPERM",
        "Error: Failed to load BPF program\n\nCaused by:\n    Operation not permitted (os error 1)",
    ],
    "slot-taken": [
        "[SCX_BUG] scx_simple.c:92 (Device or resource busy)\nFailed to attach struct_ops",
        "Error: Failed to attach struct ops\n\nCaused by:\n    Device or resource busy (os error 16)",
        "Error: x\n\nCaused by:\n    0: failed to attach struct_ops\n    1: Device or resource busy (os error 16)",
        "libbpf: map 'ops': failed to attach: -EBUSY",
        "Error: another sched_ext scheduler is already running",
    ],
    "kernel-too-old": [
        "[SCX_BUG] scx_simple.c:75 (No such file or directory)\nsched_ext_ops.dump() missing, kernel too old?",
        "libbpf: struct_ops init_kern: struct bpf_struct_ops_sched_ext_ops_cid is not found in kernel BTF",
    ],
    "isolcpus": ['Not compatible with "isolcpus=" domain isolation'],
    "no-btf": ["libbpf: failed to find valid kernel BTF", "libbpf: vmlinux BTF is not found"],
    "jit-off": [
        "libbpf: prog 'x': failed to attach: -ENOTSUPP",
        "libbpf: failed to register: ERROR: strerror_r: error: -524",
        "Error: Failed to attach struct ops\n\nCaused by:\n    Unknown error 524 (os error 524)",
    ],
    "no-function-tracer": [
        "libbpf: prog 'fexit_x': failed to attach: -EBUSY",
        "libbpf: prog 'k': failed to create kprobe_multi link: -EINVAL",
    ],
}
EACH = [pytest.param(code, words, id=f"{code}-{n}") for code in WORDS for n, words in enumerate(WORDS[code])]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    path = tmp_path / "log"
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    yield Log(fd, str(path))
    os.close(fd)


def write(log: Log, text: str | bytes, at: int = 0) -> None:
    os.pwrite(log.fd, text.encode() if isinstance(text, str) else text, at)


def found(log: Log, dropped: int = 0, *texts: str) -> str | None:
    known = examine(kernel, log, dropped, *texts).known
    return None if known is None else known.code


@pytest.mark.parametrize(("code", "words"), EACH)
@pytest.mark.parametrize("place", ["alone", "first", "in the middle", "across two pieces", "last"])
def test_L15_a_cause_is_found_wherever_it_stands(log: Log, code: str, words: str, place: str) -> None:
    before = {"alone": 0, "first": 0, "across two pieces": PIECE - len(words) // 2}.get(place, 300_000)
    write(log, (FILLER * (before // len(FILLER) + 1))[: max(before - 1, 0)] + "\n" * (before > 0) + words + "\n")
    if place in ("first", "in the middle"):
        write(log, FILLER * 5000, os.fstat(log.fd).st_size)
    diagnosis = examine(kernel, log, 0)
    assert diagnosis.known is not None
    assert (diagnosis.known.code, bool(diagnosis.known.hint), diagnosis.unread) == (code, True, None)


@pytest.mark.parametrize(
    ("code", "words"), [param for param in EACH if param.values[0] in ("isolcpus", "slot-taken", "kernel-too-old")]
)
def test_A29_a_cause_in_the_kernels_words_is_found_too(log: Log, code: str, words: str) -> None:
    known = diagnose("started", words)
    assert known is not None and known.code == code
    assert found(log, 0, "started", words) == code
    assert found(Log(log.fd, None, readable=False), 0, words) == code


@pytest.mark.parametrize(
    "words",
    [
        "",
        "local=24 global=40\nEXIT: unregistered from user space",
        "Permission denied: /etc/shadow",
        "libbpf: struct_ops simple_ops: member sub_attach not found in kernel, skipping it as it's set to zero",
        "listening on port 5240, 524 connections",
        "attached to port 80\nthe printer: Device or resource busy",
        "12: (7b) *(u64 *)(r10 -524) = r1 ; R1_w=-524 fp-524_w=0",
        "libbpf: prog 'x': -- BEGIN PROG LOAD LOG --\nprocessed 2 insns\n-- END PROG LOAD LOG --\nall is well",
    ],
)
def test_words_that_name_no_known_cause_are_not_explained(log: Log, words: str) -> None:
    write(log, words)
    assert examine(kernel, log, 0) == Diagnosis()
    assert diagnose(words) is None


def test_what_a_rejection_leads_to_is_not_the_cause(log: Log) -> None:
    write(log, "Failed to attach struct_ops: EBUSY\n" + VERIFIER + "\nsched_ext_ops.dump() missing, kernel too old?\n")
    assert found(log) == "verifier"


# -- bounds


@pytest.mark.parametrize("size", [2 * SEARCHED, 2 * SEARCHED + 1, 1024 * MIB], ids=["16 MiB", "one more", "1 GiB"])
@pytest.mark.parametrize("place", ["begin", "end of the first part", "begin of the last part", "end"])
def test_L15_a_large_log_is_searched_at_both_ends_and_that_is_said(log: Log, size: int, place: str) -> None:
    words = "\n" + VERIFIER + "\n"
    at = {"begin": 0, "end of the first part": SEARCHED - len(words), "begin of the last part": size - SEARCHED}
    # A sparse file: a gigabyte of it is read as fast as one of text.
    os.ftruncate(log.fd, size)
    write(log, words, at.get(place, size - len(words)))
    assert found(log) == "verifier"
    unread = examine(kernel, log, 0).unread
    assert unread == (
        None
        if size == 2 * SEARCHED
        else f"of the log's {size} bytes only the first and the last 8 MiB were searched for the cause"
    )


def test_L15_memory_is_bounded_by_a_piece_of_the_log(log: Log) -> None:
    write(log, FILLER * (12 * MIB // len(FILLER)))
    os.ftruncate(log.fd, 1024 * MIB)
    write(log, VERIFIER, 1024 * MIB - 2000)
    assert found(log) == "verifier"
    tracemalloc.start()
    try:
        assert found(log) == "verifier"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * (PIECE + OVERLAP)


def test_L15_a_log_whose_front_was_given_up_is_searched(log: Log) -> None:
    write(log, (FILLER * (MIB // len(FILLER) + 1))[:MIB] + WORDS["isolcpus"][0] + "\n" + FILLER)
    dropped = trim(kernel, log.fd, MIB - 100)
    assert dropped
    assert found(log, dropped) == "isolcpus"
    # What was given up does not count, whether it can still be read or not.
    write(log, VERIFIER)
    assert found(log, dropped) == "isolcpus"


@pytest.mark.parametrize("noise", [b"\xff\xfe", b"\0", "caf\xe9".encode("latin-1"), b"\xf0\x9f\x98", b"\r\n\x1b[31m"])
def test_L15_bytes_that_are_no_utf_8_hide_nothing(log: Log, noise: bytes) -> None:
    write(log, noise * 1000 + b"\n" + WORDS["no-btf"][0].encode() + noise * 1000)
    assert found(log) == "no-btf"


def test_L15_a_log_that_shrinks_while_it_is_read_is_no_error(log: Log) -> None:
    class Shrinks(LinuxKernel):
        def pread(self, fd: int, size: int, offset: int) -> bytes:
            os.ftruncate(fd, 0)
            return super().pread(fd, size, offset)

    write(log, VERIFIER)
    assert examine(Shrinks(), log, 0) == Diagnosis()


def test_L15_a_log_that_can_not_be_read_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("Device or resource busy")
    fd = os.open(tmp_path / "log", os.O_WRONLY)
    unread = "the log was not searched for the cause: Bad file descriptor"
    assert examine(kernel, Log(fd, None), 0) == Diagnosis(unread=unread)
    os.close(fd)


HOSTILE = [
    "attach",
    "fexit",
    "failed to load eperm ",
    "failed to load BPF skeleton ",
    "524",
    "caused by:\n",
    "\n",
    "\n\n \n",
    "    1: ",
    "prog 'x': BPF program load failed: ",
    "prog 'x': BPF program load failed: y\nprog 'x': -- BEGIN PROG LOAD LOG --\n",
    "-- END PROG LOAD LOG --",
    "prog '",
    "; @ ",
    "; a @ b:1 ",
    "12:34:56 WARN ",
    "\x1b[",
    "(device or resource busy)        ",
    "x::",
    "@:1",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a rejection"])
def test_L15_a_hostile_megabyte_takes_no_more_work_than_another(log: Log, text: str, inside: bool) -> None:
    body = text * (MIB // len(text))
    if inside:
        begin, end = VERIFIER.split("; p->pid")[0], "\n-- END PROG LOAD LOG --\n"
        body = begin + body + end
    write(log, body)
    began = time.process_time()
    rejected = examine(kernel, log, 0).rejection
    # A hundred times what it takes: a pattern that backtracks takes hours.
    assert time.process_time() - began < 30
    assert all(len(value) <= 300 for value in (rejected or {}).values())
