"""Builds the initramfs of a guest: a cached base, and a small archive for each run behind it.

The kernel unpacks concatenated cpio archives one after the other (Documentation/driver-api/early-userspace), so the
base is built once for a given Python and package, and a run adds its scheduler, its payload and its configuration.

    base     /init, Python pruned to what PID 1 imports, busybox with its applets, device nodes, empty directories, and
             SENTINEL as the last entry; the kernel unpacks it
    run      /scheduler, /sched_args, programs and files, /scxlife/*.json; PID 1 gets it over its port, and unpacks it
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

import attrs

from scxlife.platform.vm import interpreter
from scxlife.platform.vm.cache import cache_root, entries, locked, publish, sound
from scxlife.platform.vm.cpio import Tree
from scxlife.platform.vm.elf import Placed, closure, in_guest, loaded_part, merged_directories, traced
from scxlife.platform.vm.port import OVERLAY_MODULE
from scxlife.platform.vm.remembered import Sources, recall, remember

SCHEDULER = "/scheduler"
SCHEDULER_ARGS = "/sched_args"
CONFIG = "/scxlife/config.json"
DEFINITION = "/scxlife/definition.json"
BOOT = "/scxlife/boot.json"
OPERATIONS = "/scxlife/operations.json"
#: The base's own definitions. A run brings its own, or says what it changes in them.
STANDARD = "/scxlife/standard"
#: A slot for each staged scheduler, with the same two files as the boot's own has at the root.
STAGING = "/staging/schedulers"
#: What the payload finds as `scxlife`, where PID 1 can be asked.
CONTROL_COMMAND = "/bin/scxlife"
#: The last entry of all. Where it is missing, the kernel ran out of memory while it unpacked.
SENTINEL = "/.scxlife_complete"
#: What PID 1 says on the console in that case, before it gives up.
INCOMPLETE = "scxlife: the initramfs is incomplete"

#: PID 1's first line on the console, before it imports anything: a slow or failing import is told from a dead kernel.
#: Where there is no console there is no line.
STARTED = "scxlife: init"

#: Part of the cache key: raise it when the layout of the base changes.
_FORMAT = 4
# A prefix of its own: a payload that brings another Python to /bin must not replace the one that runs PID 1.
_PREFIX = "/scxlife"
_PYTHON = f"{_PREFIX}/bin/python3"
_BUSYBOX = "/bin/busybox"
_DIRECTORIES = {
    "/dev": 0o755,
    "/proc": 0o555,
    "/run": 0o755,
    "/staging": 0o755,
    "/sys": 0o555,
    "/tmp": 0o1777,
}
_KEY = re.compile(r"[0-9a-f]{32}")
_BUSYBOX_TIMEOUT_S = 10.0
#: Bases that stay in the cache, some 14 MB each.
_KEPT = 8

# ``#!`` rather than ``rdinit=python -- …``: words of the kernel's command line that the kernel does not know become
# arguments of init, and must not end up in front of Python's own.
_INIT = """\
#!{python} {flags}
import posix
try:
    posix.write(2, b"{started}\\n")
except OSError:
    pass
try:
    open("{sentinel}").close()
except OSError:
    raise SystemExit("{incomplete}")
from {entry} import main
main()
"""

_CONTROL = """\
#!{python} {flags}
from {entry} import main
raise SystemExit(main())
"""


NOTHING: Mapping[str, bytes] = MappingProxyType({})


class ImageError(Exception):
    """The image can't be built. The message says which part and why."""


@attrs.frozen
class Base:
    """A base archive on the disk, and the files of the host in it by their guest path."""

    archive: Path
    holds: dict[str, Path]


@attrs.frozen
class Staged:
    """A scheduler that PID 1 can be asked for by its name; the arguments as a shell would write them."""

    name: str
    program: Path
    arguments: str = ""


@attrs.frozen
class Run:
    """What one run adds to a base. A program brings its loader, its libraries, its interpreter."""

    config: bytes
    definition: bytes
    #: The definition of the boot's end, frozen as `definition` is; for an init that wants one and has none of its base.
    boot: bytes = b""
    #: That of operations, frozen likewise, and the module whose ``main()`` asks PID 1; for an init that can be asked.
    operations: bytes = b""
    control: str | None = None
    staged: tuple[Staged, ...] = ()
    scheduler: Path | None = None
    #: The arguments as a shell would write them.
    scheduler_args: str = ""
    #: Programs that the payload starts, each placed at its own path.
    programs: tuple[Path, ...] = ()
    #: (file of the host, absolute path in the guest).
    files: tuple[tuple[Path, str], ...] = ()
    #: The kernel's module for overlays, where the payload is to have one.
    overlay: bytes = b""
    #: Absolute paths of directories that are to be there.
    directories: tuple[str, ...] = ()


def build_base(
    *,
    entry: str,
    modules: Sequence[str] = (),
    busybox: Path | None = None,
    standard: Mapping[str, bytes] = NOTHING,
    waiting: Callable[[str], None] = lambda _: None,
) -> Base:
    """The base archive whose PID 1 is ``main()`` of the module ``entry``; built when the cache has no such archive yet.

    ``modules`` are taken along with what they import, for what ``entry`` imports only when it needs it. ``standard``
    are frozen definitions, to be read before the orders come. ``waiting`` is told when another process builds the same
    one. Raises ImportMeasureError, ElfError, ImageError, CacheError, OSError.
    """
    init = _init(entry)
    names = (entry, *modules)
    brings = [(name, hashlib.sha256(frozen).hexdigest()) for name, frozen in sorted(standard.items())]
    question = ("base", _FORMAT, init, names, str(busybox), *brings, *interpreter.identity(names))
    if (base := _recalled(recall(question))) is not None and _is_there(base, waiting):
        return base
    sources = Sources()
    tree = Tree()
    digest = hashlib.sha256(repr((_FORMAT, sys.version, init, brings)).encode())
    holds: dict[str, Path] = {}
    for path, mode in _DIRECTORIES.items():
        tree.directory(path, mode)
    for link, target in merged_directories().items():
        tree.symlink(link, target)
    tree.char_device("/dev/console", 5, 1, 0o600)
    tree.char_device("/dev/null", 1, 3, 0o666)
    tree.file("/init", init.encode(), 0o755)
    for name, frozen in standard.items():
        tree.file(f"{STANDARD}/{name}.json", frozen)

    library = f"{_PREFIX}/{interpreter.library_name()}"
    tree.directory(f"{library}/lib-dynload")
    placed = list(traced(interpreter.executable(), _PYTHON, sources))
    found = dict.fromkeys((interpreter.landmark(), *interpreter.measure(names)))
    sources.add(*interpreter.looked_at(names, found))
    for module in found:
        path = module.path(library)
        if module.compiled:
            placed += traced(module.origin, path, sources)
        else:
            digest.update(repr((path, module.origin.read_bytes())).encode())
            tree.deferred_file(path, partial(module.code, library), 0o644)
    if busybox is not None:
        placed += traced(busybox, _BUSYBOX, sources)
        for applet in applets(busybox):
            tree.symlink(f"/bin/{applet}", "busybox")
    for each in placed:
        status = each.host.stat()
        digest.update(repr((each.guest, str(each.host), status.st_size, status.st_mtime_ns)).encode())
        tree.deferred_file(each.guest, partial(_loaded_part_of, each.host), 0o755)
        holds[each.guest] = each.host
    base = Base(_published(digest.hexdigest()[:32], tree, waiting), holds)
    sources.add_code("scxlife.platform.vm", "elftools")
    remember(question, sources, [base.archive.parent.name, {guest: str(host) for guest, host in holds.items()}])
    return base


def _recalled(answer: object) -> Base | None:
    """The base that a remembered answer is about; None for an answer of another kind."""
    match answer:
        case [str(key), dict(holds)] if _KEY.fullmatch(key) and all(isinstance(host, str) for host in holds.values()):
            return Base(_archive(key), {guest: Path(host) for guest, host in holds.items()})
    return None


def build_run(base: Base, run: Run, target: Path) -> None:
    """Writes an initramfs that needs no orders to a file at ``target``: the base, then what ``run`` adds.

    Raises as ``write_run`` does.
    """
    seal = _seal()
    with target.open("wb") as sink, base.archive.open("rb") as source:
        shutil.copyfileobj(source, sink, 1 << 20)
        sink.truncate(sink.tell() - len(seal))
        sink.seek(0, os.SEEK_END)
        write_run(base, run, sink)
        sink.write(seal)


def write_run(base: Base, run: Run, sink: BinaryIO) -> None:
    """Writes to ``sink`` what ``run`` adds to ``base``, for PID 1 to unpack.

    Raises ElfError, OSError, and ImageError when two files want one place, one that PID 1 stands on above all.
    """
    tree = Tree()
    placed: list[Placed] = []
    if run.scheduler is not None:
        placed += closure(run.scheduler, SCHEDULER, provided=base.holds)
        tree.file(SCHEDULER_ARGS, run.scheduler_args.encode())
    for staged in run.staged:
        slot = f"{STAGING}/{staged.name}"
        placed += closure(staged.program, f"{slot}{SCHEDULER}", provided=base.holds)
        tree.file(f"{slot}{SCHEDULER_ARGS}", staged.arguments.encode())
    if run.overlay:
        tree.file(OVERLAY_MODULE, run.overlay)
    if run.control is not None:
        tree.file(
            CONTROL_COMMAND, _CONTROL.format(python=_PYTHON, flags=interpreter.FLAGS, entry=run.control).encode(), 0o755
        )
        tree.file(OPERATIONS, run.operations)
    for program in run.programs:
        placed += closure(program, str(program.absolute()), provided=base.holds)
    for file, guest in run.files:
        placed += closure(file, guest, provided=base.holds)
    holds = dict(base.holds)
    for each in placed:
        if each.guest not in holds:
            holds[each.guest] = each.host
            tree.deferred_file(each.guest, each.host.read_bytes, stat.S_IMODE(each.host.stat().st_mode))
        elif not holds[each.guest].samefile(each.host):
            raise ImageError(f"{each.host} would replace {each.guest} of the guest, which is {holds[each.guest]}")
    for directory in run.directories:
        tree.directory(in_guest(directory))
    for path, mode in _DIRECTORIES.items():
        # As in the base, also where one is a parent of something here.
        tree.directory(path, mode)
    tree.file(CONFIG, run.config)
    for path, frozen in ((DEFINITION, run.definition), (BOOT, run.boot)):
        if frozen:
            tree.file(path, frozen)
    tree.write(sink)


def _seal() -> bytes:
    """An archive with nothing but SENTINEL, behind all that the kernel unpacks."""
    sink = io.BytesIO()
    tree = Tree()
    tree.file(SENTINEL, b"")
    tree.write(sink)
    return sink.getvalue()


def _loaded_part_of(file: Path) -> bytes:
    return loaded_part(file.read_bytes())


def _init(entry: str) -> str:
    return _INIT.format(
        python=_PYTHON,
        flags=interpreter.FLAGS,
        sentinel=SENTINEL,
        incomplete=INCOMPLETE,
        started=STARTED,
        entry=entry,
    )


def applets(busybox: Path) -> list[str]:
    """The names under which a busybox is a tool, remembered. Raises ImageError if it does not list them."""
    question = ("applets", str(busybox.absolute()))
    listed = recall(question)
    if not (isinstance(listed, str) and listed):
        sources = Sources()
        sources.add(busybox.absolute())
        try:
            asked = subprocess.run(
                [busybox, "--list"], capture_output=True, text=True, timeout=_BUSYBOX_TIMEOUT_S, check=True
            )
        except subprocess.SubprocessError as error:
            raise ImageError(f"{busybox} does not list its applets: {error}") from error
        listed = asked.stdout
        remember(question, sources, listed)
    return [applet for applet in listed.split() if applet != "busybox"]


def _archive(key: str) -> Path:
    return cache_root() / "guests" / key / "base.cpio"


def _is_there(base: Base, waiting: Callable[[str], None]) -> bool:
    """Whether the archive is in the cache and sound; it then counts as used now."""
    entry = base.archive.parent
    if not sound(entry, waiting):
        return False
    os.utime(entry)
    return True


def _published(key: str, tree: Tree, waiting: Callable[[str], None]) -> Path:
    archive = _archive(key)
    entry = archive.parent
    if not sound(entry, waiting):
        with locked(entry, waiting) as waited:
            if not (waited and sound(entry, waiting)):
                with publish(entry) as draft, (draft.path / archive.name).open("wb") as sink:
                    tree.write(sink)
                    sink.write(_seal())
                _forget_old(entry.parent)
    os.utime(entry)
    return archive


def _forget_old(guests: Path) -> None:
    """Each change to the package makes another base. The ones used last are kept."""
    by_use = sorted((entry.stat().st_mtime_ns, entry) for entry, _ in entries(guests))
    for _, entry in by_use[:-_KEPT]:
        shutil.rmtree(entry, ignore_errors=True)
