"""The scheduler's log on a real disk: made safely, read by its end, given up from its beginning."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import pytest

from scxlife.lifecycle.logfile import (
    AT_ONCE,
    BEHIND,
    OVERLAP,
    PAGE,
    PIECE,
    SEARCHED,
    TAIL_BYTES,
    TAIL_LINES,
    Follower,
    open_log,
    pieces,
    tail,
    trim,
)
from scxlife.platform.linux import LinuxKernel

kernel = LinuxKernel()


def test_it_is_made_anew_and_never_through_a_link(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "log", tmp_path / "elsewhere"
    path.write_text("of an earlier run")
    log = open_log(kernel, str(path))
    assert (log.path, log.lost, log.readable, path.read_bytes()) == (str(path), None, True, b"")
    kernel.close(log.fd)
    elsewhere.write_text("not ours")
    path.unlink()
    path.symlink_to(elsewhere)
    log = open_log(kernel, str(path))
    assert (log.path, log.readable) == (None, False)
    assert (log.lost or "").startswith(f"{path}: ELOOP: ")
    assert elsewhere.read_text() == "not ours"
    kernel.close(log.fd)


def test_what_is_no_file_is_written_to_and_not_read(tmp_path: Path) -> None:
    log = open_log(kernel, "/dev/null")
    assert (log.path, log.lost, log.readable, tail(kernel, log)) == ("/dev/null", None, False, "")
    kernel.close(log.fd)
    os.mkfifo(tmp_path / "fifo")
    fifo = os.open(tmp_path / "fifo", os.O_RDWR)
    log = open_log(kernel, str(tmp_path / "fifo"))
    assert "it is a FIFO" in (log.lost or "")
    kernel.close(log.fd)
    os.close(fifo)


def test_its_tail_is_its_last_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = open_log(kernel, str(path))
    path.write_text("".join(f"{number}\n" for number in range(TAIL_LINES + 1)))
    assert tail(kernel, log).splitlines() == [str(number) for number in range(1, TAIL_LINES + 1)]
    assert tail(kernel, log, dropped=2 * 10 + 3 * 30 - 2).splitlines() == ["40"]
    # Of what begins before it only the whole lines are told.
    path.write_text("b" * TAIL_BYTES + "\nend\n")
    assert tail(kernel, log) == "end"
    path.write_text("b" * (TAIL_BYTES - 5) + "\nend\n")
    assert tail(kernel, log) == "b" * (TAIL_BYTES - 5) + "\nend"
    kernel.close(log.fd)


@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize(
    ("size", "kept"), [(3, 3), (TAIL_BYTES, TAIL_BYTES), (TAIL_BYTES + 1, TAIL_BYTES), (2**20, TAIL_BYTES)]
)
def test_L15_a_tail_of_one_line_is_still_a_tail(tmp_path: Path, size: int, kept: int, end: str) -> None:
    path = tmp_path / "log"
    log = open_log(kernel, str(path))
    path.write_text("b" * size + end)
    assert tail(kernel, log).strip("b") == ""
    assert kept - len(end) <= len(tail(kernel, log)) <= kept
    # And one of which the beginning was given up.
    assert tail(kernel, log, dropped=2) in ("b" * (size - 2), "b" * kept, "b" * (kept - len(end)))
    kernel.close(log.fd)


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 2 * SEARCHED, 2 * SEARCHED + 1, 10**9])
@pytest.mark.parametrize("start", [0, 1, PAGE, PIECE])
def test_L15_the_pieces_of_a_log_leave_nothing_out_and_overlap(size: int, start: int) -> None:
    parts = pieces(size, start)
    whole = size - start <= 2 * SEARCHED
    assert sum(min(PIECE, length) for _, length in parts) == min(max(size - start, 0), 2 * SEARCHED)
    assert all(start <= offset and offset + length <= size and length <= PIECE + OVERLAP for offset, length in parts)
    for (offset, length), (following, _) in pairwise(parts):
        if whole or following != size - SEARCHED:
            assert following == offset + PIECE
            assert length == min(PIECE + OVERLAP, size - offset) or not whole


@pytest.mark.parametrize(("length", "given_up"), [(0, 0), (PAGE - 1, 0), (PAGE, PAGE), (2 * PAGE + 5, 2 * PAGE)])
def test_whole_pages_of_its_beginning_are_given_up(tmp_path: Path, length: int, given_up: int) -> None:
    path = tmp_path / "log"
    log = open_log(kernel, str(path))
    path.write_bytes(b"x" * 4 * PAGE)
    assert PAGE % os.sysconf("SC_PAGE_SIZE") == 0
    assert trim(kernel, log.fd, length) == given_up
    assert path.read_bytes() == b"\0" * given_up + b"x" * (4 * PAGE - given_up)
    kernel.close(log.fd)


def test_what_is_appended_is_passed_on_in_its_order(tmp_path: Path) -> None:
    taken: list[bytes] = []
    log = open_log(kernel, str(tmp_path / "log"))
    follower = Follower(kernel, log.fd, taken.append)
    assert (follower.step(), taken) == (False, [])
    os.write(log.fd, b"first ")
    assert (follower.step(), follower.step(), taken) == (False, False, [b"first "])
    os.write(log.fd, os.urandom(AT_ONCE) + b"last")
    assert (follower.step(), follower.step()) == (True, False)
    assert b"".join(taken) == Path(tmp_path / "log").read_bytes()
    kernel.close(log.fd)


def test_of_what_is_far_ahead_the_number_of_bytes_is_told_in_its_place(tmp_path: Path) -> None:
    taken: list[bytes] = []
    log = open_log(kernel, str(tmp_path / "log"))
    follower = Follower(kernel, log.fd, taken.append)
    os.write(log.fd, b"begin")
    follower.step()
    os.write(log.fd, b"x" * 1000 + b"y" * BEHIND)
    while follower.step():
        pass
    assert b"".join(taken) == b"begin\n[scxlife: 1000 bytes were passed over here]\n" + b"y" * BEHIND
    kernel.close(log.fd)
    assert follower.step() is False
