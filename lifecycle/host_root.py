"""The host's files as the root of a guest's payload, put together by PID 1, which itself stays where it is.

LOWER   the host's files by virtiofs; which folders can be written there, the host decides
ROOT    what the payload sees: an overlay in memory over LOWER, or LOWER itself and a few folders in memory
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from scxlife.platform.vm.port import HOST_FILES, OVERLAY_MODULE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .init_kernel import InitKernel

ROOT, LOWER, UPPER = "/host", "/scxlife/host", "/scxlife/upper"
#: The guest's own, in the payload's root too.
OWN = ("/proc", "/sys", "/dev", "/run")
#: In memory where there is no overlay.
IN_MEMORY = ("/tmp", "/var/tmp")
_WAIT_S, _AGAIN_S = 30.0, 0.02
_MS_BIND, _MS_REC = 1 << 12, 1 << 14
_CONTROL_COMMAND = "/bin/scxlife"
_SHELL = 'cd "$0" && exec "$@"'


def in_root(payload: Sequence[str], folder: str | None) -> tuple[str, ...]:
    """The command that runs `payload` with ROOT as its root, in `folder` of it."""
    if not payload:
        return ()
    return ("/bin/busybox", "chroot", ROOT, "/bin/sh", "-c", _SHELL, folder or "/", *payload)


def prepare(kernel: InitKernel, writable: Sequence[str], needed: Sequence[str], degraded: list[str]) -> None:
    """Put ROOT together. `needed` are paths that the payload begins with; what is less than wanted is added to
    `degraded`.
    Raises OSError."""
    for path in (ROOT, LOWER, UPPER):
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
    _mount_lower(kernel)
    try:
        _load_overlay(kernel)
        kernel.mount("tmpfs", UPPER, "tmpfs", 0, "")
        for name in ("upper", "work"):
            os.mkdir(f"{UPPER}/{name}")  # noqa: PTH102
        kernel.mount("overlay", ROOT, "overlay", 0, f"lowerdir={LOWER},upperdir={UPPER}/upper,workdir={UPPER}/work")
    except OSError as error:
        degraded.append(
            f"no overlay over the host's files ({error.strerror}): of them {', '.join(IN_MEMORY)} are empty and in"
            " memory, and the rest can only be read (scxlife kernel fetch --overlay gets the module of Debian's kernel)"
        )
        _without_overlay(kernel, needed)
    else:
        _add_command(kernel)
    for path in writable:
        _bind(kernel, LOWER + path, ROOT + path)
    for path in OWN:
        if os.path.isdir(ROOT + path):  # noqa: PTH112
            kernel.mount(path, ROOT + path, "", _MS_BIND | _MS_REC, "")


def _mount_lower(kernel: InitKernel) -> None:
    """The device is being plugged in meanwhile; EINVAL as long as there is none of that name."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            kernel.mount(HOST_FILES, LOWER, "virtiofs", 0, "")
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise OSError(error.errno, "the guest's kernel has no virtiofs: --rootfs host needs it") from None
            if error.errno != errno.EINVAL or time.monotonic() >= until:
                raise
            kernel.poll((), _AGAIN_S)
        else:
            return


def _load_overlay(kernel: InitKernel) -> None:
    """The module, where the run has brought one. Raises OSError."""
    try:
        module = kernel.open(OVERLAY_MODULE, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        kernel.load_module(module)
    finally:
        kernel.close(module)


def _without_overlay(kernel: InitKernel, needed: Sequence[str]) -> None:
    kernel.mount(LOWER, ROOT, "", _MS_BIND, "")
    for path in IN_MEMORY:
        if os.path.isdir(ROOT + path):  # noqa: PTH112
            kernel.mount("tmpfs", ROOT + path, "tmpfs", 0, "mode=1777")
    for path in IN_MEMORY:
        # What the payload needs of it, each a folder or a file of the host's.
        for name in {each[len(path) + 1 :].split("/")[0] for each in needed if each.startswith(f"{path}/")}:
            with suppress(OSError):
                _bind(kernel, f"{LOWER}{path}/{name}", f"{ROOT}{path}/{name}")


def _bind(kernel: InitKernel, source: str, target: str) -> None:
    """Show `source` at `target` as well. Raises OSError."""
    with suppress(OSError):
        if os.path.isdir(source):  # noqa: PTH112
            os.makedirs(target, exist_ok=True)  # noqa: PTH103
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL))
    kernel.mount(source, target, "", _MS_BIND, "")


def _add_command(kernel: InitKernel) -> None:
    """The command that asks PID 1, where PID 1 can be asked."""
    if os.path.exists(_CONTROL_COMMAND):  # noqa: PTH110
        _bind(kernel, "/scxlife", f"{ROOT}/scxlife")
        with open(_CONTROL_COMMAND, "rb") as file, open(f"{ROOT}/usr/local/bin/scxlife", "wb") as copy:  # noqa: PTH123
            copy.write(file.read())
        os.chmod(f"{ROOT}/usr/local/bin/scxlife", 0o755)  # noqa: PTH101
