"""Schedulers are built by real make, from a tree of a few lines here and from Debian's in the guest tests."""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scxlife.lifecycle.commands import schedulers as command
from scxlife.platform.vm import cache, packages, schedulers
from scxlife.platform.vm.progress import PlainLines

pytestmark = pytest.mark.skipif(
    shutil.which("dpkg") is None or shutil.which("make") is None or packages.architecture() != "amd64",
    reason="needs make, and Debian on amd64",
)

# What tools/sched_ext/Makefile makes, where it makes it. A file `hold` beside the tree makes it stop in the middle.
MAKEFILE = """\
c-sched-targets = scx_one scx_two
B := $(O)/build
all: $(addprefix $(B)/bin/,$(c-sched-targets))
$(B)/sbin/bpftool:
\t@mkdir -p $(B)/bin $(B)/sbin $(B)/obj/libbpf $(B)/include/bpf
\t@touch $@ $(B)/obj/libbpf/libbpf.a $(B)/include/bpf/bpf.h $(B)/include/scx_one.bpf.skel.h
\t@cp $(VMLINUX_H) $(B)/include/vmlinux.h
\t@if test -e $(HOLD)/hold; then echo $$$$ > $(HOLD)/hold; exec sleep 600; fi
$(B)/bin/%: $(B)/sbin/bpftool
\t@echo 'clang$(LLVM) -o $@ main.o'
\t@printf '#!/bin/sh\\necho %s jobs$(LLVM) $(CFLAGS)\\n' $* > $@
\t@chmod 755 $@
"""

BROKEN = """\
c-sched-targets = scx_one
all:
\t@for n in `seq 100`; do echo "line $$n"; done
\t@echo 'main.c:1:1: error: no such thing' >&2; exit 1
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and a PATH on which an LLVM of a far future is found."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    programs = tmp_path / "programs"
    programs.mkdir()
    for part in ("clang", "ld.lld", "llvm-ar", "llvm-strip"):
        (programs / f"{part}-99").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path / "cache" / "scxlife"


def source(root: Path, makefile: str, version: str = "7.2.13-1") -> Path:
    """A source tree, as `build` keeps it once it was fetched."""
    entry = root / "sources" / version
    with cache.locked(entry, print), cache.publish(entry) as draft:
        tree = draft.path / "linux" / "tools" / "sched_ext"
        tree.mkdir(parents=True)
        (tree / "Makefile").write_text(f"HOLD := {root.parent}\n{makefile}")
        (draft.path / "vmlinux.h").write_text("/* types */")
        draft.manifest["suite"] = "sid"
    return entry


def put(root: Path, version: str, *names: str) -> None:
    entry = root / "schedulers" / version
    with cache.locked(entry, print), cache.publish(entry) as draft:
        for name in names:
            (draft.path / name).touch(mode=0o755)
        digest = hashlib.sha256().hexdigest()
        draft.manifest.update(schedulers=dict.fromkeys(names, digest), suite="sid", clang=19, built_at="")


def build(**options: int | bool) -> schedulers.SchedulerSet:
    return schedulers.build(PlainLines(io.StringIO()), **options)


def test_what_make_built_is_kept_and_the_rest_is_not(root: Path) -> None:
    source(root, MAKEFILE)
    built = build(jobs=2)
    assert (built.version, built.clang, built.names) == ("7.2.13-1", 99, ["scx_one", "scx_two"])
    assert sorted(path.name for path in built.directory.iterdir()) == ["manifest.json", "scx_one", "scx_two"]
    for name in built.names:
        assert built.sha256[name] == hashlib.sha256(built.path(name).read_bytes()).hexdigest()
    assert schedulers.installed() == [built]
    assert schedulers.find("scx_two") == built.path("scx_two")


def test_the_toolkit_is_kept_beside_it(root: Path) -> None:
    tree = source(root, MAKEFILE)
    with pytest.raises(cache.NotInstalled):
        schedulers.toolkit()
    build()
    kit = schedulers.toolkit()
    assert kit.linux == tree / "linux"
    assert kit.bpftool.is_file()
    assert kit.libbpf.is_file()
    assert (kit.include / "vmlinux.h").read_text() == "/* types */"
    assert (kit.include / "bpf" / "bpf.h").is_file()
    assert not (kit.include / "scx_one.bpf.skel.h").exists()


def test_the_shared_source_tree_is_not_written_to(root: Path) -> None:
    entry = source(root, MAKEFILE)
    before = sorted(entry.rglob("*"))
    build()
    assert sorted(entry.rglob("*")) == before


def test_the_callers_environment_does_not_decide_what_is_built(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CFLAGS", "O", "LLVM", "MAKEFLAGS", "ARCH"):
        monkeypatch.setenv(name, "--wrong")
    source(root, MAKEFILE)
    said = subprocess.run([build().path("scx_one")], capture_output=True, text=True, timeout=60).stdout
    assert said == "scx_one jobs-99\n"


def test_a_failed_build_ends_with_the_last_lines_of_make_and_keeps_them_all(root: Path) -> None:
    source(root, BROKEN)
    with pytest.raises(schedulers.BuildFailed, match="make failed with status 2") as raised:
        build()
    assert "main.c:1:1: error: no such thing" in str(raised.value)
    assert "line 100\n" in str(raised.value)
    assert "line 50\n" not in str(raised.value)
    assert "line 1\n" in raised.value.log.read_text()
    assert str(raised.value.log) in raised.value.hint
    assert "apt-get install" in raised.value.hint
    assert schedulers.installed() == []
    assert leftovers(root) == []


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.glob("*/.*.partial-*")]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_build_that_is_cut_short_leaves_nothing_that_is_trusted(
    root: Path, number: signal.Signals, status: int
) -> None:
    source(root, MAKEFILE)
    hold = root.parent / "hold"
    os.mkfifo(hold)
    script = "from scxlife.lifecycle.cli import main; raise SystemExit(main(['schedulers', 'build']))"
    child = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    compiler = os.pidfd_open(int(hold.read_text()))
    try:
        child.send_signal(number)
        _, said = child.communicate(timeout=60)
        assert child.returncode == status, said
        assert "Traceback" not in said
        assert select.select([compiler], [], [], 60)[0], "the compiler of the killed build lives on"
    finally:
        os.close(compiler)
    assert schedulers.installed() == []
    assert len(leftovers(root)) == (0 if number == signal.SIGINT else 2)

    hold.unlink()
    assert build().names == ["scx_one", "scx_two"]
    assert leftovers(root) == []


def test_the_second_of_two_builds_waits_and_finds_it_ready(root: Path) -> None:
    source(root, MAKEFILE)
    hold = root.parent / "hold"
    os.mkfifo(hold)
    script = "import sys; from scxlife.platform.vm import schedulers, progress; "
    script += "print(schedulers.build(progress.PlainLines(sys.stderr)).built_at)"

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    first = start()
    compiler = int(hold.read_text())
    second = start()
    assert second.stderr is not None
    assert second.stderr.readline() == "another process is busy with schedulers/7.2.13-1; waiting for it\n"
    # The recipe of the first one is over: it fails, and the second one builds.
    hold.unlink()
    os.kill(compiler, signal.SIGTERM)
    assert first.wait(60) != 0
    out, said = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert out.strip() == schedulers.installed()[0].built_at
    first.communicate()


def test_a_set_that_is_here_is_taken_as_it_is_and_a_broken_one_is_built_again(root: Path) -> None:
    source(root, MAKEFILE)
    first = build()
    shutil.rmtree(root / "sources")
    assert build() == first
    source(root, MAKEFILE)
    first.path("scx_one").unlink()
    assert schedulers.installed() == []
    assert build().path("scx_one").is_file()


def test_the_newest_set_is_the_one_that_is_searched(root: Path) -> None:
    put(root, "7.9.4-1", "scx_old")
    put(root, "7.10.1-1", "scx_new")
    assert [one.version for one in schedulers.installed()] == ["7.10.1-1", "7.9.4-1"]
    assert schedulers.find("scx_new").is_file()
    with pytest.raises(cache.NotInstalled):
        schedulers.find("scx_old")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scx_simpel", "there is no scheduler scx_simpel; did you mean scx_simple?"),
        ("simple", "there is no scheduler simple; did you mean scx_simple?"),
        ("../scx_simple", "there is no scheduler ../scx_simple; did you mean scx_simple?"),
        ("zzz", "there is no scheduler zzz"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_what_is(root: Path, name: str, message: str) -> None:
    put(root, "7.2.13-1", "scx_simple", "scx_qmap")
    with pytest.raises(cache.NotInstalled) as raised:
        schedulers.find(name)
    assert str(raised.value) == message
    assert raised.value.hint == "there is scx_qmap, scx_simple"


def test_an_empty_cache_says_how_to_fill_it(root: Path) -> None:
    with pytest.raises(cache.NotInstalled) as raised:
        schedulers.find("scx_simple")
    assert raised.value.hint == "run: scxlife schedulers build"


@pytest.mark.parametrize(
    "present",
    [
        [],
        ["clang", "clang-99x", "ld.lld-99x"],
        ["clang-16", "ld.lld-16", "llvm-ar-16", "llvm-strip-16"],
        ["clang-20", "ld.lld-20", "llvm-ar-20"],
    ],
)
def test_without_a_whole_llvm_the_command_that_installs_it_is_told(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: list[str]
) -> None:
    monkeypatch.setenv("PATH", str(programs(tmp_path / "only", present)))
    with pytest.raises(schedulers.ToolMissing, match="version 17 or newer") as raised:
        build()
    assert raised.value.hint.startswith("run: apt-get install make")


def test_the_newest_llvm_that_is_whole_is_taken(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [f"{part}-{number}" for part in ("clang", "ld.lld", "llvm-ar", "llvm-strip") for number in (9, 18, 19)]
    path = programs(tmp_path / "only", [*whole, "clang-20", "clang-cpp-21"])
    for name in ("mkdir", "touch", "cp", "test", "chmod", "printf", "echo"):
        (path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(path))
    source(root, MAKEFILE)
    assert build().clang == 19


def programs(directory: Path, names: list[str]) -> Path:
    directory.mkdir()
    for name in ("make", "tar", "xz", "dpkg", "setpriv", "sh"):
        (directory / name).symlink_to(str(shutil.which(name)))
    for name in names:
        (directory / name).symlink_to("/bin/true")
    return directory


@pytest.fixture
def run() -> Callable[..., int]:
    def run(*argv: str) -> int:
        parser = argparse.ArgumentParser(prog="scxlife schedulers")
        command.add_arguments(parser)
        return command.run(parser.parse_args(argv))

    return run


def test_L11_a_changed_scheduler_is_not_run_and_is_built_again(root: Path) -> None:
    source(root, MAKEFILE)
    built = build()
    built.path("scx_two").write_text(built.path("scx_two").read_text().replace("scx_two", "scx_bad"))
    assert schedulers.find("scx_one").is_file()
    with pytest.raises(cache.Damaged, match="is damaged: scx_two differs from its manifest") as raised:
        schedulers.find("scx_two")
    assert raised.value.hint == "run: scxlife schedulers build"
    build()
    assert "scx_two" in schedulers.find("scx_two").read_text()


@pytest.mark.parametrize("name", ["../../evil", "/bin/sh", "a/b", "", ".", "..", "a\x1b[m", ".hidden"])
def test_L11_a_scheduler_name_that_is_a_path_is_refused(root: Path, name: str) -> None:
    put(root, "7.2.13-1", "scx_simple")
    manifest = root / "schedulers" / "7.2.13-1" / "manifest.json"
    told = json.loads(manifest.read_text())
    told["schedulers"][name] = hashlib.sha256().hexdigest()
    manifest.write_text(json.dumps(told))
    assert schedulers.installed() == []
    with pytest.raises(cache.NotInstalled, match=r"damaged in .*/schedulers: '7\.2\.13-1'"):
        schedulers.find(name)


def test_the_list_as_json(root: Path, run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    put(root, "7.2.13-1", "scx_simple")
    assert run("list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["version"] == "7.2.13-1"
    assert row["schedulers"][0]["path"] == str(root / "schedulers" / "7.2.13-1" / "scx_simple")


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_jobs_that_makes_no_sense_exits_2(run: Callable[..., int], jobs: str) -> None:
    with pytest.raises(SystemExit) as raised:
        run("build", f"--jobs={jobs}")
    assert raised.value.code == 2


@pytest.mark.guest
def test_the_real_schedulers_are_built_from_debians_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = build()
    assert {"scx_simple", "scx_qmap", "scx_central", "scx_flatcg"} <= set(built.names)
    assert schedulers.find("scx_simple").read_bytes()[:4] == b"\x7fELF"
    version = subprocess.run([schedulers.toolkit().bpftool, "version"], capture_output=True, text=True, timeout=60)
    assert version.stdout.startswith("bpftool v")
