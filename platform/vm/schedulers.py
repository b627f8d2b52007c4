"""The kernel's own example schedulers (tools/sched_ext), built from Debian's kernel source and kept in the cache.

    sources/<version>/     linux/ (the parts of the tree that the build reads, never written to), vmlinux.h
    toolkits/<version>/    bpftool, libbpf.a and include/: what else a scheduler of one's own is built with
    schedulers/<version>/  the executables
    logs/                  what make said

``<version>`` is the version of the package linux-source-N.M, such as ``7.2.13-1``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import attrs

from scxlife.platform.vm import cache, children, packages
from scxlife.platform.vm.cache import ArtifactError, Damaged, NotInstalled
from scxlife.platform.vm.packages import version_key
from scxlife.platform.vm.progress import Progress

_BUILD = "scxlife schedulers build"
_OLDEST_CLANG = 17
_SOURCE_PARTS = ("tools", "scripts", "kernel/bpf", "include", "lib", "arch/x86/include", "arch/x86/lib")
_UNPACK_S = 600.0
_MAKE_S = 1800.0
_LOG_TAIL_LINES = 15


class ToolMissing(ArtifactError):
    """A program that the build needs is not on PATH."""


class BuildFailed(ArtifactError):
    """make failed. The message ends with its last lines, ``log`` holds all of them."""

    def __init__(self, message: str, hint: str, log: Path) -> None:
        super().__init__(message, hint)
        self.log = log


@attrs.frozen
class SchedulerSet:
    """The schedulers that were built from one kernel source."""

    #: Version of the package linux-source-N.M.
    version: str
    directory: Path
    #: SHA-256 of each executable.
    sha256: Mapping[str, str]
    suite: str
    clang: int
    #: UTC, ISO 8601.
    built_at: str

    @property
    def names(self) -> list[str]:
        return sorted(self.sha256)

    def path(self, name: str) -> Path:
        return self.directory / name


@attrs.frozen
class Toolkit:
    """What a scheduler of one's own is built with, all from one kernel source.

    clang -target bpf with ``include`` and the include directories of ``linux``; ``bpftool gen skeleton``; then clang
    with ``libbpf`` and -lelf -lz. The exact flags are in ``linux``/tools/sched_ext/Makefile.
    """

    version: str
    bpftool: Path
    libbpf: Path
    #: Holds bpf/*.h and vmlinux.h.
    include: Path
    #: The source tree. Not to be written to: it is shared.
    linux: Path
    #: The clang that built the rest: ``clang-<N>``.
    clang: int


def build(progress: Progress, *, jobs: int | None = None, suite: str = "sid", force: bool = False) -> SchedulerSet:
    """The schedulers of the newest kernel source of ``suite``. A set that is here already is taken, unless ``force``.

    Raises ArtifactError of one kind or another, BuildFailed for make.
    """
    if not force and (present := _intact(_newest_of(suite), progress)):
        return present
    if (architecture := packages.architecture()) != "amd64":
        raise ToolMissing(f"schedulers can't be built on {architecture} yet", "build them on an amd64 machine")
    clang = _newest_clang(os.environ.get("PATH", os.defpath))
    source = _source(progress, suite, refresh=force)
    entry = _root("schedulers") / source.name
    with cache.locked(entry, progress.say) as waited:
        present = _set(entry, cache.read_manifest(entry) or {})
        if (waited or not force) and (present := _intact(present, progress)):
            return present
        toolkit = _root("toolkits") / source.name
        with cache.locked(toolkit, progress.say), cache.publish(entry) as draft:
            with cache.publish(toolkit) as tools:
                _build_all(progress, source, draft, tools, clang, jobs or os.cpu_count() or 1)
                tools.manifest.update(version=source.name, clang=clang)
            draft.manifest.update(version=source.name, suite=suite, clang=clang, built_at=_now())
    built = _set(entry, cache.read_manifest(entry) or {})
    assert built is not None
    return built


def installed() -> list[SchedulerSet]:
    """The sets of the cache, newest first. One that is incomplete is not among them. Raises CacheError."""
    found = [one for entry, manifest in cache.entries(_root("schedulers")) if (one := _set(entry, manifest))]
    return sorted(found, key=lambda one: version_key(one.version), reverse=True)


def find(name: str) -> Path:
    """The executable ``name`` of the newest set, which is what its manifest says.

    Raises NotInstalled, with a suggestion for a name that is mistyped; Damaged, CacheError.
    """
    sets = installed()
    if not sets:
        raise NotInstalled(f"no scheduler is here yet{cache.unsound(_root('schedulers'))}", f"run: {_BUILD}")
    newest = sets[0]
    if name in newest.sha256:
        verify(newest, name)
        return newest.path(name)
    import difflib

    close = difflib.get_close_matches(name, [*newest.names, *(n.removeprefix("scx_") for n in newest.names)], n=1)
    there = f"there is {', '.join(newest.names)}"
    if not close:
        raise NotInstalled(f"there is no scheduler {name}", there)
    meant = close[0] if close[0].startswith("scx_") else f"scx_{close[0]}"
    raise NotInstalled(f"there is no scheduler {name}; did you mean {meant}?", there)


def toolkit() -> Toolkit:
    """The newest toolkit whose source is here as well. Raises NotInstalled."""
    found = sorted(cache.entries(_root("toolkits")), key=lambda pair: version_key(pair[0].name), reverse=True)
    for entry, manifest in found:
        source, clang = _root("sources") / entry.name, manifest.get("clang")
        if cache.read_manifest(source) is not None and isinstance(clang, int) and cache.sound(entry, _to_stderr):
            return Toolkit(
                version=entry.name,
                bpftool=entry / "bpftool",
                libbpf=entry / "libbpf.a",
                include=entry / "include",
                linux=source / "linux",
                clang=clang,
            )
    raise NotInstalled("there is nothing yet to build schedulers with", f"run: {_BUILD}")


def _source(progress: Progress, suite: str, *, refresh: bool) -> Path:
    """The entry with the newest source of ``suite``, fetched if it is not here."""
    if not refresh and (present := _newest_source_of(suite)) and cache.sound(present, progress.say):
        return present
    with packages.open_suite(suite, progress) as lists:
        if not refresh and (present := _newest_source_of(suite)) and cache.sound(present, progress.say):
            return present
        lists.update(progress)
        # The series of the suite's kernel: a suite can hold the source of a newer one that nothing boots yet.
        image = lists.package(f"linux-image-{packages.architecture()}")
        series = re.escape(".".join(image.version.split(".")[:2]))
        pattern = rf"linux-source-{series}" if lists.names(rf"linux-source-{series}") else r"linux-source-[0-9.]+"
        package = lists.newest(pattern)
        headers = lists.package("linux-bpf-dev")
        entry = _root("sources") / package.version
        with cache.locked(entry, progress.say):
            # A package version never changes its content.
            if cache.sound(entry, progress.say):
                return entry
            with cache.publish(entry) as draft:
                deb = lists.download(headers, draft.path, progress)
                _extract_vmlinux_h(deb, draft.path / "vmlinux.h")
                deb.unlink()
                deb = lists.download(package, draft.path, progress)
                tarball = draft.path / "linux.tar.xz"
                with progress.step(f"taking the sources out of {deb.name}"):
                    packages.extract(deb, [(f"usr/src/{package.name}.tar.xz", tarball)])
                deb.unlink()
                _unpack(progress, tarball, package.name, draft.path / "linux")
                tarball.unlink()
                draft.manifest.update(
                    version=package.version,
                    package=package.name,
                    sha256=package.sha256,
                    headers=f"{headers.name} {headers.version}",
                    suite=suite,
                    fetched_at=_now(),
                )
    return entry


def _extract_vmlinux_h(deb: Path, target: Path) -> None:
    paths = packages.files(deb)
    inside = next((path for path in paths if path.endswith("/vmlinux.h")), "vmlinux.h")
    packages.extract(deb, [(inside, target)])


def _unpack(progress: Progress, tarball: Path, top: str, into: Path) -> None:
    into.mkdir()
    size = tarball.stat().st_size
    said: list[str] = []
    parts = [f"{top}/{part}" for part in _SOURCE_PARTS]
    with tarball.open("rb") as file, progress.step(f"unpacking the parts of {top} that the build needs") as step:
        descriptor = file.fileno()

        def tick() -> None:
            # tar reads through the same open file, so its position is ours.
            step.fraction(os.lseek(descriptor, 0, os.SEEK_CUR) / size)

        options = ["--xz", "--no-same-owner", "--strip-components=1", "--directory", str(into)]
        code = children.run(
            ["tar", "--extract", "--file=-", *options, "--", *parts],
            timeout=_UNPACK_S,
            out=said.append,
            tick=tick,
            stdin=descriptor,
        )
    if code != 0:
        raise ArtifactError(
            "\n  ".join([f"tar failed with status {code}", *said[-_LOG_TAIL_LINES:]]),
            "see that there is room on the disk and that xz-utils is installed",
        )


def _build_all(progress: Progress, source: Path, draft: cache.Draft, tools: cache.Draft, clang: int, jobs: int) -> None:
    work = draft.path / "work"
    work.mkdir()
    _make(progress, source, work, clang, jobs)
    built = work / "build"
    digests = {}
    for program in sorted((built / "bin").iterdir()):
        shutil.copy2(program, draft.path / program.name)
        with program.open("rb") as file:
            digests[program.name] = hashlib.file_digest(file, "sha256").hexdigest()
    draft.manifest["schedulers"] = digests
    shutil.copy2(built / "sbin" / "bpftool", tools.path / "bpftool")
    shutil.copy2(built / "obj" / "libbpf" / "libbpf.a", tools.path / "libbpf.a")
    shutil.copytree(built / "include", tools.path / "include", ignore=shutil.ignore_patterns("scx_*"))
    shutil.rmtree(work)


def _make(progress: Progress, source: Path, work: Path, clang: int, jobs: int) -> None:
    tree = source / "linux" / "tools" / "sched_ext"
    header = source / "vmlinux.h"
    argv = [
        "make",
        f"--jobs={jobs}",
        f"--directory={tree}",
        f"O={work}",
        f"LLVM=-{clang}",
        f"VMLINUX_H={header}",
        # The Makefile wants a file of this name to exist and reads it only to generate vmlinux.h, which it is given.
        # So the host's own BTF plays no part, and need not exist.
        f"VMLINUX_BTF={header}",
    ]
    wanted = _targets(tree / "Makefile")
    linked: set[str] = set()
    tail: list[str] = []
    log = cache.prepare(_root("logs")) / f"schedulers-{source.name}.log"
    with cache.create(log) as file, progress.step("building schedulers") as step:

        def line(text: str) -> None:
            file.write(f"{text}\n")
            tail.append(text)
            del tail[:-_LOG_TAIL_LINES]
            program = re.search(r" -o \S+/bin/(\S+)", text)
            if program:
                linked.add(program[1])
            if path := re.search(r"(?:^  [A-Z-]+ +| -o )(\S+)", text):
                step.count(len(linked), wanted, Path(path[1]).name)

        # CFLAGS, ARCH, O or MAKEFLAGS of whoever calls must not decide what is built.
        env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
        try:
            code = children.run(argv, timeout=_MAKE_S, out=line, tick=step.tick, env={**env, "LC_ALL": "C.UTF-8"})
        except children.Overdue as error:
            raise BuildFailed(str(error), f"the whole log: {log}", log) from error
    if code != 0:
        raise BuildFailed(
            "\n  ".join([f"make failed with status {code}", *tail]),
            f"the whole log: {log}; what the build needs: {_install_line(clang)}",
            log,
        )


def _targets(makefile: Path) -> int:
    """How many schedulers the Makefile names."""
    found = re.search(r"^c-sched-targets\s*=(.*)$", makefile.read_text(encoding="utf-8"), re.MULTILINE)
    return len(found[1].split()) if found else 0


def _newest_clang(path: str) -> int:
    """The highest N for which ``path`` has a whole LLVM toolchain of programs called ``*-N``. Raises ToolMissing."""
    for tool in ("make", "tar", "xz"):
        if shutil.which(tool, path=path) is None:
            raise ToolMissing(f"there is no {tool} here", f"run: {_install_line(19)}")
    compilers = (program.name for directory in path.split(":") for program in Path(directory).glob("clang-*"))
    suffixes = (name.removeprefix("clang-") for name in compilers)
    numbers = {int(suffix) for suffix in suffixes if suffix.isdecimal()}
    for number in sorted(numbers, reverse=True):
        programs = [f"{part}-{number}" for part in ("clang", "ld.lld", "llvm-ar", "llvm-strip")]
        if number >= _OLDEST_CLANG and all(shutil.which(program, path=path) for program in programs):
            return number
    raise ToolMissing(
        f"there is no clang with its LLVM programs, version {_OLDEST_CLANG} or newer, here",
        f"run: {_install_line(19)}",
    )


def _install_line(clang: int) -> str:
    return (
        f"apt-get install make xz-utils pkg-config clang-{clang} llvm-{clang} lld-{clang} "
        "libelf-dev zlib1g-dev libssl-dev libcap-dev"
    )


def _root(kind: str) -> Path:
    return cache.cache_root() / kind


def _newest_of(suite: str) -> SchedulerSet | None:
    return next((one for one in installed() if one.suite == suite), None)


def _newest_source_of(suite: str) -> Path | None:
    found = [e for e, manifest in cache.entries(_root("sources")) if manifest.get("suite") == suite]
    return max(found, key=lambda entry: version_key(entry.name), default=None)


def _set(entry: Path, manifest: Mapping[str, object]) -> SchedulerSet | None:
    """The set of ``entry``; None if its manifest makes no sense, or one of its programs can't be executed."""
    texts, clang = cache.text_of(manifest, "suite", "built_at"), manifest.get("clang")
    digests = cache.digests_of(manifest.get("schedulers"))
    if texts is None or digests is None or not isinstance(clang, int):
        return None
    if not all(os.access(entry / name, os.X_OK, follow_symlinks=False) for name in digests):
        return None
    return SchedulerSet(entry.name, entry, digests, texts[0], clang, texts[1])


def verify(one: SchedulerSet, *names: str) -> None:
    """Compare these programs of the set with its manifest. Raises Damaged, CacheError."""

    def wanted(manifest: Mapping[str, object]) -> Mapping[str, str] | None:
        digests = cache.digests_of(manifest.get("schedulers")) or {}
        return {name: digests[name] for name in names} if digests.keys() >= set(names) else None

    try:
        cache.verify(one.directory, wanted)
    except Damaged as damage:
        raise Damaged(str(damage), f"run: {_BUILD}") from None


def _intact(one: SchedulerSet | None, progress: Progress) -> SchedulerSet | None:
    """``one`` if its programs are what its manifest says; else None, and ``progress`` is told."""
    try:
        if one is not None:
            verify(one, *one.names)
        return one
    except Damaged as damage:
        progress.say(f"{damage}; it is made again")
        return None


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr)


def _now() -> str:
    return cache.now()
