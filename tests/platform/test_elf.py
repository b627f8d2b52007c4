"""What a program needs beside it, read out of the file and never by running it."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scxlife.platform.vm import elf

cc = shutil.which("cc")
needs_cc = pytest.mark.skipif(cc is None, reason="no C compiler")
Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Compiles a program, or a library when the name ends in .so."""

    def compile(name: str, *options: str) -> Path:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        library = name.endswith(".so")
        source = tmp_path / "source.c"
        symbol = target.stem.removeprefix("lib")
        source.write_text(f"int {symbol}(void) {{ return 1; }}" if library else "int main(void) { return 0; }")
        shared = ("-shared", "-fPIC", f"-Wl,-soname,{target.name}") if library else ()
        assert cc is not None
        flags = (*shared, "-Wl,--no-as-needed", "-o", str(target), str(source), *options)
        subprocess.run([cc, *flags], check=True, capture_output=True)
        return target

    return compile


def guests(placed: tuple[elf.Placed, ...]) -> dict[str, Path]:
    return {each.guest: each.host for each in placed}


@needs_cc
def test_a_program_brings_its_loader_and_the_libraries_of_its_libraries(build: Build, tmp_path: Path) -> None:
    inner = build("libinner.so")
    outer = build("libouter.so", str(inner), f"-Wl,--enable-new-dtags,-rpath,{tmp_path}")
    program = build("program", str(outer), f"-Wl,--enable-new-dtags,-rpath,{tmp_path}", f"-Wl,-rpath-link,{tmp_path}")
    placed = guests(elf.closure(program, "/scheduler"))
    assert placed["/scheduler"] == program
    assert placed[f"{tmp_path}/libouter.so"] == outer
    assert placed[f"{tmp_path}/libinner.so"] == inner
    assert "/lib/libc.so.6" in placed
    assert any("ld-linux" in guest for guest in placed)


@needs_cc
def test_origin_means_the_programs_place_in_the_guest(build: Build, tmp_path: Path) -> None:
    library = build("app/lib/libown.so")
    program = build("app/bin/program", str(library), "-Wl,--enable-new-dtags,-rpath,$ORIGIN/../lib")
    placed = guests(elf.closure(program, "/opt/x/bin/program"))
    assert placed["/opt/x/lib/libown.so"].samefile(library)


@needs_cc
def test_an_rpath_serves_the_libraries_below_and_a_runpath_does_not(build: Build, tmp_path: Path) -> None:
    inner = build("libinner.so")
    outer = build("libouter.so", str(inner))
    old = build("old", str(outer), f"-Wl,--disable-new-dtags,-rpath,{tmp_path}")
    assert f"{tmp_path}/libinner.so" in guests(elf.closure(old, "/old"))
    new = build("new", str(outer), f"-Wl,--enable-new-dtags,-rpath,{tmp_path}", f"-Wl,-rpath-link,{tmp_path}")
    with pytest.raises(elf.MissingLibraryError) as caught:
        elf.closure(new, "/new")
    assert caught.value.library == "libinner.so"
    assert caught.value.needed_by == outer


@needs_cc
def test_a_missing_library_is_named_with_who_needs_it(build: Build) -> None:
    library = build("libgone.so")
    program = build("program", str(library))
    library.unlink()
    with pytest.raises(elf.MissingLibraryError, match=r"program needs libgone\.so"):
        elf.closure(program, "/program")


def test_a_program_for_another_processor_is_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    data = bytearray(Path(sys.executable).resolve().read_bytes())
    struct.pack_into("<H", data, 18, 22)  # e_machine: EM_S390
    foreign.write_bytes(data)
    with pytest.raises(elf.ForeignArchitectureError, match="EM_S390"):
        elf.closure(foreign, "/foreign")


def test_a_damaged_program_is_an_error_of_ours(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"\x7fELF\x02\x01\x01")
    with pytest.raises(elf.ElfError, match="damaged"):
        elf.closure(damaged, "/damaged")


def test_a_script_brings_its_interpreter(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh -e\necho\n")
    placed = guests(elf.closure(script, "/payload"))
    assert placed["/payload"] == script
    assert "/bin/sh" in placed
    assert list(guests(elf.closure(script, "/payload", provided={"/bin/sh"}))) == ["/payload"]


def test_a_script_through_env_brings_the_program_that_env_finds(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env -S sh -e\n")
    assert {"/bin/env", "/bin/sh"} <= set(guests(elf.closure(script, "/payload")))


@pytest.mark.parametrize("line", ["#!/nonexistent/interpreter\n", "#!\n", "#!/usr/bin/env no-such-program\n"])
def test_a_script_that_can_not_start_is_refused(tmp_path: Path, line: str) -> None:
    script = tmp_path / "script"
    script.write_text(line)
    with pytest.raises(elf.ElfError):
        elf.closure(script, "/payload")


def test_a_file_of_data_stands_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_bytes(b"\0\1\2")
    assert elf.closure(data, "/data") == (elf.Placed(data, "/data"),)


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("/usr/bin/env", "/bin/env"),
        ("/lib64/ld.so", "/lib/ld.so"),
        ("/usr/lib/../bin/x", "/bin/x"),
        ("/opt/a", "/opt/a"),
    ],
)
def test_the_guest_has_one_name_for_each_file(path: str, inside: str) -> None:
    assert elf.in_guest(path) == inside


@needs_cc
def test_a_program_without_what_no_loader_reads_still_runs(build: Build, tmp_path: Path) -> None:
    program = build("program", "-g")
    small = tmp_path / "small"
    small.write_bytes(elf.loaded_part(program.read_bytes()))
    small.chmod(0o755)
    assert small.stat().st_size < program.stat().st_size
    assert subprocess.run([small]).returncode == 0


def test_what_is_no_elf_file_of_this_kind_is_left_alone() -> None:
    assert elf.loaded_part(b"#!/bin/sh") == b"#!/bin/sh"
