"""Readiness by a file: a real directory, real inotify."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.fsm.events import Event
from scxlife.platform.kernel import FileStat
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.sources import inotify
from scxlife.platform.sources.assume_ready import AssumeReadySource
from scxlife.platform.sources.readiness_file import FileSource

CADENCE = 0.05

kernel = LinuxKernel()


@pytest.fixture(autouse=True)
def nothing_leaks() -> Iterator[None]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    yield
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def opened(path: Path, baseline: FileStat | None = None, port: LinuxKernel = kernel) -> FileSource:
    source = FileSource(port, str(path), baseline, cadence=CADENCE)
    source.open()
    return source


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run/ready"


@pytest.fixture
def source(path: Path) -> Iterator[FileSource]:
    watching = opened(path)
    yield watching
    watching.close()


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def wakes(source: FileSource) -> bool:
    fd = source.fileno()
    return fd is not None and bool(kernel.poll([fd], 0))


def test_ready_when_it_appears_lost_when_it_goes(path: Path, source: FileSource) -> None:
    assert source.drain() == [] and not source.confirm() and not wakes(source)
    path.touch()
    assert wakes(source)
    (event,) = source.drain()
    assert (event.name, event.data, event.cause) == ("ready", {"path": str(path)}, "inotify ready")
    assert source.confirm() and source.drain() == [] and not wakes(source)
    path.unlink()
    assert wakes(source)
    assert names(source.drain()) == ["lost"]


def test_what_is_there_when_it_opens_is_told_by_the_first_drain(path: Path) -> None:
    path.touch()
    source = opened(path)
    assert names(source.drain()) == ["ready"]
    source.close()


def test_a_file_moved_in_or_out_counts(path: Path, source: FileSource, tmp_path: Path) -> None:
    draft = tmp_path / "draft"
    draft.touch()
    draft.rename(path)
    assert wakes(source) and names(source.drain()) == ["ready"]
    path.rename(draft)
    assert wakes(source) and names(source.drain()) == ["lost"]


@pytest.mark.parametrize("change", ["replaced", "written", "touched"])
def test_the_stale_one_is_not_ready_until_it_changes(path: Path, change: str) -> None:
    path.write_text("from last time")
    os.utime(path, ns=(0, 1_000))
    source = opened(path, kernel.stat(str(path)))
    assert source.drain() == [] and not source.confirm()
    if change == "replaced":
        other = path.with_name("other")
        other.write_text("from last time")
        os.utime(other, ns=(0, 1_000))
        other.rename(path)
    elif change == "written":
        path.write_text("now")
    else:
        path.touch()
    assert wakes(source) and names(source.drain()) == ["ready"]
    source.close()


def test_looking_does_not_wake_the_one_who_looks(path: Path, source: FileSource) -> None:
    path.touch()
    source.drain()
    assert path.read_bytes() == b"" and source.confirm() and list(path.parent.iterdir())
    assert not wakes(source)


def test_a_ready_and_watched_file_costs_no_wake_up(path: Path, source: FileSource) -> None:
    assert source.next_deadline() is not None
    path.touch()
    source.drain()
    assert source.next_deadline() is None
    source.restate()
    assert source.next_deadline() is not None
    assert names(source.drain()) == ["clear"]
    assert source.next_deadline() is None


def test_a_missing_directory_is_waited_for(path: Path) -> None:
    path.parent.rmdir()
    source = opened(path)
    assert source.fileno() is None and source.degraded == f"{path.parent} is not watched: No such file or directory"
    assert source.drain() == [] and source.next_deadline() is not None
    path.parent.mkdir()
    assert source.drain() == [] and source.degraded is None
    path.touch()
    assert wakes(source) and names(source.drain()) == ["ready"]
    source.close()


@pytest.mark.parametrize("how", ["moved", "removed", "above"])
def test_a_directory_that_is_replaced_is_watched_anew(path: Path, tmp_path: Path, how: str) -> None:
    path = tmp_path / "a/b/ready"
    path.parent.mkdir(parents=True)
    source = opened(path)
    source.drain()
    if how == "moved":
        path.parent.rename(tmp_path / "old")
        path.parent.mkdir()
    elif how == "removed":
        path.parent.rmdir()
        path.parent.mkdir()
    else:
        # inotify says nothing of this: until the file is there the cadence does.
        (tmp_path / "a").rename(tmp_path / "old")
        path.parent.mkdir(parents=True)
    assert wakes(source) == (how != "above")
    assert source.drain() == [] and not wakes(source)
    path.touch()
    assert wakes(source) and names(source.drain()) == ["ready"]
    source.close()


def test_a_directory_that_goes_takes_readiness_with_it(path: Path, source: FileSource) -> None:
    path.touch()
    source.drain()
    shutil.rmtree(path.parent)
    assert wakes(source) and names(source.drain()) == ["lost"]
    assert source.next_deadline() is not None and source.degraded is not None


class Refusing(LinuxKernel):
    """inotify is refused at one of its two steps."""

    def __init__(self, step: str, number: int) -> None:
        self.step, self.error = step, OSError(number, os.strerror(number))

    def inotify_init(self) -> int:
        if self.step == "init":
            raise self.error
        return super().inotify_init()

    def inotify_add_watch(self, fd: int, path: str, mask: int) -> int:
        raise self.error


@pytest.mark.parametrize(("step", "number"), [("init", errno.EMFILE), ("watch", errno.ENOSPC)])
def test_without_inotify_the_cadence_does_it(path: Path, step: str, number: int) -> None:
    source = opened(path, port=Refusing(step, number))
    assert source.fileno() is None
    assert source.degraded is not None and source.degraded.endswith(os.strerror(number))
    path.touch()
    assert names(source.drain()) == ["ready"]
    # No watch: still to be looked at.
    assert source.next_deadline() is not None
    path.unlink()
    assert names(source.drain()) == ["lost"]
    source.close()


class Overflowing(LinuxKernel):
    """The queue overflows: what happened is lost, but for the word that it is."""

    def read(self, fd: int, size: int) -> bytes:
        super().read(fd, size)
        return (-1).to_bytes(4, "little", signed=True) + inotify.IN_Q_OVERFLOW.to_bytes(4, "little") + bytes(8)


def test_after_an_overflow_the_file_is_looked_at(path: Path) -> None:
    source = opened(path, port=Overflowing())
    path.touch()
    (event,) = source.drain()
    assert (event.name, event.cause) == ("ready", "inotify overflow")
    source.close()


def test_a_relative_path_and_one_at_the_root_have_a_directory() -> None:
    assert FileSource(kernel, "ready", None, cadence=1)._parent == "."
    assert FileSource(kernel, "/ready", None, cadence=1)._parent == "/"


def test_assumed_readiness_is_told_once_and_holds_nothing() -> None:
    source = AssumeReadySource()
    source.open()
    assert source.fileno() is None and source.next_deadline() is not None
    assert names(source.drain()) == ["ready"] and source.drain() == [] and source.next_deadline() is None
    assert source.confirm()
    source.restate()
    assert names(source.drain()) == ["clear"]
    source.close()
