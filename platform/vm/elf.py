"""What a program needs beside it to start in a guest: its loader and its libraries, found without running anything.

``ldd`` runs the loader, and with some binaries the program itself; this reads the file. The search follows ld.so(8):
DT_RPATH of the object and of those that loaded it (unless it has a DT_RUNPATH), DT_RUNPATH of the object alone,
the directories of /etc/ld.so.conf, the loader's own directories. The environment (LD_LIBRARY_PATH) plays no part.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import struct
from collections import deque
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import attrs

from scxlife.platform.vm.remembered import Sources, recall, remember

_MAGIC = b"\x7fELF"
#: Bytes of a script's first line that the kernel looks at (BINPRM_BUF_SIZE, include/uapi/linux/binfmts.h).
_SHEBANG_LIMIT = 256
_MACHINES = {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64", "riscv64": "EM_RISCV", "s390x": "EM_S390"}
#: The guest has one directory for libraries and one for programs; the other names of each are links to it.
_MERGED = {
    "/usr/bin": "/bin",
    "/usr/sbin": "/bin",
    "/sbin": "/bin",
    "/usr/lib": "/lib",
    "/usr/lib64": "/lib",
    "/lib64": "/lib",
}


class ElfError(Exception):
    """A program can't be put into a guest. The message names the file and what is wrong with it."""


class MissingLibraryError(ElfError):
    """``needed_by`` asks for ``library``, and no directory that the loader would search has it."""

    def __init__(self, library: str, needed_by: Path, searched: list[Path]) -> None:
        where = ", ".join(str(directory) for directory in searched)
        super().__init__(f"{needed_by} needs {library}, which is in none of: {where}")
        self.library = library
        self.needed_by = needed_by


class ForeignArchitectureError(ElfError):
    """The file is for another processor than the guest's."""

    def __init__(self, file: Path, machine: str, expected: str) -> None:
        super().__init__(f"{file} is built for {machine}, the guest runs {expected}")
        self.file = file
        self.machine = machine


@attrs.frozen
class Placed:
    """A file of the host, and its absolute path in the guest."""

    host: Path
    guest: str


@attrs.frozen
class _Object:
    """What the loader reads of one ELF file."""

    file: Path
    guest: str
    interpreter: str | None
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    loader: _Object | None = None


def is_elf(file: Path) -> bool:
    """Whether ``file`` starts like an ELF file. Raises OSError when it can't be read."""
    with file.open("rb") as stream:
        return stream.read(len(_MAGIC)) == _MAGIC


def in_guest(path: str) -> str:
    """The one name in the guest of an absolute path: ``..`` resolved, /usr merged, no multiarch directory."""
    path = posixpath.normpath(path)
    for alias, directory in _MERGED.items():
        if path == alias or path.startswith(alias + "/"):
            path = directory + path[len(alias) :]
            break
    multiarch = f"/lib/{_multiarch()}"
    return "/lib" + path[len(multiarch) :] if path.startswith(multiarch + "/") else path


def merged_directories() -> dict[str, str]:
    """The links that make ``in_guest`` true: path of the link → absolute target."""
    return {**_MERGED, f"/lib/{_multiarch()}": "/lib"}


def closure(program: Path, guest: str, *, provided: Collection[str] = ()) -> tuple[Placed, ...]:
    """``program`` placed at ``guest``, then everything that it needs to start, each file once.

    For a script: the script, then its interpreter with what that needs. A script's interpreter whose guest path is in
    ``provided`` is taken as it is. Any other file (neither ELF nor script) stands alone. The answer is remembered.
    Raises ElfError, or OSError when a file can't be read.
    """
    question = ("closure", os.fspath(program), guest, sorted(provided), *_surroundings())
    if (placed := _recalled(recall(question))) is not None:
        return placed
    sources = Sources()
    placed = traced(program, guest, sources, provided=provided)
    sources.add_code("scxlife.platform.vm", "elftools")
    remember(question, sources, [(os.fspath(each.host), each.guest) for each in placed])
    return placed


def traced(program: Path, guest: str, sources: Sources, *, provided: Collection[str] = ()) -> tuple[Placed, ...]:
    """As ``closure``, but not remembered: what the answer depends on is added to ``sources``."""
    search = _Search(sources, provided)
    search.add(program, in_guest(guest))
    return tuple(search.placed.values())


def _surroundings() -> tuple[str, ...]:
    """What a search depends on and no file tells: where relative paths and the names of programs lead."""
    try:
        here = os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        here = ""
    return here, os.environ.get("PATH", ""), os.uname().machine


def _recalled(answer: object) -> tuple[Placed, ...] | None:
    try:
        pairs = [(host, guest) for host, guest in answer]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    if not all(isinstance(name, str) for pair in pairs for name in pair):
        return None
    return tuple(Placed(Path(host), guest) for host, guest in pairs)


class _Search:
    """One search for what a program needs. ``placed`` is what was found, by the path in the guest."""

    def __init__(self, sources: Sources, provided: Collection[str]) -> None:
        self.placed: dict[str, Placed] = {}
        self._sources = sources
        self._provided = provided

    def add(self, program: Path, guest: str) -> None:
        self._sources.add(program)
        self.placed[guest] = Placed(program, guest)
        if is_elf(program):
            for each in self._libraries(program, guest):
                self.placed.setdefault(each.guest, each)
            return
        for interpreter in self._interpreters(program):
            inside = in_guest(str(interpreter))
            if inside not in self._provided and inside not in self.placed:
                self.add(interpreter, inside)

    def _interpreters(self, script: Path) -> Iterator[Path]:
        """The programs that a ``#!`` line names (execve(2)), seen through ``/usr/bin/env NAME``; none without one."""
        with script.open("rb") as stream:
            first = stream.read(_SHEBANG_LIMIT)
        if not first.startswith(b"#!"):
            return
        line = os.fsdecode(first[2:].split(b"\n", 1)[0]).strip()
        interpreter, _, argument = line.partition(" ")
        if not interpreter:
            raise ElfError(f"{script}: its #! line names no interpreter")
        self._sources.add(interpreter)
        if not Path(interpreter).is_file():
            raise ElfError(f"{script}: its interpreter {interpreter} does not exist")
        yield Path(interpreter)
        if posixpath.basename(interpreter) == "env":
            # ``env -S a b`` splits its argument; plain ``env NAME`` has one word.
            words = [word for word in argument.split() if not word.startswith("-") and "=" not in word]
            found = shutil.which(words[0]) if words else None
            if found is None:
                raise ElfError(f"{script}: can't find the program of its line {line!r}")
            self._sources.add(*(Path(directory, words[0]) for directory in os.get_exec_path()))
            yield Path(found)

    def _libraries(self, program: Path, guest: str) -> Iterator[Placed]:
        root = _read(program, guest, None)
        if root.interpreter is not None:
            interpreter = Path(root.interpreter)
            self._sources.add(interpreter)
            if not interpreter.exists():
                raise MissingLibraryError(root.interpreter, program, [interpreter.parent])
            yield Placed(interpreter, in_guest(root.interpreter))
        # Breadth first, and by name alone once a name is loaded: the order in which ld.so itself decides.
        names = {posixpath.basename(root.interpreter)} if root.interpreter else set()
        queue = deque([root])
        while queue:
            loading = queue.popleft()
            for name in loading.needed:
                if name in names:
                    continue
                names.add(name)
                found = self._find(name, loading)
                yield found
                queue.append(_read(found.host, found.guest, loading))

    def _find(self, name: str, loading: _Object) -> Placed:
        searched: list[Path] = []
        if "/" in name:
            self._sources.add(name)
            if Path(name).is_file():
                return Placed(Path(name), in_guest(name))
            raise MissingLibraryError(name, loading.file, [Path(name).parent])
        for entry, origin in _own_directories(loading):
            directory = Path(_expand(entry, str(origin.file.resolve().parent)))
            searched.append(directory)
            if self._suits(directory / name):
                inside = _expand(entry, posixpath.dirname(origin.guest))
                return Placed(directory / name, in_guest(posixpath.join(inside, name)))
        for directory in self._system_directories:
            searched.append(directory)
            if self._suits(directory / name):
                # Found without help in the guest too: every directory that its loader searches is this one.
                return Placed(directory / name, f"/lib/{name}")
        raise MissingLibraryError(name, loading.file, searched)

    def _suits(self, candidate: Path) -> bool:
        self._sources.add(candidate)
        return candidate.is_file() and _is_native(candidate)

    @cached_property
    def _system_directories(self) -> tuple[Path, ...]:
        """The directories of /etc/ld.so.conf and the loader's own, in order, those that exist."""
        own = [f"/lib/{_multiarch()}", f"/usr/lib/{_multiarch()}", "/lib64", "/usr/lib64", "/lib", "/usr/lib"]
        named = dict.fromkeys([*self._configured(Path("/etc/ld.so.conf"), set()), *map(Path, own)])
        self._sources.add(*(directory for directory in named if not directory.is_dir()))
        return tuple(directory for directory in named if directory.is_dir())

    def _configured(self, file: Path, seen: set[Path]) -> Iterator[Path]:
        """The directories of an ld.so.conf(5), ``include`` lines followed once each."""
        self._sources.add(file)
        if file in seen or not file.is_file():
            return
        seen.add(file)
        for raw in file.read_text(errors="surrogateescape").splitlines():
            line = raw.split("#", 1)[0].strip()
            word, _, rest = line.partition(" ")
            if word == "include":
                # An absolute pattern replaces the directory that it is joined to, but glob() takes relative ones only.
                pattern = file.parent / rest.strip()
                self._sources.add(pattern.parent)
                for included in sorted(Path("/").glob(str(pattern).lstrip("/"))):
                    yield from self._configured(included, seen)
            elif line and word != "hwcap":
                yield Path(line)


def _own_directories(loading: _Object) -> Iterator[tuple[str, _Object]]:
    """The RPATH and RUNPATH entries that count for what ``loading`` needs, each with the object that says so."""
    if not loading.runpath:
        above: _Object | None = loading
        while above is not None:
            for entry in above.rpath:
                yield entry, above
            above = above.loader
    for entry in loading.runpath:
        yield entry, loading


def _expand(entry: str, origin: str) -> str:
    for token, value in (("ORIGIN", origin), ("LIB", "lib"), ("PLATFORM", os.uname().machine)):
        entry = entry.replace("${" + token + "}", value).replace("$" + token, value)
    return entry


def _is_native(file: Path) -> bool:
    """Whether the loader would take it; it passes over a library for another processor and looks further."""
    from elftools.common.exceptions import ELFError as ParseError
    from elftools.elf.elffile import ELFFile

    try:
        with file.open("rb") as stream:
            return str(ELFFile(stream)["e_machine"]) == _native()
    except ParseError:
        # For instance a linker script that is called libfoo.so.
        return False


def _read(file: Path, guest: str, loader: _Object | None) -> _Object:
    # Only here: an answer that is remembered does without this import, which takes longer than all the rest.
    from elftools.common.exceptions import ELFError as ParseError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    try:
        with file.open("rb") as stream:
            elf = ELFFile(stream)
            machine = str(elf["e_machine"])
            if machine != _native():
                raise ForeignArchitectureError(file, machine, _native())
            interpreter: str | None = None
            needed: list[str] = []
            paths: dict[str, tuple[str, ...]] = {}
            for segment in elf.iter_segments():
                if isinstance(segment, InterpSegment):
                    interpreter = str(segment.get_interp_name())
                elif isinstance(segment, DynamicSegment):
                    for tag in segment.iter_tags():
                        kind = str(tag.entry.d_tag)
                        if kind == "DT_NEEDED":
                            # pyelftools gives each kind of tag an attribute of its own name.
                            needed.append(str(getattr(tag, kind.removeprefix("DT_").lower())))
                        elif kind in ("DT_RPATH", "DT_RUNPATH"):
                            text = str(getattr(tag, kind.removeprefix("DT_").lower()))
                            paths[kind] = tuple(filter(None, text.split(":")))
    except ParseError as error:
        raise ElfError(f"{file} is a damaged ELF file: {error}") from error
    runpath = paths.get("DT_RUNPATH", ())
    # ld.so(8): a DT_RPATH counts for nothing where a DT_RUNPATH exists.
    rpath = () if runpath else paths.get("DT_RPATH", ())
    return _Object(file, guest, interpreter, tuple(needed), rpath, runpath, loader)


def _native() -> str:
    machine = os.uname().machine
    return _MACHINES.get(machine, machine)


def _multiarch() -> str:
    return f"{os.uname().machine}-linux-gnu"


def loaded_part(data: bytes) -> bytes:
    """An ELF file (64-bit little-endian) without what no loader reads: symbols, debug sections, the section table.

    The file is cut behind its last segment and its header says so. A file of another class is returned as it is.
    """
    elf64_little = _MAGIC + b"\x02\x01"
    if not data.startswith(elf64_little):
        return data
    offset, size, count = _program_headers(data)
    end = offset + size * count
    for index in range(count):
        at = offset + index * size
        file_offset, file_size = struct.unpack_from("<Q16xQ", data, at + 8)
        end = max(end, file_offset + file_size)
    kept = bytearray(data[:end])
    # Elf64_Ehdr (elf(5)): e_shoff at 40, e_shnum at 60, e_shstrndx at 62.
    struct.pack_into("<Q", kept, 40, 0)
    struct.pack_into("<HH", kept, 60, 0, 0)
    return bytes(kept)


def _program_headers(data: bytes) -> tuple[int, int, int]:
    """e_phoff, e_phentsize and e_phnum of an Elf64_Ehdr."""
    (offset,) = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    return offset, size, count
