"""Entries of the cache appear whole or not at all, whatever kills their builder."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scxlife.platform.vm import cache

# Builds an entry up to the middle, says so, and goes on when it is told to.
BUILDER = """
import sys
from pathlib import Path
from scxlife.platform.vm import cache
entry = Path(sys.argv[1])
say = lambda text: print(text, flush=True)
with cache.locked(entry, say) as waited:
    if cache.read_manifest(entry) is not None:
        say("found")
        raise SystemExit
    with cache.publish(entry) as draft:
        (draft.path / "half").write_text("a")
        say("building")
        sys.stdin.readline()
        (draft.path / "whole").write_text("b")
        draft.manifest["waited"] = waited
say("published")
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "scxlife"


@pytest.fixture
def entry(root: Path) -> Path:
    return root / "things" / "1.0"


class Builder:
    def __init__(self, entry: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(entry)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@pytest.fixture
def builders(entry: Path) -> Iterator[list[Builder]]:
    started: list[Builder] = []
    yield started
    for builder in started:
        builder.process.kill()
        builder.process.communicate()


def start(builders: list[Builder], entry: Path) -> Builder:
    builders.append(Builder(entry))
    return builders[-1]


def nothing(text: str) -> None:
    raise AssertionError(f"no reason to wait: {text}")


def publish(entry: Path, content: str = "content") -> None:
    with cache.locked(entry, nothing), cache.publish(entry) as draft:
        (draft.path / "file").write_text(content)
        draft.manifest["content"] = content


def hidden(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name.startswith(".") and path.is_dir())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_builder_leaves_nothing_that_is_trusted_and_the_next_one_succeeds(
    builders: list[Builder], entry: Path, number: signal.Signals
) -> None:
    first = start(builders, entry)
    assert first.line() == "building"
    assert len(hidden(entry.parent)) == 1
    first.process.send_signal(number)
    first.process.wait(60)

    assert list(cache.entries(entry.parent)) == []
    assert not entry.exists()

    second = start(builders, entry)
    assert second.line() == "building"
    second.go_on()
    assert second.line() == "published"
    assert sorted(path.name for path in entry.iterdir()) == ["half", "manifest.json", "whole"]
    assert hidden(entry.parent) == []


def test_the_second_of_two_processes_says_that_it_waits_and_finds_the_entry_ready(
    builders: list[Builder], entry: Path
) -> None:
    first = start(builders, entry)
    assert first.line() == "building"
    second = start(builders, entry)
    assert second.line() == "another process is busy with things/1.0; waiting for it"
    first.go_on()
    assert first.line() == "published"
    assert second.line() == "found"


def test_who_waited_for_a_builder_that_was_killed_builds_itself(builders: list[Builder], entry: Path) -> None:
    first = start(builders, entry)
    assert first.line() == "building"
    second = start(builders, entry)
    assert second.line().endswith("waiting for it")
    first.process.kill()
    assert second.line() == "building"
    second.go_on()
    assert second.line() == "published"
    assert cache.read_manifest(entry) == {"format": cache.FORMAT, "waited": True}


def test_what_a_live_builder_has_begun_is_not_swept_away(builders: list[Builder], entry: Path) -> None:
    other = start(builders, entry.with_name("2.0"))
    assert other.line() == "building"
    publish(entry)
    assert len(hidden(entry.parent)) == 1
    other.go_on()
    assert other.line() == "published"
    assert {path.name for path, _ in cache.entries(entry.parent)} == {"1.0", "2.0"}


def test_what_a_dead_builder_of_another_entry_left_is_swept_away(builders: list[Builder], entry: Path) -> None:
    other = start(builders, entry.with_name("2.0"))
    assert other.line() == "building"
    other.process.kill()
    other.process.wait(60)
    publish(entry)
    assert hidden(entry.parent) == []


def test_a_failure_while_building_keeps_the_entry_that_was_there(entry: Path) -> None:
    publish(entry, "old")
    with pytest.raises(RuntimeError), cache.locked(entry, nothing), cache.publish(entry) as draft:
        (draft.path / "file").write_text("new")
        raise RuntimeError
    assert (entry / "file").read_text() == "old"
    assert hidden(entry.parent) == []


def test_an_entry_is_replaced_as_a_whole(entry: Path) -> None:
    publish(entry, "old")
    (entry / "stray").touch()
    publish(entry, "new")
    assert sorted(path.name for path in entry.iterdir()) == ["file", "manifest.json"]
    assert (entry / "file").read_text() == "new"
    assert hidden(entry.parent) == []


@pytest.mark.parametrize("manifest", ["", "{", "[]", '{"format": 0}', '{"version": "1.0"}'])
def test_a_directory_without_a_sound_manifest_is_no_entry(entry: Path, manifest: str) -> None:
    entry.mkdir(parents=True)
    (entry / cache.MANIFEST).write_text(manifest)
    assert list(cache.entries(entry.parent)) == []


def test_nothing_is_created_by_looking(root: Path) -> None:
    assert list(cache.entries(cache.cache_root() / "things")) == []
    assert not root.exists()


def test_a_relative_cache_home_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for value in ("", "relative/path", "./x"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache.cache_root() == tmp_path / "home" / ".cache" / "scxlife"


def test_a_cache_that_others_can_write_to_is_refused(root: Path, entry: Path) -> None:
    root.mkdir()
    root.chmod(0o777)
    with pytest.raises(cache.CacheError, match="belongs to the user") as raised:
        publish(entry)
    assert "XDG_CACHE_HOME" in raised.value.hint


def test_a_cache_behind_a_symlink_is_refused(root: Path, entry: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    root.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(cache.CacheError):
        publish(entry)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_lock_that_is_a_symlink_is_not_followed(entry: Path, tmp_path: Path) -> None:
    cache.prepare(entry.parent)
    (entry.parent / ".1.0.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(cache.CacheError):
        publish(entry)
    assert not (tmp_path / "victim").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_problem_that_is_told(entry: Path) -> None:
    with pytest.raises(cache.CacheError, match="No space left"), cache.locked(entry, nothing):  # noqa: SIM117
        with cache.publish(entry), Path("/dev/full").open("wb", buffering=0) as full:
            full.write(b"x")
    assert not entry.exists()


def test_the_lock_is_not_inherited_by_children(entry: Path) -> None:
    with cache.locked(entry, nothing):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    try:
        with cache.locked(entry, nothing) as waited:
            assert not waited
    finally:
        child.communicate()
