"""What `vm run` takes along into a guest: found and checked before anything starts."""

from __future__ import annotations

import argparse
import os
import shutil
import stat
from pathlib import Path

import attrs

from scxlife.platform.vm import host_files, image, kernels, schedulers
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.host_files import HostFiles

from .control.protocol import check_name
from .guest_gets import MOST
from .kept_file import kind
from .usage import UsageError
from .vm_words import Words, checked


def regular(path: Path, what: str) -> int:
    """The size of a file that is to be taken along, in bytes. Raises UsageError for what can't be."""
    hint = "name a file of this host"
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} {path}: {getattr(error, 'strerror', None) or error}", hint) from None
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{what} {path}: it is {kind(found.st_mode)}", hint)
    if path.resolve().parts[1:2] in (("proc",), ("sys",)):
        raise UsageError(f"{what} {path}: it is no file on a disk", f"take a copy of it: cat {path} >FILE")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{what} {path}: it can't be read", hint)
    return found.st_size


def scheduler_of(name: str) -> Path | None:
    """The scheduler's program; None when a path was given and nothing is there."""
    if "/" not in name:
        return schedulers.find(name)
    if not Path(name).exists():
        return None
    regular(Path(name), "the scheduler")
    return Path(name)


def kernel_of(name: str | None) -> Path:
    if name is not None and "/" in name:
        if not Path(name).exists():
            raise ArtifactError(f"no kernel at {name}", "run: scxlife kernel fetch")
        regular(Path(name), "--kernel")
        return Path(name)
    return kernels.find(name).vmlinuz


def _staged(args: argparse.Namespace) -> tuple[image.Staged, ...]:
    """What `--stage NAME=SCHEDULER [ARG…]` takes along."""
    found: dict[str, image.Staged] = {}
    for text in args.stage:
        name, _, rest = text.partition("=")
        words = rest.split(None, 1)
        try:
            check_name(name)
        except ValueError as error:
            raise UsageError(f"--stage {text!r}: {error}") from None
        if not words:
            raise UsageError(f"--stage {text!r}: use NAME=SCHEDULER or 'NAME=SCHEDULER ARG…'")
        if name in found:
            raise UsageError(f"--stage {name}: there is another one of that name")
        program = scheduler_of(words[0])
        if program is None:
            raise UsageError(f"--stage {text!r}: no scheduler {words[0]}")
        found[name] = image.Staged(name, program, checked("--stage", "".join(words[1:])))
    return tuple(found.values())


@attrs.frozen
class Taken:
    """What goes into the guest, each checked: the programs, the files, the payload as PID 1 is to start it."""

    scheduler: Path | None
    arguments: str
    payload: tuple[str, ...]
    programs: tuple[Path, ...]
    files: tuple[tuple[Path, str], ...]
    staged: tuple[image.Staged, ...]
    busybox: Path | None


def host_files_of(args: argparse.Namespace) -> HostFiles | None:
    """What `--rootfs host` and `--rw` share. Raises UsageError, ArtifactError."""
    if args.rootfs != "host":
        if args.rw:
            raise UsageError(f"--rw {args.rw[0]}: the guest has no folders of this host", "use it with --rootfs host")
        return None
    writable = []
    for text in args.rw:
        try:
            writable.append(host_files.writable_folder(text))
        except ValueError as error:
            raise UsageError(f"--rw {text}: {error}", "name a folder of this host that you can write to") from None
    try:
        program = host_files.find()
    except host_files.NoSharing as error:
        raise ArtifactError(f"--rootfs host: {error}", "run: apt-get install virtiofsd qemu-system-common") from None
    return HostFiles(tuple(dict.fromkeys(writable)), program)


def _of_this_host(payload: list[str]) -> list[str]:
    """The payload with its program's path on this host. Raises UsageError where there is none."""
    if payload and "/" not in payload[0]:
        program = shutil.which(payload[0])
        if program is None:
            raise UsageError(f"the payload {payload[0]}: there is no such program", "give its path")
        payload[0] = str(Path(program).absolute())
    elif payload:
        payload[0] = os.path.normpath(Path(payload[0]).absolute())
        regular(Path(payload[0]), "the payload")
    return payload


def gets_of(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """The files of the guest that are to come here, and where to, from `--get FILE[=DEST]`. Raises UsageError."""
    wanted: dict[Path, str] = {}
    if len(args.get) > MOST:
        raise UsageError(f"--get: these are {len(args.get)} files, and at most {MOST} come")
    for text in args.get:
        name, _, given = text.rpartition("=") if "=" in text else (text, "", "")
        target = Path(given or Path(name).name)
        if not name or not Path(name).name or "\0" in text:
            raise UsageError(f"--get {text!r}: use FILE or FILE=DEST")
        where = Path(os.path.realpath(target.parent)) / target.name
        try:
            there = where.lstat().st_mode
        except FileNotFoundError:
            there = stat.S_IFREG
        except OSError as error:
            raise UsageError(f"--get {text!r}: {where}: {error.strerror}") from None
        if not stat.S_ISREG(there):
            raise UsageError(f"--get {text!r}: {where} is {kind(there)}", "name another one: FILE=DEST")
        if not os.access(where.parent, os.W_OK | os.X_OK):
            raise UsageError(f"--get {text!r}: nothing can be written in {where.parent}", "name another one: FILE=DEST")
        if where in wanted:
            raise UsageError(f"--get {text!r}: {wanted[where]} goes to {where} too", "name another one: FILE=DEST")
        wanted[where] = name
    return [(os.path.normpath(Path(name).absolute()), where) for where, name in wanted.items()]


def taken_along(args: argparse.Namespace, words: Words, scheduler: Path | None) -> Taken:
    found = shutil.which("busybox")
    busybox = None if found is None else Path(found)
    payload, programs = list(words.payload), []
    if args.rootfs == "host":
        if busybox is None:
            raise UsageError("--rootfs host needs busybox here", "run: apt-get install busybox-static")
        if args.add:
            raise UsageError("--add and --rootfs host: the payload has the files of this host", "leave --add out")
        payload = _of_this_host(payload)
    elif payload and "/" not in payload[0]:
        if busybox is None or payload[0] not in image.applets(busybox):
            program = shutil.which(payload[0])
            if program is None:
                raise UsageError(f"the payload {payload[0]}: there is no such program", "give its path")
            payload[0] = program
            programs.append(Path(program))
    elif payload:
        program = os.path.normpath(Path(payload[0]).absolute())
        # What is named by its whole path may be made in the guest, by --setup.
        if Path(program).exists() or not Path(payload[0]).is_absolute():
            regular(Path(program), "the payload")
            payload[0] = program
            programs.append(Path(program))
    files = tuple((Path(name), str(Path(name).absolute())) for name in args.add)
    staged = _staged(args)
    if scheduler is not None and (staged or args.control or args.restart):
        # Its runs are told by its name.
        try:
            check_name(scheduler.name)
        except ValueError as error:
            raise UsageError(f"the scheduler {scheduler}: {error}", "give it another name") from None
    if scheduler is not None and scheduler.name in (each.name for each in staged):
        raise UsageError(f"--stage {scheduler.name}: the boot's own scheduler has that name")
    size = sum(regular(file, "--add") for file, _ in files) + sum(regular(file, "the payload") for file in programs)
    # The kernel holds the archive and what it unpacks from it at the same time.
    if 2 * size > args.memory:
        raise UsageError(
            f"the files to take along have {size >> 20} MiB, and the guest has {args.memory >> 20}",
            f"give it more than twice as much: --memory {(2 * size >> 20) + 256}M",
        )
    return Taken(scheduler, words.arguments, tuple(payload), tuple(programs), files, staged, busybox)
