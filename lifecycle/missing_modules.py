"""A Python module that is not installed, in words: which one, and what installs it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

from scxlife.lifecycle.outcomes import USAGE

#: The extra of pyproject.toml that brings a module. What is not here comes with scxlife itself.
EXTRAS = {"hypothesis": "fuzz", "redis": "redis"}

P = ParamSpec("P")


def named(main: Callable[P, int]) -> Callable[P, int]:
    """Make a missing module a usage error of `main`. One of our own is a defect, and stays a traceback."""

    @functools.wraps(main)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return main(*args, **kwargs)
        except ModuleNotFoundError as error:
            module = (error.name or "").partition(".")[0]
            if module in ("", "scxlife"):
                raise
            wanted = f"'scxlife[{EXTRAS[module]}]'" if module in EXTRAS else "--force-reinstall scxlife"
            message = f"the Python module {module} is not installed\nhint: pip install {wanted}"
            print(f"scxlife: error: {message}", file=sys.stderr)
            return USAGE

    return wrapped
