"""Kernels are built by real make and taken through real apt, from a tree of a few lines; Debian's is for the guests."""

from __future__ import annotations

import argparse
import io
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.platform.kernel_mirror import MAKEFILE, needs_tools, offer

from scxlife.lifecycle.commands import kernel as command
from scxlife.platform.vm import cache, kernel_build, kernel_config, kernels, packages
from scxlife.platform.vm.kernel_make import BuildFailed
from scxlife.platform.vm.progress import PlainLines

if TYPE_CHECKING:
    from conftest import Repository


def build(version: str = "6.12", **how: object) -> tuple[kernels.Kernel, str]:
    """The kernel and what was said."""
    stream = io.StringIO()
    progress = PlainLines(stream)
    progress.interval = 0.0
    return kernel_build.build(progress, version, **how), stream.getvalue()  # type: ignore[arg-type]


def digest() -> str:
    return kernel_config.digest(kernel_config.shipped())


@needs_tools
def test_a_kernel_is_built_and_found_like_one_that_was_fetched(
    mirror: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-of-the-caller")
    kernel, said = build()
    assert kernel.version == f"6.12.117-1-scxlife-{digest()}"
    assert kernels.installed() == [kernel]
    assert kernels.find("6.12") == kernel
    assert (kernel.package, kernel.package_version) == ("linux-source-6.12", "6.12.117-1")
    # What the stand-in was given: the version's tail, and a pahole that runs by its own loader.
    assert kernel.vmlinuz.read_text() == f"bzImage -1-scxlife-{digest()} by loaded pahole CFLAGS=\n"
    config = kernel_config.options((kernel.vmlinuz.parent / "config").read_text())
    assert config["CONFIG_SCHED_CLASS_EXT"] == "y"
    assert "1 of 1580 (one.o)" in said
    assert "2 of 1580 (two.o)" in said


@needs_tools
def test_options_that_the_source_does_not_know_are_told(mirror: Repository) -> None:
    _, said = build()
    assert "in this source, these options did not take: CONFIG_X86_X2APIC\n" in said


@needs_tools
def test_a_kernel_that_is_here_is_taken_without_asking_the_mirror(mirror: Repository) -> None:
    first, _ = build()
    shutil.rmtree(mirror.root)
    assert build() == (first, "")
    assert build("6.12.117") == (first, "")
    assert build(suite="trixie") == (first, "")
    # The objects of a finished build are of no more use.
    assert list((cache.cache_root() / "kernel-objects").iterdir()) == []


@needs_tools
def test_force_asks_for_newer_source_and_both_kernels_stay(mirror: Repository) -> None:
    old, _ = build()
    offer(mirror, "6.12.118-1")
    assert build()[0] == old
    new, _ = build(force=True)
    assert new.version == f"6.12.118-1-scxlife-{digest()}"
    assert kernels.installed() == [new, old]


@needs_tools
def test_a_built_kernel_is_not_taken_for_the_one_that_the_suite_ships(mirror: Repository) -> None:
    build()
    with pytest.raises(packages.PackageNotFound, match="trixie has no package linux-image-amd64"):
        kernels.fetch(PlainLines(io.StringIO()), suite="trixie")


@needs_tools
def test_a_source_without_sched_ext_is_refused_before_it_is_compiled(mirror: Repository) -> None:
    offer(mirror, "6.12.118-1", MAKEFILE.replace("CONFIG_X86_X2APIC", "CONFIG_SCHED_CLASS_EXT"))
    with pytest.raises(BuildFailed, match="it refused CONFIG_SCHED_CLASS_EXT") as raised:
        build()
    assert raised.value.hint.startswith("sched_ext is in Linux since 6.12")
    assert "one.o" not in raised.value.log.read_text()


@needs_tools
def test_a_failed_build_ends_with_makes_last_words_and_leaves_no_kernel(mirror: Repository) -> None:
    broken = MAKEFILE.replace(
        "\t@echo '  CC      two.o'; touch $@", "\t@echo 'two.c:1: error: no such thing' >&2; exit 1"
    )
    offer(mirror, "6.12.118-1", broken)
    with pytest.raises(BuildFailed, match=r"make failed with status 2\n(.*\n)*.*two.c:1: error") as raised:
        build()
    assert "two.c:1: error" in raised.value.log.read_text()
    assert kernels.installed() == []


SCRIPT = """\
import signal, sys
from scxlife.lifecycle.cli import main
# Who started the tests may have had it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main(["kernel", "build", "6.12"]))
"""


@needs_tools
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_build_goes_on_where_it_was_without_the_mirror(
    mirror: Repository, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    # The stand-in tells its process id through the pipe, so that it is known to be in the middle.
    os.mkfifo(tmp_path / "hold")
    command = subprocess.Popen([sys.executable, "-c", SCRIPT], stderr=subprocess.PIPE, text=True)
    compiler = os.pidfd_open(int((tmp_path / "hold").read_text()))
    try:
        command.send_signal(number)
        _, said = command.communicate(timeout=60)
        assert command.returncode == status, said
        assert "Traceback" not in said
        # A pidfd is readable once its process has ended.
        assert select.select([compiler], [], [], 30)[0]
    finally:
        os.close(compiler)
    assert kernels.installed() == []

    (tmp_path / "hold").unlink()
    shutil.rmtree(mirror.root)
    kernel, said = build()
    assert f"going on with the interrupted build of {kernel.version}\n" in said
    log = (cache.cache_root() / "logs" / f"kernel-{kernel.version}.log").read_text()
    assert "one.o" not in log
    assert "two.o" in log


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser(prog="scxlife kernel")
    command.add_arguments(parser)
    return command.run(parser.parse_args(argv))


@needs_tools
def test_the_list_says_which_kernel_was_built(mirror: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    kernel, _ = build()
    assert run("list") == 0
    assert capsys.readouterr().out.startswith(f"{kernel.version}  trixie  0.0 MB  built 20")
    assert run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["vmlinuz"] == str(kernel.vmlinuz)


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_jobs_that_makes_no_sense_exits_2(jobs: str) -> None:
    with pytest.raises(SystemExit) as raised:
        run("build", "6.12", f"--jobs={jobs}")
    assert raised.value.code == 2
