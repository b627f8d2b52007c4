"""The reason of an outcome for a person: the definition's words, and what was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .outcomes import describe_exit

if TYPE_CHECKING:
    from scxlife.fsm.definition import Definition

    from .facts import Facts

# Seconds in the kernel below which they explain nothing.
_NOTABLE = 0.1


def words(definition: Definition, facts: Facts, outcome: str, phase: str, fault: Exception | None) -> str:
    """The text for `outcome`, which has its reason as the definition names it: `not-attached/timeout`.

    `phase` is the one in which it was settled.
    """
    name = outcome.partition("/")[0]
    seen = []
    if name == "ejected":
        seen.append(_ready(definition, facts))
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
    if name in ("stopped", "exited"):
        # The end of the definition's words, after what is known of the time until then.
        said = f"it was {_until_then(definition, facts, phase)} and {said.rpartition(' and ')[2]}"
    return f"{said} ({'; '.join(seen)})" if seen else said


def _until_then(definition: Definition, facts: Facts, phase: str) -> str:
    if facts.attachments:
        return _ready(definition, facts)
    return f"not {_readiness(definition)} yet (phase {phase})" if facts.spawned_at is not None else "not started yet"


def _ready(definition: Definition, facts: Facts) -> str:
    """`attached for 3.0 s`: the sum over all attachments."""
    spoken = _spoken(facts.ready_seconds)
    if facts.attachments > 1:
        return f"{_readiness(definition)} {facts.attachments} times for {spoken} in all"
    return f"{_readiness(definition)} for {spoken}"


def _readiness(definition: Definition) -> str:
    return "attached" if definition.sources["readiness"] == "sched_ext" else "ready"


def _spoken(seconds: float) -> str:
    """`3.0 s`, `5 min 12 s` or `26 h 3 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _without_sched_ext(definition: Definition, facts: Facts) -> bool:
    return definition.sources["readiness"] == "sched_ext" and facts.baseline is not None and not facts.baseline.present
