"""Archives: another program reads back what was written, twice the same bytes, one behind the other."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from scxlife.platform.vm import unpacking
from scxlife.platform.vm.cpio import Tree

busybox = shutil.which("busybox")


def an_archive(*names: str) -> bytes:
    tree = Tree()
    for name in names:
        tree.file(f"/deep/down/{name}", name.encode() * 3, 0o640)
    tree.symlink("/link", "deep/down")
    tree.directory("/tmp", 0o1777)
    tree.char_device("/dev/console", 5, 1, 0o600)
    sink = io.BytesIO()
    tree.write(sink)
    return sink.getvalue()


def unpack(archive: bytes, where: Path) -> None:
    assert busybox is not None
    subprocess.run([busybox, "cpio", "-i", "-d"], input=archive, cwd=where, check=True, capture_output=True)


def listed(archive: bytes) -> list[str]:
    assert busybox is not None
    done = subprocess.run([busybox, "cpio", "-t"], input=archive, capture_output=True, check=True)
    return done.stdout.decode().splitlines()


@pytest.mark.skipif(busybox is None, reason="busybox is not installed")
def test_another_program_reads_it_back(tmp_path: Path) -> None:
    tree = Tree()
    tree.file("/a/b/run", b"x" * 5, 0o755)
    tree.file("/empty", b"")
    tree.symlink("/link", "a/b")
    tree.directory("/tmp", 0o1777)
    sink = io.BytesIO()
    tree.write(sink)
    unpack(sink.getvalue(), tmp_path)
    assert (tmp_path / "a/b/run").read_bytes() == b"xxxxx"
    assert stat.S_IMODE((tmp_path / "a/b/run").stat().st_mode) == 0o755
    assert (tmp_path / "empty").read_bytes() == b""
    assert (tmp_path / "link").readlink() == Path("a/b")
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o1777


def test_what_a_run_brings_takes_the_place_of_a_link_and_is_not_written_through_it(tmp_path: Path) -> None:
    """As /bin/sh of this host does, where that name is a link to busybox."""
    (tmp_path / "busybox").write_text("all the tools")
    (tmp_path / "sh").symlink_to("busybox")
    tree = Tree()
    tree.file("/sh", b"a shell")
    archive = io.BytesIO()
    tree.write(archive)
    archive.seek(0)
    unpacking.unpack(archive.read, f"{tmp_path}/")
    assert (tmp_path / "busybox").read_text() == "all the tools"
    assert not (tmp_path / "sh").is_symlink()
    assert (tmp_path / "sh").read_text() == "a shell"


@pytest.mark.skipif(busybox is None, reason="busybox is not installed")
def test_parents_come_before_what_is_in_them() -> None:
    expected = ["deep", "deep/down", "deep/down/a", "deep/down/z", "dev", "dev/console", "link", "tmp"]
    assert listed(an_archive("z", "a")) == expected


@pytest.mark.skipif(busybox is None, reason="busybox is not installed")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
def test_a_device_keeps_its_numbers(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "probe", stat.S_IFCHR | 0o600, os.makedev(5, 1))
    except PermissionError:
        pytest.skip("device nodes can't be made here")
    unpack(an_archive("a"), tmp_path)
    found = (tmp_path / "dev/console").stat()
    assert (os.major(found.st_rdev), os.minor(found.st_rdev)) == (5, 1)


def test_the_same_entries_give_the_same_bytes_in_whatever_order_they_came() -> None:
    first, second = Tree(), Tree()
    for tree, order in ((first, "abc"), (second, "cba")):
        for name in order:
            tree.file(f"/{name}", name.encode())
    one, other = io.BytesIO(), io.BytesIO()
    first.write(one)
    second.write(other)
    assert one.getvalue() == other.getvalue()


@pytest.mark.parametrize("name", ["a", "ab", "abc", "abcd"])
def test_an_archive_ends_on_a_border_so_that_another_may_follow(name: str) -> None:
    archive = an_archive(name)
    assert len(archive) % 4 == 0
    assert archive.startswith(b"070701")
    assert archive.count(b"TRAILER!!!") == 1
