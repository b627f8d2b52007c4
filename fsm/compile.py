"""From a document to a definition: its names looked up, its table made total, its graph checked and walked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .declarations import Declarations
from .definition import Definition, Profile, Value
from .document import FORMAT, Document
from .durations import Seconds
from .explore import Exploration, check_exploration
from .findings import Findings
from .graph import check_graph
from .marks import VALUE
from .table import Table
from .unused import check_unused

# Ten times a large machine, a thousand states with two hundred events.
MAX_CELLS = 2_000_000


def compile_document(document: Document, findings: Findings, layers: Mapping[str, Sequence[int]]) -> Definition | None:
    """The definition that `document` means, as far as it can be told; what is wrong with it is in the findings.

    `layers` tells for each row how deeply its file was included. None when the names leave no table to speak of.
    """
    if document.format != FORMAT:
        text = f"format {document.format} is not known here; this version reads format {FORMAT}"
        findings.add(("format", VALUE), "unknown-format", text)
        return None
    if len(document.states) * len(document.events) > MAX_CELLS:
        text = f"{len(document.states)} states × {len(document.events)} events: more than {MAX_CELLS} cells"
        findings.add(("states",), "too-large", text)
        return None
    names = Declarations(document, findings)
    table = Table(names, findings, layers)
    if names.unsure or names.initial is None:
        return None
    check_graph(names.initial, names.states, table.cells, findings)
    check_unused(names, table.cells, findings)
    if findings.fatal:
        return None
    check_exploration(
        Exploration(names.initial, names.states, names.events, names.actions, table.as_declared()),
        table.origins,
        findings,
    )
    return Definition(
        name=document.machine,
        version=document.version,
        doc=document.doc,
        initial=names.initial,
        states=names.states,
        events=names.events,
        cells=table.cells,
        settings={name: _value(setting.value) for name, setting in document.settings.items()},
        sources=dict(document.sources),
        guards={name: guard.doc for name, guard in document.guards.items()},
        actions=names.actions,
        outcomes={name: outcome.doc for name, outcome in document.outcomes.items()}
        | {f"{name}/{reason}": text for name, o in document.outcomes.items() for reason, text in o.reasons.items()},
        profiles={
            name: Profile(p.doc, dict(p.sources), {key: _value(value) for key, value in p.settings.items()})
            for name, p in document.profiles.items()
        },
        groups=names.groups,
        views=names.views,
        exclusions=names.exclusions,
    )


def _value(value: object) -> Value:
    if isinstance(value, Seconds):
        return float(value)
    assert value is None or isinstance(value, (str, float, int, bool))
    return value
