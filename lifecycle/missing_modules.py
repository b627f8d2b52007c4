"""A Python module that is not installed, in words: which one, and what installs it."""

from __future__ import annotations

import sys

from scxlife.lifecycle.outcomes import USAGE

#: The extra of pyproject.toml that brings a module. What is not here comes with scxlife itself.
EXTRAS = {"hypothesis": "fuzz", "redis": "redis", "statemachine": "import"}


def report(error: ModuleNotFoundError) -> int:
    """Print which module is missing and what installs it; returns the exit code of a usage error. Raises `error` for a
    module of our own: that is a defect."""
    module = (error.name or "").partition(".")[0]
    if module in ("", "scxlife"):
        raise error
    wanted = f"'scxlife[{EXTRAS[module]}]'" if module in EXTRAS else "--force-reinstall scxlife"
    message = f"the Python module {module} is not installed\nhint: pip install {wanted}"
    print(f"scxlife: error: {message}", file=sys.stderr)
    return USAGE
