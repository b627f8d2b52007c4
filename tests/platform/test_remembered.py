"""What was remembered is used while all that it was found from is unchanged, and never once something is not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scxlife.platform.vm import remembered
from scxlife.platform.vm.cache import cache_root
from scxlife.platform.vm.remembered import Sources, recall, remember

QUESTION = ("what", "is it", 1)
ANSWER = {"it": ["is", 42]}
#: Seconds: only so that a test that fails ends.
LIMIT = 60.0


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def settled(*paths: Path) -> Sources:
    """Sources that are old enough to be remembered."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        sources = Sources()
        sources.add(*paths)
        if sources.settled:
            return sources
    raise AssertionError("the files never settle")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A file, a link to it through another link, a folder, and a name that is not there."""
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    (tree / "file").write_text("content")
    (tree / "other").write_text("content")
    (tree / "inner").symlink_to("file")
    (tree / "link").symlink_to(tree / "inner")
    names = ("file", "link", "folder", "absent", "folder/absent", "file/below")
    remember(QUESTION, settled(*(tree / name for name in names)), ANSWER)
    assert recall(QUESTION) == ANSWER
    return tree


def rewritten(path: Path, content: str = "CONTENT") -> None:
    """The same size and the same time of modification: only the kernel knows."""
    found = path.stat()
    path.write_text(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def replaced(path: Path, content: str = "CONTENT") -> None:
    found = path.stat()
    other = path.with_name("new")
    other.write_text(content)
    os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
    other.replace(path)


def pointed_to(link: Path, target: str) -> None:
    link.unlink()
    link.symlink_to(target)


CHANGES: dict[str, Callable[[Path], object]] = {
    "longer": lambda tree: (tree / "file").write_text("longer content"),
    "rewritten": lambda tree: rewritten(tree / "file"),
    "replaced": lambda tree: replaced(tree / "file"),
    "touched": lambda tree: (tree / "file").touch(),
    "gone": lambda tree: (tree / "file").unlink(),
    "another kind": lambda tree: ((tree / "file").unlink(), (tree / "file").mkdir()),
    "another mode": lambda tree: (tree / "file").chmod(0o600),
    "link": lambda tree: pointed_to(tree / "link", "other"),
    "link of a link": lambda tree: pointed_to(tree / "inner", "other"),
    "link to itself": lambda tree: pointed_to(tree / "inner", "inner"),
    "a name in the folder": lambda tree: (tree / "folder" / "new").touch(),
    "there now": lambda tree: (tree / "absent").touch(),
    "there now, below": lambda tree: (tree / "folder" / "absent").touch(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_an_answer_is_forgotten_when_a_file_behind_it_changes(tree: Path, change: Callable[[Path], object]) -> None:
    change(tree)
    assert recall(QUESTION) is None


def test_an_answer_is_kept_when_something_else_changes(tree: Path) -> None:
    (tree / "other").write_text("of no interest")
    (tree / "new").touch()
    assert recall(QUESTION) == ANSWER


def test_another_question_has_another_answer(tree: Path) -> None:
    assert recall(("what", "is it", 2)) is None
    remember(("what", "is it", 2), settled(tree / "other"), "another")
    assert (recall(QUESTION), recall(("what", "is it", 2))) == (ANSWER, "another")


def record() -> Path:
    (found,) = (cache_root() / "answers").iterdir()
    return found


def sealed(path: Path, text: bytes) -> None:
    path.write_bytes(hashlib.sha256(text).hexdigest().encode() + b"\n" + text)


def with_other(path: Path, **more: object) -> None:
    data = json.loads(path.read_bytes().partition(b"\n")[2])
    sealed(path, json.dumps({**data, **more}).encode())


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a byte": lambda path: path.write_bytes(path.read_bytes().replace(b'"is", 42', b'"is", 43')),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-9]),
    "empty": lambda path: path.write_bytes(b""),
    "no JSON": lambda path: sealed(path, b"hello"),
    "deep": lambda path: sealed(path, b"[" * 100_000),
    "a list": lambda path: sealed(path, b"[]"),
    "no sources": lambda path: with_other(path, sources=None),
    "a NUL in a path": lambda path: with_other(path, sources={"a\0b": [None]}),
    "no identities": lambda path: with_other(path, sources={"/": 1}),
    "another format": lambda path: with_other(path, format=0),
    "another question": lambda path: with_other(path, question="?"),
    "huge": lambda path: with_other(path, answer="x" * (1 << 20)),
    "a FIFO": lambda path: (path.unlink(), os.mkfifo(path)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a link": lambda path: (path.rename(path.with_suffix(".real")), path.symlink_to(path.with_suffix(".real"))),
    "writable to others": lambda path: path.chmod(0o666),
    "in a folder for all": lambda path: path.parent.chmod(0o777),
    "of another user": lambda path: os.chown(path, 12345, 12345),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_or_foreign_record_is_ignored(tree: Path, damage: Callable[[Path], object]) -> None:
    if os.geteuid() != 0 and damage is DAMAGE["of another user"]:
        pytest.skip("only root can give a file away")
    damage(record())
    assert recall(QUESTION) is None


@pytest.mark.parametrize("name", ["a byte", "no JSON", "cut", "a FIFO", "a link", "writable to others"])
def test_a_damaged_record_is_made_again(tree: Path, name: str) -> None:
    DAMAGE[name](record())
    remember(QUESTION, settled(tree / "file"), "found again")
    assert recall(QUESTION) == "found again"


def test_files_that_have_just_changed_are_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content in ("first", "other"):
        file.write_text(content)
        sources = Sources()
        sources.add(file)
        assert not sources.settled
        remember(QUESTION, sources, content)
        assert recall(QUESTION) is None


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tree: Path) -> None:
    sources = settled(tree / "other")
    (tree / "file").write_text("changed after the search began")
    sources.add(tree / "file")
    assert not sources.settled


@pytest.mark.parametrize("blocked", ["a file", "a link", "for all", "no home"])
def test_a_cache_that_can_not_be_used_costs_only_the_memory(
    blocked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "cache" / "scxlife"
    place.parent.mkdir()
    match blocked:
        case "a file":
            place.touch()
        case "a link":
            place.symlink_to(tmp_path)
        case "for all":
            place.mkdir()
            place.chmod(0o777)
        case "no home":
            monkeypatch.delenv("XDG_CACHE_HOME")
            monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    file = tmp_path / "file"
    file.touch()
    remember(QUESTION, settled(file), ANSWER)
    assert recall(QUESTION) is None


def test_only_the_records_used_last_are_kept(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    sources = settled(file)
    for number in range(remembered._KEPT + 2):
        remember((number,), sources, number)
        assert recall((0,)) == 0
    kept = [number for number in range(remembered._KEPT + 2) if recall((number,)) == number]
    assert len(kept) == remembered._KEPT
    assert 0 in kept


def test_a_writer_that_is_killed_leaves_the_old_record(tree: Path) -> None:
    code = (
        "import os, sys, pathlib\n"
        "from scxlife.platform.vm import cache\n"
        "pathlib.Path.replace = lambda *_: os.kill(os.getpid(), 9)\n"
        "cache.replace_small(pathlib.Path(sys.argv[1]), b'half')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(record())], timeout=LIMIT)
    assert done.returncode == -9
    assert recall(QUESTION) == ANSWER
