"""Files that come out of a guest: what a guest sends is hostile, and nothing half-written is left."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from scxlife.lifecycle import guest_gets
from scxlife.lifecycle.guest_gets import Gets, send
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.vm import frames

HEAD = bytes(4)


class Port:
    """What PID 1 writes to, taken at once by the host."""

    def __init__(self, gets: Gets) -> None:
        self._gets = gets

    def send(self, kind: int, payload: bytes) -> int:
        assert kind == frames.FILE
        frames.encode(kind, 0, payload)
        self._gets.take(payload)
        return 0


def copied(tmp_path: Path, *names: str) -> tuple[list[str], Path]:
    """What is said of the files `names` of a guest, and the folder in which they arrived."""
    arrived = tmp_path / "arrived"
    arrived.mkdir()
    gets = Gets([(str(tmp_path / name), arrived / f"{number}") for number, name in enumerate(names)])
    send(LinuxKernel(), Port(gets), [path for path, _ in gets.wanted])  # type: ignore[arg-type]
    return gets.close(), arrived


def test_files_arrive_whole_whatever_their_size_and_name(tmp_path: Path) -> None:
    large = os.urandom(guest_gets._PIECE * 2 + 17)
    (tmp_path / "large").write_bytes(large)
    (tmp_path / "empty").touch()
    (tmp_path / "a\nnew line").write_text("x")
    said, arrived = copied(tmp_path, "large", "empty", "a\nnew line")
    assert said == []
    assert [(arrived / name).read_bytes() for name in "012"] == [large, b"", b"x"]
    assert len([*arrived.iterdir()]) == 3
    assert stat.S_IMODE((arrived / "0").stat().st_mode) & 0o400


def test_what_can_not_be_read_is_reported_and_the_rest_arrives(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "last").write_text("last")
    with (tmp_path / "huge").open("wb") as huge:
        huge.truncate(1 << 30)
    said, arrived = copied(tmp_path, "none", "fifo", "folder", "device", "dangling", "huge", "last")
    reasons = [line.rpartition(": ")[2] for line in said]
    missing, irregular = "No such file or directory", "it is no regular file"
    assert reasons[:5] == [missing, irregular, irregular, irregular, missing]
    assert reasons[5] == f"it has {1 << 30} bytes, and {256 << 20} of {256 << 20} for all files are left"
    assert [path.name for path in arrived.iterdir()] == ["6"]


def test_a_file_that_does_not_arrive_whole_leaves_what_was_there(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("of an earlier run")
    gets = Gets([("/guest/file", there)])
    gets.take(HEAD + b"+" + b"half")
    assert gets.close() == ["--get /guest/file: the guest did not send all of it"]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there", "of an earlier run")]


def test_a_folder_that_is_gone_is_reported_and_ends_nothing(tmp_path: Path) -> None:
    gets = Gets([("/a", tmp_path / "gone/a"), ("/b", tmp_path / "b")])
    for piece in (HEAD + b"+x", HEAD + b"+y", HEAD + b".", b"\1\0\0\0.", b""):
        if piece:
            gets.take(piece)
    (said,) = gets.close()
    assert said == f"--get /a: {tmp_path}/gone/a: No such file or directory"
    assert (tmp_path / "b").read_bytes() == b""


HOSTILE: dict[str, list[bytes]] = {
    "nothing": [b""],
    "no number": [b"\0\0"],
    "no letter": [HEAD],
    "a number too large": [b"\1\0\0\0+x"],
    "another letter": [HEAD + b"?x"],
    "two ends": [HEAD + b".", HEAD + b"."],
    "a piece after the end": [HEAD + b".", HEAD + b"+x"],
    "a piece after a refusal": [HEAD + b"!no", HEAD + b"+x"],
    "an end after a refusal": [HEAD + b"!no", HEAD + b"."],
    "a long reason": [HEAD + b"!" + b"x" * 5000],
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_no_sound_guest_sends_is_refused(tmp_path: Path, case: str) -> None:
    gets = Gets([("/guest/file", tmp_path / "file")])
    *before, last = HOSTILE[case]
    for piece in before:
        gets.take(piece)
    with pytest.raises(ValueError, match=r"^it is "):
        gets.take(last)
    gets.close()


def test_a_guest_that_sends_more_than_the_limit_is_refused(tmp_path: Path) -> None:
    gets = Gets([("/guest/file", tmp_path / "file")])
    piece = HEAD + b"+" + bytes(1 << 20 >> 1)
    with pytest.raises(ValueError, match="more than"):
        for _ in range(1 + guest_gets.LIMIT // (len(piece) - 5)):
            gets.take(piece)
    gets.close()
    assert [*tmp_path.iterdir()] == []


def test_a_refusal_is_text_however_it_is_encoded(tmp_path: Path) -> None:
    gets = Gets([("/guest/file", tmp_path / "file")])
    gets.take(HEAD + b"!\xff\x1b[2J")
    assert gets.close() == ["--get /guest/file: \ufffd\x1b[2J"]
