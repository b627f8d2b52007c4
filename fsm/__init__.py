"""An engine for explicit state machines: the definition is data, its table is total, every error has a line.

What an embedder needs is here; each name is imported when it is first used, so that a program that runs a frozen
definition (a guest's PID 1) pays neither for YAML nor for cattrs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .decision import decide
    from .definition import Decision, Definition
    from .driver import Driver, Interest, Sources
    from .events import Event
    from .lint import Report, check
    from .loader import load, loads
    from .machinery import prepare
    from .misuse import Misuse
    from .problems import DefinitionError, Place, Problem
    from .registry import DeclaredSource, SourceError, SourceMaker, sources_for
    from .runtime import Ending, MachineError, Refused, Runtime, UnknownName
    from .snapshot import Snapshot, SnapshotError
    from .sources import EventSource, SourceFactory, Waiter
    from .tape import Tape
    from .waiter import SelectWaiter

_HOMES = {
    "Decision": "definition",
    "DeclaredSource": "registry",
    "Definition": "definition",
    "DefinitionError": "problems",
    "Driver": "driver",
    "Ending": "runtime",
    "Event": "events",
    "EventSource": "sources",
    "Interest": "driver",
    "MachineError": "runtime",
    "Misuse": "misuse",
    "Place": "problems",
    "Problem": "problems",
    "Refused": "runtime",
    "Report": "lint",
    "Runtime": "runtime",
    "SelectWaiter": "waiter",
    "Snapshot": "snapshot",
    "SnapshotError": "snapshot",
    "SourceError": "registry",
    "SourceFactory": "sources",
    "SourceMaker": "registry",
    "Sources": "driver",
    "Tape": "tape",
    "UnknownName": "runtime",
    "Waiter": "sources",
    "check": "lint",
    "decide": "decision",
    "load": "loader",
    "loads": "loader",
    "prepare": "machinery",
    "sources_for": "registry",
}

__all__ = [
    "Decision",
    "DeclaredSource",
    "Definition",
    "DefinitionError",
    "Driver",
    "Ending",
    "Event",
    "EventSource",
    "Interest",
    "MachineError",
    "Misuse",
    "Place",
    "Problem",
    "Refused",
    "Report",
    "Runtime",
    "SelectWaiter",
    "Snapshot",
    "SnapshotError",
    "SourceError",
    "SourceFactory",
    "SourceMaker",
    "Sources",
    "Tape",
    "UnknownName",
    "Waiter",
    "check",
    "decide",
    "load",
    "loads",
    "prepare",
    "sources_for",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
