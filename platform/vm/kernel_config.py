"""The configuration of the kernels that are built here: guest-kernel.config, a fragment over ``make allnoconfig``."""

from __future__ import annotations

import hashlib
import re
from importlib import resources

#: Without these the kernel that comes out is of no use, whatever else it has.
NEEDED = ("CONFIG_SCHED_CLASS_EXT", "CONFIG_DEBUG_INFO_BTF", "CONFIG_BPF_JIT")


def shipped() -> str:
    """The text of guest-kernel.config."""
    return (resources.files("scxlife.platform.vm") / "guest-kernel.config").read_text(encoding="utf-8")


def options(text: str) -> dict[str, str]:
    """``CONFIG_…`` to its value; ``n`` for one that is off, as a .config (``# … is not set``) or a fragment says it."""
    found = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
    off = re.findall(r"^# (CONFIG_\w+) is not set$", text, re.MULTILINE)
    return found | dict.fromkeys(off, "n")


def digest(text: str) -> str:
    """Eight digits that change with the options, not with their order or the comments."""
    lines = "\n".join(f"{name}={value}" for name, value in sorted(options(text).items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:8]


def lost(fragment: str, config: str) -> list[str]:
    """The options of ``fragment`` that are not so in the .config that was made of it."""
    became = options(config)
    return [name for name, value in options(fragment).items() if became.get(name, "n") != value]
