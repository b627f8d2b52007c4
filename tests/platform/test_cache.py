"""Entries of the cache appear whole or not at all, whatever kills their builder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
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
    manifest = cache.read_manifest(entry)
    assert manifest is not None
    assert (manifest["format"], manifest["waited"]) == (cache.FORMAT, True)


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
    with pytest.raises(cache.CacheError, match=r"other users can write to .*/scxlife$") as raised:
        publish(entry)
    assert f"chmod -R go-w {root}" in raised.value.hint


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


# -- what is in it is checked before it is used


def nobody(path: Path) -> None:
    os.chown(path, 65534, 65534, follow_symlinks=False)


def open_to(path: Path) -> None:
    path.chmod(path.stat().st_mode | 0o020)


def linked(path: Path) -> None:
    """A link in its place, to the same thing outside the cache."""
    outside = cache.cache_root().parent / "outside"
    path.rename(outside)
    path.symlink_to(outside)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
#: Parts of a cache with the entry things/1.0, from its root.
PARTS = (".", "things", "things/1.0", "things/1.0/manifest.json", "things/1.0/file")


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("spoil", "message", "hint"),
    [
        pytest.param(nobody, "belongs to the user id 65534", "rm -r ", marks=needs_root),
        (open_to, "other users can write to", "chmod -R go-w "),
        (linked, "is a link", "rm "),
    ],
    ids=["foreign", "writable", "link"],
)
def test_L11_what_others_can_change_is_not_read(
    entry: Path, part: str, spoil: Callable[[Path], None], message: str, hint: str
) -> None:
    publish(entry)
    spoiled = Path(os.path.normpath(cache.cache_root() / part))
    spoil(spoiled)
    with pytest.raises(cache.CacheError, match=message) as raised:
        for found, _ in cache.entries(entry.parent):
            cache.verify(found, lambda manifest: cache.digests_of(manifest["content"]))
    assert str(raised.value).count(str(spoiled)) == 1
    assert hint in raised.value.hint


def test_L11_what_chmod_mends_is_read_again(entry: Path) -> None:
    publish(entry)
    open_to(entry)
    with pytest.raises(cache.CacheError) as raised:
        cache.read_manifest(entry)
    (command,) = re.findall(r"run: (chmod .*?) \(", raised.value.hint)
    subprocess.run(command, shell=True, check=True)
    assert cache.sound(entry, nothing)


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_what_is_published_can_be_read_under_any_umask(entry: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        publish(entry)
    finally:
        os.umask(before)
    assert cache.sound(entry, nothing)


def tree(draft: Path) -> None:
    (draft / "file").write_text("content")
    (draft / "folder" / "deep").mkdir(parents=True)
    (draft / "folder" / "deep" / "program").touch(0o755)
    (draft / "folder" / "link").symlink_to("deep")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a byte of a file": lambda e: (e / "file").write_text("contenT"),
    "a file cut short": lambda e: (e / "file").write_text("conten"),
    "a file gone": lambda e: (e / "file").unlink(),
    "a folder in its place": lambda e: ((e / "file").unlink(), (e / "file").mkdir()),
    "a FIFO in its place": lambda e: ((e / "file").unlink(), os.mkfifo(e / "file")),
    "a file more in a folder": lambda e: (e / "folder" / "more").touch(),
    "a link elsewhere": lambda e: ((e / "folder" / "link").unlink(), (e / "folder" / "link").symlink_to("/etc")),
    "a program that is none": lambda e: (e / "folder" / "deep" / "program").chmod(0o644),
    "a FIFO in a folder": lambda e: os.mkfifo(e / "folder" / "fifo"),
    "a folder gone": lambda e: shutil.rmtree(e / "folder"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_L11_a_damaged_entry_is_named_and_made_again(entry: Path, damage: Callable[[Path], object]) -> None:
    def make() -> list[str]:
        told: list[str] = []
        if not cache.sound(entry, told.append):
            with cache.locked(entry, nothing), cache.publish(entry) as draft:
                tree(draft.path)
        return told

    assert (make(), make()) == ([], [])
    damage(entry)
    (told,) = make()
    assert told.startswith(f"{entry} is damaged: ")
    assert told.endswith("; it is made again")
    assert make() == []


MANIFESTS = [
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"format": 1, "content": [] }',
    b'{"format": 1, "content": {"../file": "' + b"0" * 64 + b'"}}',
    b'{"format": 1, "content": {"/etc/passwd": "' + b"0" * 64 + b'"}}',
    b'{"format": 1, "content": {"file": 7}}',
    b'{"format": 1, "content": {"file": "short"}}',
    b'{"format": 1, "content": {"..": "' + b"0" * 64 + b'"}}',
    b'{"format": 1, "x": "' + b"x" * (2 << 20) + b'"}',
]


@pytest.mark.parametrize("content", MANIFESTS, ids=range(len(MANIFESTS)))
def test_L11_a_manifest_that_makes_no_sense_is_not_sound(entry: Path, content: bytes) -> None:
    publish(entry)
    (entry / cache.MANIFEST).write_bytes(content)
    assert not cache.sound(entry, lambda _: None)


def test_L11_a_manifest_that_is_a_fifo_is_not_waited_for(entry: Path) -> None:
    publish(entry)
    (entry / cache.MANIFEST).unlink()
    os.mkfifo(entry / cache.MANIFEST)
    assert list(cache.entries(entry.parent)) == []


@pytest.mark.parametrize("target", ["there", "nowhere"])
def test_L11_a_link_in_the_place_of_an_entry_is_replaced(entry: Path, tmp_path: Path, target: str) -> None:
    (tmp_path / "there").mkdir()
    cache.prepare(entry.parent)
    entry.symlink_to(tmp_path / target)
    publish(entry)
    assert not entry.is_symlink()
    assert list((tmp_path / "there").iterdir()) == []
    assert hidden(entry.parent) == []
    assert [path for path in entry.parent.iterdir() if path.is_symlink()] == []


def test_a_file_is_created_in_the_place_of_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    log = cache.prepare(root / "logs") / "x.log"
    log.symlink_to(tmp_path / "victim")
    with cache.create(log) as file:
        file.write("log")
    assert (tmp_path / "victim").read_text() == "mine"
    assert log.read_text() == "log"


REPLACER = """
import sys
from pathlib import Path
from scxlife.platform.vm import cache
entry = Path(sys.argv[1])
print("ready", flush=True)
for number in range(60):
    with cache.locked(entry, lambda text: None), cache.publish(entry) as draft:
        (draft.path / "file").write_text(str(number) * 100_000)
"""


def test_L11_an_entry_that_is_replaced_meanwhile_is_never_damaged(entry: Path) -> None:
    publish(entry)
    with subprocess.Popen([sys.executable, "-c", REPLACER, str(entry)], stdout=subprocess.PIPE) as replacer:
        assert replacer.stdout is not None
        replacer.stdout.readline()
        while replacer.poll() is None:
            cache.sound(entry, nothing)
    assert replacer.returncode == 0
    assert cache.sound(entry, nothing)
