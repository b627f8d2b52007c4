"""docs/event-sources.md: its distribution is installed beside this one and its sessions are played for real."""

from __future__ import annotations

import importlib.util
import os
import select
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.docs.pages import play, sessions, write_files

PAGE = Path(__file__).parents[2] / "docs" / "event-sources.md"


def install(project: Path, site: Path) -> None:
    """What `pip install` would leave in `site` of a project with one module: the module, and what it registers."""
    told = tomllib.loads((project / "pyproject.toml").read_text())
    name, version = told["project"]["name"], told["project"]["version"]
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in told["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{kind} = {target}" for kind, target in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for module in told["tool"]["setuptools"]["py-modules"]:
        (project / f"{module}.py").rename(site / f"{module}.py")


def test_the_page_prints_what_it_says(tmp_path: Path) -> None:
    project, site = tmp_path / "project", tmp_path / "site"
    project.mkdir()
    write_files(PAGE, project)
    install(project, site)
    played = sessions(PAGE)
    assert len(played) == 4
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    for session in played:
        said = play(session, project, {"PYTHONPATH": path})
        assert said == session.output, f"{PAGE.name}:{session.line}"


# The page's source is there to be copied: what its rules promise is held here.


@pytest.fixture
def path(tmp_path: Path) -> str:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    return str(fifo)


@pytest.fixture
def module(tmp_path: Path) -> Any:
    write_files(PAGE, tmp_path)
    spec = importlib.util.spec_from_file_location("page_fifo", tmp_path / "scxlife_fifo.py")
    assert spec is not None and spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def source(module: Any, path: str) -> Iterator[Any]:
    made = module.FifoSource(path, frozenset({"open", "close"}), "garbled")
    made.open()
    yield made
    made.close()


def write(path: str, text: bytes) -> None:
    """A writer that comes, writes and goes."""
    fd = os.open(path, os.O_WRONLY)
    os.write(fd, text)
    os.close(fd)


def told(source: Any) -> list[str]:
    return [event.name for event in source.drain()]


def readable(source: Any) -> bool:
    return bool(select.select([source.fileno()], [], [], 0)[0])


def test_a_wake_up_without_cause_yields_nothing(source: Any) -> None:
    assert told(source) == []


def test_words_come_in_the_order_of_the_fifo(source: Any, path: str) -> None:
    write(path, b"open\nclose\n")
    write(path, b"open\n")
    assert told(source) == ["open", "close", "open"]


def test_a_fifo_that_its_last_writer_has_left_wakes_nobody(source: Any, path: str) -> None:
    write(path, b"open\n")
    assert readable(source)
    assert told(source) == ["open"]
    assert not readable(source)


def test_half_a_word_is_told_when_it_is_whole(source: Any, path: str) -> None:
    write(path, b"op")
    assert told(source) == []
    write(path, b"en\nclo")
    assert told(source) == ["open"]


def test_a_line_without_an_end_does_not_grow_for_ever(source: Any, path: str) -> None:
    write(path, b"x" * 5000)
    assert told(source) == ["garbled"]
    write(path, b"\nopen\n")
    assert told(source) == ["garbled", "open"]


def test_bytes_that_are_no_text_are_garbled(source: Any, path: str) -> None:
    write(path, b"\xff\xfe\n")
    assert told(source) == ["garbled"]


def test_what_is_no_fifo_is_refused_and_not_kept_open(module: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(OSError, match="not a FIFO"):
        module.FifoSource(str(file), frozenset(), "garbled").open()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
