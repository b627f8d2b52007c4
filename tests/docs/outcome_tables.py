"""The outcomes with their exit codes and reasons, from the code and the definition."""

from __future__ import annotations

from scxlife.fsm.definition import Definition
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.lifecycle.outcomes import OUTCOMES


def region(name: str) -> str:
    return {"outcomes": _outcomes, "reasons": _reasons}[name](shipped())


def _outcomes(definition: Definition) -> str:
    words = {**boot_ending().outcomes, **definition.outcomes}
    rows = [f"| `{name}` | {cls.exit_code} | {words[name]} |" for name, cls in OUTCOMES.items()]
    return "\n".join(["| outcome | exit code | what it says |", "|---|---|---|", *rows])


def _reasons(definition: Definition) -> str:
    rows = [f"| `{verdict}` | {words} |" for verdict, words in definition.outcomes.items() if "/" in verdict]
    return "\n".join(["| verdict | what it says |", "|---|---|", *rows])
