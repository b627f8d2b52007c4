"""Shares this host's files with a guest by virtiofs: all of them to read, and some folders to write.

What the guest may write is decided here and not by the guest: virtiofsd runs in a mount namespace of its own, in which
everything is read-only but those folders, and the kernel's own file systems (/proc, /sys, /dev) are not to be seen.

The socket between QEMU and virtiofsd has a name for no longer than it takes to connect to it, in a folder that only we
can enter. This module is a program too: what prepares the namespace and then becomes virtiofsd. Both end with us.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

TAG = "scxlife-host"
#: Where distributions put it: in no PATH. The first is Rust's, the second that of QEMU before 8.0.
PLACES = ("/usr/libexec/virtiofsd", "/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/qemu/virtiofsd")
#: Not to be seen by a guest: they are windows to this host's kernel.
HIDDEN = ("/proc", "/sys", "/dev", "/run")
_ASK_S = 10.0
_STOP_S = 5.0

_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_RDONLY, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 1 << 12, 1 << 14, 1 << 18
_AT_FDCWD, _AT_RECURSIVE, _AT_EMPTY_PATH = -100, 0x8000, 0x1000
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC, _MOVE_MOUNT_F_EMPTY_PATH = 1, os.O_CLOEXEC, 4
# The same numbers on every architecture.
_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_MOUNT_SETATTR = 428, 429, 442
_PR_SET_PDEATHSIG = 1


class NoSharing(Exception):
    """virtiofsd is missing, or can't be used. The message says why."""


def find(places: Sequence[str] = PLACES) -> tuple[str, bool]:
    """The program, and whether it is Rust's (its options differ). Raises NoSharing."""
    for place in places:
        if not os.access(place, os.X_OK):
            continue
        try:
            helped = subprocess.run(
                [place, "--help"], capture_output=True, text=True, timeout=_ASK_S, stdin=subprocess.DEVNULL
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise NoSharing(f"{place} does not run: {error}") from None
        if "--fd" not in helped:
            raise NoSharing(f"{place} is too old: it has no --fd")
        return place, "--shared-dir" in helped
    raise NoSharing("virtiofsd is not installed")


def command(program: str, rust: bool, fd: int, source: str) -> list[str]:
    """virtiofsd's command line. It makes no process of its own: the namespace is there already."""
    if rust:
        return [program, f"--fd={fd}", f"--shared-dir={source}", "--sandbox=chroot", "--cache=auto"]
    return [program, f"--fd={fd}", "-f", "-o", f"source={source},sandbox=chroot,cache=auto,log_level=err"]


@contextmanager
def shared(writable: Sequence[str], program: tuple[str, bool]) -> Iterator[socket.socket]:
    """A virtiofsd that serves this host's files, `writable` folders to write as well, until the block is left: our end
    of its socket. Raises NoSharing, OSError."""
    with tempfile.TemporaryDirectory(prefix="scxlife-") as private:
        listening = socket.socket(socket.AF_UNIX)
        ours = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(f"{private}/socket")
            listening.listen(1)
            ours.connect(f"{private}/socket")
        except OSError:
            ours.close()
            listening.close()
            raise
    with ours, listening:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(listening.fileno())]
            + ["rust" if program[1] else "c", program[0], *writable],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(listening.fileno(),),
            process_group=0,
        )
        assert process.stderr is not None
        with process.stderr:
            listening.close()
            try:
                # It is ready, or has said why not, once it closes this: nothing of it blocks the guest's log.
                said = os.read(process.stderr.fileno(), 4096)
                if said != b"ready\n":
                    raise NoSharing(f"virtiofsd can't be started: {said.decode('utf-8', 'replace').strip()}")
                yield ours
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def plug_in(call: object, descriptor: int) -> None:
    """Tell a running QEMU of the device. `call` is `Qmp.call`. Raises QmpError."""
    assert callable(call)
    call("getfd", {"fdname": "host-files"}, fds=(descriptor,), timeout_s=_ASK_S)
    backend = {"type": "socket", "data": {"addr": {"type": "fd", "data": {"str": "host-files"}}, "server": False}}
    call("chardev-add", {"id": "host-files", "backend": backend}, timeout_s=_ASK_S)
    device = {"driver": "vhost-user-fs-pci", "id": "host-files", "chardev": "host-files", "tag": TAG}
    call("device_add", device, timeout_s=_ASK_S)


# -- the program


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prepare(libc: ctypes.CDLL, writable: Sequence[str]) -> str:
    """A mount namespace in which this host's files are to be read below the folder that is given back."""
    uid, gid = os.geteuid(), os.getegid()
    _checked(libc.unshare(_CLONE_NEWNS | (_CLONE_NEWUSER if uid else 0)), "no mount namespace")
    if uid:
        maps: Mapping[str, str] = {"setgroups": "deny", "uid_map": f"0 {uid} 1", "gid_map": f"0 {gid} 1"}
        for name, text in maps.items():
            Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
    _checked(libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "/")

    def tree(path: str) -> int:
        flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
        return _checked(libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), path)

    def place(mount: int, at: str) -> None:
        moved = libc.syscall(_SYS_MOVE_MOUNT, mount, b"", _AT_FDCWD, os.fsencode(at), _MOVE_MOUNT_F_EMPTY_PATH)
        _checked(moved, at)

    root = "/tmp"
    everything, folders = tree("/"), [(path, tree(path)) for path in writable]
    read_only = (ctypes.c_uint64 * 4)(_MS_RDONLY, 0, 0, 0)
    flags = _AT_EMPTY_PATH | _AT_RECURSIVE
    changed = libc.syscall(_SYS_MOUNT_SETATTR, everything, b"", flags, read_only, ctypes.sizeof(read_only))
    _checked(changed, "can't be made read-only")
    place(everything, root)
    for path in HIDDEN:
        if Path(root + path).is_dir():
            _checked(libc.mount(b"none", os.fsencode(root + path), b"tmpfs", _MS_RDONLY, b"size=4k"), path)
    for path, mount in folders:
        place(mount, root + path)
    return root


def main(words: Sequence[str]) -> None:
    """Becomes virtiofsd. Words: our parent's pid, the descriptor, which kind, the program, the writable folders."""
    parent, fd, kind, program, *writable = words
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    try:
        source = _prepare(libc, writable)
        # Forgotten where the credentials change, so it comes last.
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != int(parent):
            return
        argv = command(program, kind == "rust", int(fd), source)
        os.write(2, b"ready\n")
        null = os.open("/dev/null", os.O_WRONLY)
        os.dup2(null, 2)
        os.execv(program, argv)
    except OSError as error:
        with suppress(OSError):
            os.write(2, f"{error.strerror}\n".encode())
        os._exit(1)


def writable_folder(text: str) -> str:
    """The folder that ``--rw`` names, as an absolute path without links. Raises ValueError."""
    path = os.path.realpath(text)
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from None
    if not stat.S_ISDIR(found.st_mode):
        raise ValueError("it is no folder")
    if path == "/":
        raise ValueError("all of this host would be writable")
    if any(path == each or path.startswith(f"{each}/") for each in HIDDEN):
        raise ValueError("it is not shared with a guest")
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValueError("it can't be written here either")
    return path


if __name__ == "__main__":
    main(sys.argv[1:])
