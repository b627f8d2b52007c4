"""Declarations of which nothing comes: warnings, because they do no harm and were probably not meant."""

from __future__ import annotations

from collections.abc import Mapping

from .declarations import Declarations
from .definition import BY_ACTION, IMPOSSIBLE, Cell
from .findings import Findings


def check_unused(names: Declarations, cells: Mapping[tuple[str, str], Cell], findings: Findings) -> None:
    """Report guards, actions, groups, sources and outcomes that nothing uses, and events that can come nowhere."""
    doc = names.doc
    for kind, section in (
        ("guard", doc.guards),
        ("action", doc.actions),
        ("group", doc.groups),
        ("outcome", doc.outcomes),
    ):
        for name in section:
            if (kind, name) not in names.used and not findings.included((f"{kind}s", name)):
                findings.add((f"{kind}s", name), f"unused-{kind}", f"{kind} {name!r} is used nowhere")
    for outcome, declared in doc.outcomes.items():
        for reason in declared.reasons:
            path = ("outcomes", outcome, "reasons", reason)
            used = ("outcome", outcome) not in names.used or ("outcome", f"{outcome}/{reason}") in names.used
            if not used and not findings.included(path):
                findings.add(path, "unused-outcome", f"reason {reason!r} of {outcome!r} is used nowhere")
    silent = {name for name in doc.sources if ("listened", name) not in names.used}
    for name in silent:
        if not findings.included(("sources", name)):
            findings.add(("sources", name), "unused-source", f"no state lists source {name!r}")
    living = {name for name, state in names.states.items() if state.final is None}
    heard = {
        event
        for (state, event), cell in cells.items()
        if state in living and (not cell or any(branch.decision.kind != IMPOSSIBLE for branch in cell))
    }
    for name, event in names.events.items():
        told = event.timer is not None or event.source in silent or event.source == BY_ACTION
        if name not in heard and not told:
            findings.add(("events", name), "unused-event", f"event {name!r} is impossible in every state")
