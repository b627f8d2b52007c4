"""The reason of an outcome for a person: the definition's words, and what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .outcomes import describe_exit

if TYPE_CHECKING:
    from scxlife.fsm.definition import Definition

    from .facts import Facts

# Seconds in the kernel below which they explain nothing.
_NOTABLE = 0.1


def words(definition: Definition, facts: Facts, outcome: str, fault: Exception | None) -> str:
    """`outcome` with its reason, as the definition names it: `not-attached/timeout`."""
    name = outcome.partition("/")[0]
    seen = []
    if facts.failure:
        seen.append(facts.failure)
    elif name in ("startup-died", "exited") or outcome == "not-attached/died":
        seen.append(describe_exit(facts.exit))
    if fault is not None:
        seen.append(str(fault))
    if _without_sched_ext(definition, facts) and name == "startup-died":
        seen.append("sched_ext sysfs absent")
    if outcome == "not-attached/timeout" and (facts.kernel_seconds or 0.0) >= _NOTABLE:
        seen.append(f"{facts.kernel_seconds:.1f} s of it in the kernel")
    if outcome == "not-attached/foreign" and facts.owner is not None:
        seen.append(f"{facts.owner['command']}, pid {facts.owner['pid']}")
    if name in ("ejected", "startup-died", "not-attached") and facts.kernel_reason is not None:
        seen.append(facts.kernel_reason if name == "ejected" else f"the kernel: {facts.kernel_reason}")
    if facts.held_by:
        seen.append(facts.held_by)
    said = definition.outcomes[outcome]
    return f"{said} ({'; '.join(seen)})" if seen else said


def _without_sched_ext(definition: Definition, facts: Facts) -> bool:
    return definition.sources["readiness"] == "sched_ext" and facts.baseline is not None and not facts.baseline.present
