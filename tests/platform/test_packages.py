"""Packages come through real apt and dpkg, from a repository that the test makes: no network is touched."""

from __future__ import annotations

import hashlib
import itertools
import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scxlife.platform.vm import children, packages
from scxlife.platform.vm.packages import DownloadStatus, parse_package, parse_status, version_key
from scxlife.platform.vm.progress import PlainLines

if TYPE_CHECKING:
    from conftest import Repository

needs_apt = pytest.mark.skipif(not (shutil.which("apt-get") and shutil.which("dpkg-deb")), reason="needs apt and dpkg")
needs_dpkg = pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")


@needs_apt
def test_a_package_is_found_in_the_machines_own_mirror_fetched_and_unpacked(
    repository: Repository, tmp_path: Path
) -> None:
    repository.add("thing-7.9", "7.9-1", files={"usr/share/thing/a": b"old"})
    repository.add("thing-7.10", "7.10-1", depends="one (= 1), two | three", files={"usr/share/thing/a": b"new"})
    repository.make_known()
    progress = PlainLines(sys.stderr)
    with packages.open_suite("sid", progress) as suite:
        suite.update(progress)
        assert suite.names(r"thing-[0-9.]+") == ["thing-7.9", "thing-7.10"]
        newest = suite.newest(r"thing-[0-9.]+")
        assert (newest.name, newest.version, newest.depends) == ("thing-7.10", "7.10-1", ("one", "two"))
        deb = suite.download(newest, tmp_path, progress)
    assert hashlib.sha256(deb.read_bytes()).hexdigest() == newest.sha256
    packages.extract(deb, [("usr/share/thing/a", tmp_path / "a")])
    assert (tmp_path / "a").read_bytes() == b"new"


@needs_apt
def test_the_highest_version_of_a_package_is_the_one_that_is_taken(repository: Repository) -> None:
    for version in ("7.9-1", "7.10-1", "7.10~rc1-1"):
        repository.add("thing", version)
    repository.make_known()
    progress = PlainLines(sys.stderr)
    with packages.open_suite("sid", progress) as suite:
        suite.update(progress)
        assert suite.package("thing").version == "7.10-1"


@needs_apt
def test_a_package_that_is_not_there_is_named(repository: Repository) -> None:
    repository.add("thing", "1")
    repository.make_known()
    progress = PlainLines(sys.stderr)
    with packages.open_suite("sid", progress) as suite:
        suite.update(progress)
        with pytest.raises(packages.PackageNotFound, match="sid has no package other"):
            suite.package("other")
        with pytest.raises(packages.PackageNotFound, match=r"other-\[0-9\]"):
            suite.newest(r"other-[0-9]+")


@needs_apt
def test_a_suite_that_the_mirror_does_not_have_fails_with_apts_own_words(repository: Repository) -> None:
    repository.add("thing", "1")
    repository.make_known()
    progress = PlainLines(sys.stderr)
    with (
        packages.open_suite("experimental", progress) as suite,
        pytest.raises(packages.MirrorFailed, match="experimental") as raised,
    ):
        suite.update(progress)
    assert str(raised.value).startswith("apt-get failed with status 100\n  ")
    assert "\n  E: " in str(raised.value)
    assert "apt-get update" in raised.value.hint


@needs_apt
def test_a_package_that_was_changed_on_the_mirror_is_refused(repository: Repository, tmp_path: Path) -> None:
    deb = repository.add("thing", "1")
    repository.make_known()
    progress = PlainLines(sys.stderr)
    with packages.open_suite("sid", progress) as suite:
        suite.update(progress)
        package = suite.package("thing")
        deb.write_bytes(bytes(deb.stat().st_size))
        with pytest.raises(packages.MirrorFailed, match="Hash Sum mismatch"):
            suite.download(package, tmp_path, progress)


@needs_apt
def test_a_machine_without_a_mirror_is_told_what_to_do(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "host" / "sources.list").write_text("")
    with (
        pytest.raises(packages.NoMirror) as raised,
        packages.open_suite("sid", PlainLines(sys.stderr)),
    ):
        raise AssertionError("there is no mirror to open")
    assert "apt-get update" in raised.value.hint


def test_a_machine_without_apt_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(packages.NoApt, match="no apt-get here"),
        packages.open_suite("sid", PlainLines(sys.stderr)),
    ):
        raise AssertionError("there is no apt to open it with")


@pytest.mark.parametrize("name", ["", "../sid", "sid main", "-o", "SID", "sid\n"])
def test_a_name_that_can_not_be_a_suite_never_reaches_apt(name: str) -> None:
    with pytest.raises(packages.PackageError, match="no name of a Debian suite"):
        packages.open_suite(name, PlainLines(sys.stderr)).__enter__()


@needs_apt
def test_a_file_that_a_package_does_not_have_is_named(repository: Repository, tmp_path: Path) -> None:
    deb = repository.add("thing", "1", files={"usr/a": b"a", "usr/b": b"b"})
    assert sorted(packages.files(deb)) == ["usr/a", "usr/b"]
    with pytest.raises(packages.PackageNotFound, match="has no usr/c"):
        packages.extract(deb, [("usr/a", tmp_path / "a"), ("usr/c", tmp_path / "c")])


def test_a_damaged_package_is_no_traceback(tmp_path: Path) -> None:
    deb = tmp_path / "thing_1_amd64.deb"
    deb.write_bytes(b"!<arch>\nnot really")
    with pytest.raises(packages.PackageNotFound, match="damaged"):
        packages.extract(deb, [("usr/a", tmp_path / "a")])


def test_the_status_lines_of_apt_are_read() -> None:
    assert parse_status("dlstatus:3:14.7336:Retrieving file 3 of 3") == DownloadStatus(3, 0.147336)
    assert parse_status("dlstatus:1:100:done: all") == DownloadStatus(1, 1.0)
    for other in ("", "dlstatus:", "dlstatus:1:x:", "pmstatus:dpkg-exec:0.0000:Running dpkg", "Get:1 sid InRelease"):
        assert parse_status(other) is None


def test_the_first_stanza_of_a_package_is_read() -> None:
    stanza = (
        "Package: a\nVersion: 1:2-3\nDepends: b (= 1), c | d,\n e\nSize: 12\nSHA256: ff\n"
        "Description: x\n Size: 99\n\nPackage: z\nVersion: 0\n"
    )
    assert parse_package(stanza) == packages.Package("a", "1:2-3", 12, "ff", ("b", "c"))


def test_a_stanza_that_lacks_a_field_is_told() -> None:
    with pytest.raises(packages.PackageNotFound, match="'SHA256'"):
        parse_package("Package: a\nVersion: 1\nSize: 12\n")


def test_numbers_in_versions_sort_as_numbers() -> None:
    names = ["linux-source-7.10", "linux-source-7.9", "linux-source-6.12", "linux-source-10.0"]
    assert [name.rpartition("-")[2] for name in sorted(names, key=version_key)] == ["6.12", "7.9", "7.10", "10.0"]
    kernels = ["7.10.1+deb14-amd64", "7.9.13+deb14-amd64", "7.10~rc3+deb14-amd64", "7.10.1+deb14.1-amd64"]
    assert sorted(kernels, key=version_key) == [kernels[i] for i in (1, 2, 0, 3)]


# fmt: off
VERSIONS = [
    "0", "1", "1.0", "1.00", "01", "1.1", "1.9", "1.10", "1~", "1~~", "1~rc1", "1~rc1-1", "1-1",
    "1-1~bpo12+1", "1-1+b1", "1-2", "1-10", "1a", "1+", "1.a", "1.+", "1.~", "1:0", "1:0~", "2:0",
    "7.2.13-1", "7.2.13+deb14-1", "7.2~rc3-1~exp1", "7.10-1", "7.9-1", "1-0", "1.0-0", "1-1-1", "1-a",
    "1a1", "1a01", "1a~1", "0.", "0-0~",
]
# fmt: on


@needs_dpkg
def test_versions_sort_as_dpkg_sorts_them() -> None:
    for one, other in itertools.combinations(VERSIONS, 2):
        less = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], timeout=60).returncode == 0
        equal = subprocess.run(["dpkg", "--compare-versions", one, "eq", other], timeout=60).returncode == 0
        assert (version_key(one) < version_key(other), version_key(one) == version_key(other)) == (less, equal), (
            one,
            other,
        )


def test_a_program_that_does_not_end_is_stopped_with_its_children(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)
    try:
        # The grandchild holds the pipe open for as long as it lives.
        script = f"exec 3>{tmp_path / 'held'}; cat /dev/zero >/dev/null & echo begun; wait"
        with pytest.raises(children.Overdue):
            children.run(["sh", "-c", script], timeout=1.0, out=lambda line: None)
        readable, _, _ = select.select([reader], [], [], 60)
        assert readable
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def interrupt(line: str) -> None:
    raise KeyboardInterrupt


def test_an_exception_stops_the_program(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)

    try:
        script = f"exec 3>{tmp_path / 'held'}; echo begun; trap '' TERM; cat /dev/zero >/dev/null"
        with pytest.raises(KeyboardInterrupt):
            children.run(["sh", "-c", script], timeout=60.0, out=interrupt)
        readable, _, _ = select.select([reader], [], [], 60)  # what it had started dies in its own time
        assert readable
        assert os.read(reader, 1) == b""
    finally:
        os.close(reader)


def test_make_that_is_interrupted_removes_the_target_that_it_had_begun(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("half:\n\t@echo half > $@; echo begun; sleep 600\n")
    with pytest.raises(KeyboardInterrupt):
        children.run(["make", "half"], timeout=60.0, out=interrupt, cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_what_a_program_says_while_it_ends_does_not_hold_it_up(tmp_path: Path) -> None:
    # More than a pipe holds, before what it has to do.
    script = "trap 'head -c 1000000 /dev/zero; rm half; exit' TERM; echo > half; echo begun; sleep 600 & wait"
    with pytest.raises(KeyboardInterrupt):
        children.run(["sh", "-c", script], timeout=60.0, out=interrupt, cwd=tmp_path)
    assert not (tmp_path / "half").exists()


def test_output_is_told_line_by_line_with_a_last_line_that_has_no_end() -> None:
    out: list[str] = []
    err: list[str] = []
    argv = ["sh", "-c", "printf 'a\\nb'; printf 'c\\n' >&2; exit 3"]
    assert children.run(argv, timeout=60, out=out.append, err=err.append) == 3
    assert (out, err) == (["a", "b"], ["c"])


def test_the_status_descriptor_is_passed_by_number() -> None:
    status: list[str] = []
    argv = ["sh", "-c", f"echo dlstatus:1:50:x >/proc/self/fd/{children.STATUS_FD}"]
    assert children.run(argv, timeout=60, out=lambda line: None, status=status.append) == 0
    assert status == ["dlstatus:1:50:x"]
