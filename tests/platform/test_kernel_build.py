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
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scxlife.lifecycle.commands import kernel as command
from scxlife.platform.vm import cache, kernel_build, kernels, packages
from scxlife.platform.vm.progress import PlainLines

if TYPE_CHECKING:
    from conftest import Repository

TOOLS = ("apt-get", "dpkg-deb", "make", "gcc", "flex", "bison", "bc", "xz", "zstd")
needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)) or packages.architecture() != "amd64",
    reason="needs Debian on amd64 and a compiler",
)

# What a kernel's Makefile is asked for. Each object is one line, as kbuild writes it; as there, an object without its
# .cmd file is not finished. While a file `hold` lies beside the cache, the second object never is.
MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 12
SUBLEVEL = 117
EXTRAVERSION =
B := $(O)/arch/x86/boot
allnoconfig:
\t@echo '# CONFIG_MODULES is not set' > $(O)/.config
olddefconfig:
\t@sed -i 's/^CONFIG_X86_X2APIC=y$$/# & too/' $(O)/.config
bzImage: $(B)/bzImage
$(O)/one.o: $(O)/.config
\t@echo '  CC      one.o'; touch $@
$(O)/two.o: $(O)/one.o $(if $(wildcard $(O)/.two.o.cmd),,FORCE)
\t@echo '  CC      two.o'; touch $@
\t@if test -e HOLD/hold; then echo $$$$ > HOLD/hold; exec sleep 600; fi
\t@touch $(O)/.two.o.cmd
FORCE:
$(B)/bzImage: $(O)/two.o
\t@mkdir -p $(B); echo '  LD      vmlinux'
\t@echo "bzImage $(LOCALVERSION) by `$(PAHOLE) --version` CFLAGS=$(CFLAGS)" > $@
"""
MERGE = """\
#!/bin/sh
test "$1 $2" = "-m -O" && cat "$4" "$5" > "$3/merged" && mv "$3/merged" "$3/.config"
"""
# Runs as the loader of the unpacked pahole would: told where the libraries are, then the program.
LOADER = b'#!/bin/sh\ntest "$1" = --library-path && test -d "$2" && echo "loaded $(cat "$3")"\n'
LIB = "usr/lib/x86_64-linux-gnu"


def tarball(makefile: str, top: str = "linux-source-6.12") -> bytes:
    files = {"Makefile": (makefile, 0o644), "scripts/kconfig/merge_config.sh": (MERGE, 0o755)}
    files |= {"arch/arm/Kconfig": ("", 0o644), "arch/arm/mm/fault.c": ("", 0o644), "arch/x86/mm/fault.c": ("", 0o644)}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=0) as archive:
        for name, (text, mode) in files.items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.mode, member.size = mode, len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def offer(repository: Repository, version: str = "6.12.117-1", makefile: str = MAKEFILE) -> None:
    """The source on the mirror."""
    makefile = makefile.replace("HOLD", str(repository.root.parent))
    makefile = makefile.replace("SUBLEVEL = 117", f"SUBLEVEL = {version.split('.')[2].split('-')[0]}")
    files = {"usr/src/linux-source-6.12.tar.xz": tarball(makefile)}
    repository.add("linux-source-6.12", version, files=files)
    repository.make_known()
    repository.publish("trixie")


@pytest.fixture
def mirror(repository: Repository) -> Repository:
    """A mirror with a kernel source of a few lines, and a pahole that is a text."""
    repository.add("pahole", "1.30-1", files={"usr/bin/pahole": b"pahole"})
    loader = repository.build / "libc6_2.41-1" / LIB / "ld-linux-x86-64.so.2"
    loader.parent.mkdir(parents=True)
    loader.write_bytes(LOADER)
    loader.chmod(0o755)
    repository.add("libc6", "2.41-1")
    for name in ("libdw1t64", "libelf1t64", "libbpf1", "libzstd1", "zlib1g", "liblzma5", "libbz2-1.0"):
        repository.add(name, "1-1")
    offer(repository)
    return repository


def build(version: str = "6.12", **how: object) -> tuple[kernels.Kernel, str]:
    """The kernel and what was said."""
    stream = io.StringIO()
    progress = PlainLines(stream)
    progress.interval = 0.0
    return kernel_build.build(progress, version, **how), stream.getvalue()  # type: ignore[arg-type]


def digest() -> str:
    return kernel_build.config_digest(kernel_build.shipped_config())


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
    config = kernel_build.options((kernel.vmlinuz.parent / "config").read_text())
    assert config["CONFIG_SCHED_CLASS_EXT"] == "y"
    assert "1 of 1580 (one.o)" in said
    assert "2 of 1580 (two.o)" in said


@needs_tools
def test_options_that_the_source_does_not_know_are_told(mirror: Repository) -> None:
    _, said = build()
    assert "in this source, these options did not take: CONFIG_X86_X2APIC\n" in said


@needs_tools
def test_of_other_architectures_only_kconfig_is_unpacked(mirror: Repository) -> None:
    build()
    linux = cache.cache_root() / "kernel-sources" / "6.12.117-1" / "linux"
    assert (linux / "arch/x86/mm/fault.c").exists()
    assert (linux / "arch/arm/Kconfig").exists()
    assert not (linux / "arch/arm/mm/fault.c").exists()


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
@pytest.mark.parametrize(
    ("version", "suite", "message"),
    [
        ("6.12.9", None, "trixie has 6.12.117-1, not 6.12.9"),
        ("6.12.11", None, "trixie has 6.12.117-1, not 6.12.11"),
        ("6.13", "trixie", "there is no linux-source-6.13 in trixie"),
        ("6.13", None, "there is no linux-source-6.13 in trixie or sid"),
        ("newest", None, "'newest' is no kernel version"),
        ("6.12; true", None, "'6.12; true' is no kernel version"),
    ],
)
def test_a_version_that_cannot_be_had_is_told(
    mirror: Repository, version: str, suite: str | None, message: str
) -> None:
    with pytest.raises(packages.PackageNotFound, match=message):
        build(version, suite=suite)


@needs_tools
def test_a_source_without_sched_ext_is_refused_before_it_is_compiled(mirror: Repository) -> None:
    offer(mirror, "6.12.118-1", MAKEFILE.replace("CONFIG_X86_X2APIC", "CONFIG_SCHED_CLASS_EXT"))
    with pytest.raises(kernel_build.BuildFailed, match="it refused CONFIG_SCHED_CLASS_EXT") as raised:
        build()
    assert raised.value.hint.startswith("sched_ext is in Linux since 6.12")
    assert "one.o" not in raised.value.log.read_text()


@needs_tools
def test_a_failed_build_ends_with_makes_last_words_and_leaves_no_kernel(mirror: Repository) -> None:
    broken = MAKEFILE.replace(
        "\t@echo '  CC      two.o'; touch $@", "\t@echo 'two.c:1: error: no such thing' >&2; exit 1"
    )
    offer(mirror, "6.12.118-1", broken)
    with pytest.raises(kernel_build.BuildFailed, match=r"make failed with status 2\n(.*\n)*.*two.c:1: error") as raised:
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


def programs(directory: Path, *names: str) -> str:
    directory.mkdir()
    for name in names:
        (directory / name).symlink_to("/bin/true")
    return str(directory)


def test_all_that_is_missing_is_told_in_one_apt_get_line(tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", "make", "gcc", "ld", "tar", "xz", "zstd")
    with pytest.raises(kernel_build.ToolMissing, match=r"flex, bison, bc$") as raised:
        kernel_build.check_tools(path)
    assert raised.value.hint == "run: apt-get install flex bison bc"


def test_a_missing_header_is_told_by_its_package(tmp_path: Path) -> None:
    path = programs(tmp_path / "bin", "make", "ld", "flex", "bison", "bc", "tar", "xz", "zstd")
    compiler = tmp_path / "bin" / "gcc"
    compiler.write_text("#!/bin/sh\nread -r line\ntest \"$line\" != '#include <gelf.h>'\n")
    compiler.chmod(0o755)
    with pytest.raises(kernel_build.ToolMissing, match=r"what is not here: gelf\.h$") as raised:
        kernel_build.check_tools(path)
    assert raised.value.hint == "run: apt-get install libelf-dev"


def test_the_digest_changes_with_the_options_and_not_with_comments_or_order() -> None:
    one = kernel_build.config_digest("# why\nCONFIG_A=y\nCONFIG_B=16\n")
    assert kernel_build.config_digest("CONFIG_B=16\n\nCONFIG_A=y\n") == one
    assert kernel_build.config_digest("CONFIG_A=y\nCONFIG_B=17\n") != one
    # The two ways to say that an option is off.
    off = kernel_build.config_digest("CONFIG_A=n\n")
    assert kernel_build.config_digest("# CONFIG_A is not set\n") == off


def test_no_option_of_the_shipped_configuration_is_said_twice() -> None:
    lines = [line for line in kernel_build.shipped_config().splitlines() if line and not line.startswith("#")]
    assert len(lines) == len(kernel_build.options("\n".join(lines)))


def run(*argv: str) -> int:
    parser = argparse.ArgumentParser(prog="scxlife kernel")
    command.add_arguments(parser)
    return command.run(parser.parse_args(argv))


@needs_tools
def test_the_list_says_which_kernel_was_built(mirror: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    kernel, _ = build()
    assert run("list") == 0
    assert capsys.readouterr().out.startswith(f"{kernel.version}  trixie source  0.0 MB  built 20")
    assert run("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["vmlinuz"] == str(kernel.vmlinuz)


@pytest.mark.parametrize("jobs", ["0", "-1", "two", ""])
def test_a_number_of_jobs_that_makes_no_sense_exits_2(jobs: str) -> None:
    with pytest.raises(SystemExit) as raised:
        run("build", "6.12", f"--jobs={jobs}")
    assert raised.value.code == 2
