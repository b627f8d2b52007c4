"""Builds the fixture scheduler from this directory, into the cache; prints where it is. And `detach` beside it.

    scxlife vm run --scheduler "$(python tests/schedulers/build.py)" --sched-args '--error-after 500'

What it is built with is what `scxlife schedulers build` left behind. The entry is named after the sources, this file,
the kernel source and the compiler, so what is there already needs no look inside.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from scxlife.platform.vm import cache, schedulers
from scxlife.platform.vm.schedulers import Toolkit

HERE = Path(__file__).parent
SOURCES = (HERE / "fault.bpf.c", HERE / "fault.c", HERE / "detach.c")
PROGRAM = "scx_fault"
DETACH = "detach"
_TIMEOUT_S = 120.0


class CompileError(Exception):
    """A step of the build failed. The message is the command and what it said."""


def fault_scheduler() -> Path:
    """The executable, built when the cache has no such one yet. Raises CompileError, CacheError, NotInstalled."""
    toolkit = schedulers.toolkit()
    entry = cache.cache_root() / "fixtures" / _key(toolkit)
    if not cache.sound(entry, say):
        with cache.locked(entry, say):
            if not cache.sound(entry, say):
                with cache.publish(entry) as draft:
                    _build(toolkit, draft.path)
                    draft.manifest.update(toolkit=toolkit.version, clang=toolkit.clang)
    return entry / PROGRAM


def say(text: str) -> None:
    print(text, file=sys.stderr)


def detach() -> Path:
    """The program that detaches every struct_ops link from outside. Raises as `fault_scheduler` does."""
    return fault_scheduler().with_name(DETACH)


def _key(toolkit: Toolkit) -> str:
    digest = hashlib.sha256()
    for source in (*SOURCES, Path(__file__)):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    digest.update(toolkit.version.encode())
    digest.update(_run([f"clang-{toolkit.clang}", "--version"]))
    return digest.hexdigest()[:32]


def _build(toolkit: Toolkit, into: Path) -> None:
    clang = f"clang-{toolkit.clang}"
    tools = toolkit.linux / "tools"
    bpf, linked, skeleton = into / "fault.bpf.o", into / "fault.linked.o", into / "fault.bpf.skel.h"
    headers = [f"-I{tools}/sched_ext/include", f"-I{toolkit.include}", f"-I{tools}/include/uapi"]
    # -target bpf knows no architecture, and asks for the headers of a 32-bit C library: bpf-compat has a stub.
    target = ["-target", "bpf", "-mcpu=v3", "-mlittle-endian", "-D__TARGET_ARCH_x86", "-fms-extensions"]
    compat = [f"-I{tools}/sched_ext/include/bpf-compat", "-idirafter", "/usr/include/x86_64-linux-gnu"]
    # What the headers of that tree do not keep to themselves.
    quiet = ["-Wno-compare-distinct-pointer-types", "-Wno-microsoft-anon-tag"]
    warnings = ["-Wall", "-Werror"]
    _run([clang, "-g", "-O2", *target, *warnings, *quiet, *headers, *compat, "-c", SOURCES[0].name, "-o", bpf])
    _run([toolkit.bpftool, "gen", "object", linked, bpf])
    skeleton.write_bytes(_run([toolkit.bpftool, "gen", "skeleton", linked, "name", "fault"]))
    libraries: list[str | Path] = [toolkit.libbpf, "-lelf", "-lz"]
    for source, program in zip(SOURCES[1:], (PROGRAM, DETACH), strict=True):
        _run([clang, "-g", "-O2", *warnings, f"-I{into}", *headers, source.name, *libraries, "-o", into / program])


def _run(argv: Sequence[str | Path]) -> bytes:
    """What the command printed. It runs here, so that messages name the sources without their directory."""
    try:
        return subprocess.run(argv, capture_output=True, check=True, timeout=_TIMEOUT_S, cwd=HERE).stdout
    except FileNotFoundError as error:
        raise CompileError(f"there is no {argv[0]} here: run scxlife schedulers build") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", "replace")
        raise CompileError(f"{' '.join(map(str, argv))}\n{said}") from error


if __name__ == "__main__":
    try:
        print(fault_scheduler())
    except cache.ArtifactError as failure:
        raise SystemExit(f"{failure}; {failure.hint}") from failure
    except CompileError as failure:
        raise SystemExit(str(failure)) from failure
