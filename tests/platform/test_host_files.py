"""This host's files for a guest: what can be shared, and who serves it. The guest's side: tests/vm."""

from __future__ import annotations

import os
import select
import subprocess
import sys
from pathlib import Path

import pytest

from scxlife.platform.vm import host_files
from scxlife.platform.vm.host_files import HostFiles, NoSharing, command, find, own_memory, shared, writable_folder

LIMIT_MS = 60_000


def program(tmp_path: Path, text: str) -> str:
    path = tmp_path / "virtiofsd"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_host_without_virtiofsd_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(NoSharing, match=r"^virtiofsd is not installed$"):
        find([str(tmp_path / "none")])


FOUND = {
    "rust": ("echo '--shared-dir DIR --fd FD'", True),
    "c": ("echo '--socket-path=PATH --fd=FDNUM'", False),
}


@pytest.mark.parametrize("kind", FOUND)
def test_both_kinds_of_virtiofsd_are_known_by_their_options(tmp_path: Path, kind: str) -> None:
    text, rust = FOUND[kind]
    place = program(tmp_path, text)
    assert find(["/none", place]) == (place, rust)
    assert any(word.startswith("--shared-dir=") for word in command(place, rust, 5, "/x")) == rust


UNFIT = {
    "no --fd": ("echo '--socket-path=PATH'", "too old: it has no --fd"),
    "says nothing": ("exit 0", "too old"),
    "fails": ("echo --nothing; exit 1", "too old"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_virtiofsd_that_can_not_serve_is_refused(tmp_path: Path, case: str) -> None:
    text, words = UNFIT[case]
    with pytest.raises(NoSharing, match=words):
        find([program(tmp_path, text)])


def test_a_virtiofsd_that_can_not_be_executed_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "virtiofsd"
    place.write_bytes(b"\x7fELF and no more")
    place.chmod(0o755)
    with pytest.raises(NoSharing, match="does not run"):
        find([str(place)])


WRONG = {
    "missing": ("none", "No such file"),
    "a file": ("file", "it is no folder"),
    "a FIFO": ("fifo", "it is no folder"),
    "a link to a file": ("link", "it is no folder"),
    "everything": ("/", "all of this host"),
    "everything, in other words": ("/usr/..", "all of this host"),
    "the kernel's": ("/proc", "not shared with a guest"),
    "below the kernel's": ("/dev/shm", "not shared with a guest"),
    "a NUL": ("a\0b", "null"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_folder_that_can_not_be_shared_to_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("link").symlink_to("file")
    os.mkfifo("fifo")
    text, words = WRONG[case]
    with pytest.raises(ValueError, match=words):
        writable_folder(text)


def test_a_folder_is_shared_where_its_links_lead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("with\nnewline").mkdir()
    Path("link").symlink_to("with\nnewline")
    assert writable_folder("link") == str(tmp_path / "with\nnewline")


def test_a_memory_of_its_own_has_what_the_saved_one_has(tmp_path: Path) -> None:
    size = 1 << 24
    with (tmp_path / "saved").open("w+b") as saved:
        saved.truncate(size)
        for at in (4096, 1 << 20, size - 5):
            saved.seek(at)
            saved.write(b"there")
        saved.flush()
        with own_memory(saved.fileno(), size) as memory:
            assert os.pread(memory, size, 0) == (tmp_path / "saved").read_bytes()
            os.pwrite(memory, b"other", 4096)
        assert os.pread(saved.fileno(), 5, 4096) == b"there"


@pytest.fixture
def real() -> tuple[str, bool]:
    try:
        return find()
    except NoSharing as error:
        pytest.skip(str(error))


def test_nothing_of_a_share_is_left_behind(
    real: tuple[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with shared(HostFiles((), real)) as share:
        pid = share._process.pid
        # Its socket has no name any more.
        assert [*tmp_path.iterdir()] == []
    assert sorted(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert [*tmp_path.iterdir()] == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_virtiofsd_ends_with_a_supervisor_that_is_killed(real: tuple[str, bool], tmp_path: Path) -> None:
    text = "import sys, time\nfrom scxlife.platform.vm import host_files as h\n"
    text += "with h.shared(h.HostFiles((), h.find())) as s:\n print(s._process.pid, flush=True)\n time.sleep(600)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", text]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pidfd = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    assert poll.poll(LIMIT_MS)
    os.close(pidfd)
    assert [*tmp_path.iterdir()] == []


def test_a_folder_that_is_gone_by_then_ends_the_share(real: tuple[str, bool], tmp_path: Path) -> None:
    with pytest.raises(NoSharing, match="No such file"), shared(HostFiles((str(tmp_path / "none"),), real)):
        pass


def test_places_are_absolute() -> None:
    assert all(place.startswith("/") for place in host_files.PLACES)
