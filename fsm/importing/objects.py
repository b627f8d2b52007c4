"""Which kind of machine a Python object is. Its library is loaded: the object was made with it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from .chart import Chart, clean
from .problem import ImportProblem

_HINT = "name a transitions machine, its configuration, or a python-statemachine class"


def chart_of(found: Any, name: str, kind: str | None) -> Chart:
    """The chart of what `module:attribute` led to. Raises ImportProblem for what is no machine."""
    from .reading import STATEMACHINE, TRANSITIONS, XSTATE

    if isinstance(found, Mapping):
        from . import transitions_machine, xstate

        nested = isinstance(found.get("states"), Mapping)
        if kind == XSTATE or (kind is None and nested):
            return xstate.read(found, name)
        return transitions_machine.read(found, name)
    if kind in (None, STATEMACHINE) and "statemachine" in sys.modules:
        from statemachine import StateMachine
        from statemachine.statemachine import StateChart

        from . import statemachine_class

        cls = found if isinstance(found, type) else type(found)
        if issubclass(cls, StateChart) and cls not in (StateChart, StateMachine):
            return statemachine_class.of(cls, f"{name} (python-statemachine)")
    if kind in (None, TRANSITIONS) and "transitions" in sys.modules:
        from transitions import Machine

        from . import transitions_machine

        inner = found if isinstance(found, Machine) else getattr(found, "machine", None)
        if isinstance(inner, Machine):
            return transitions_machine.of(inner, f"{name} (transitions)")
        if isinstance(found, type) and issubclass(found, Machine):
            raise ImportProblem(f"{clean(name)} is a class", "name a machine that was made of it")
    raise ImportProblem(f"{clean(name)} is a {clean(type(found).__name__)}, and no machine", _HINT)
