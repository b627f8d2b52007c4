"""A definition that a command needs, or the problems that keep it from being one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from scxlife.fsm.lint import check
from scxlife.fsm.show import show

if TYPE_CHECKING:
    from pathlib import Path

    from scxlife.fsm.definition import Definition


def sound_definition(file: str | Path) -> Definition | None:
    """The definition in `file`; None when it has errors, which are printed on stderr."""
    report = check(file)
    if report.definition is None:
        print(*show(report.problems, report.texts), sep="\n", file=sys.stderr)
    return report.definition
