"""What this machine must have installed before a kernel can be built on it."""

from __future__ import annotations

import shutil
import subprocess

from scxlife.platform.vm.cache import ArtifactError

_TOOLS = {
    "make": "make",
    "gcc": "gcc",
    "ld": "binutils",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "tar": "tar",
    "xz": "xz-utils",
    "zstd": "zstd",
}
_HEADERS = {"stdlib.h": "libc6-dev", "gelf.h": "libelf-dev", "zlib.h": "zlib1g-dev"}


class ToolMissing(ArtifactError):
    """The build needs programs or headers that are not here."""


def check(path: str) -> None:
    """Raises ToolMissing, with the apt-get line for all that is missing on ``path``."""
    missing = {tool: package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None}
    compiler = shutil.which("gcc", path=path)
    if compiler is not None:
        missing |= {header: package for header, package in _HEADERS.items() if not _has_header(compiler, header)}
    if missing:
        raise ToolMissing(
            f"the kernel's build needs what is not here: {', '.join(missing)}",
            f"run: apt-get install {' '.join(dict.fromkeys(missing.values()))}",
        )


def _has_header(compiler: str, header: str) -> bool:
    done = subprocess.run(
        [compiler, "-fsyntax-only", "-x", "c", "-"],
        input=f"#include <{header}>\n".encode(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
    return done.returncode == 0
