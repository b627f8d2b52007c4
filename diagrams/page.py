"""A definition's whole table as one HTML file: states down, events across, each cell with its guards, target, actions,
verdict and reason. It needs nothing beside itself, runs no script, and is light or dark as its reader likes it.

Why something is ignored or can't happen is folded away in its cell, to be opened there: most cells are of these kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from scxlife.diagrams.cells import MEANINGS, SIGNS, Line, lines_of, origin
from scxlife.diagrams.document import head
from scxlife.diagrams.dot_text import one_line
from scxlife.diagrams.graph import Node, graph_of
from scxlife.diagrams.wording import deadline_line, ending
from scxlife.fsm.definition import GO, IGNORE, IMPOSSIBLE, Definition, Event
from scxlife.fsm.durations import format_duration

_STYLE = """\
:root { color-scheme: light dark; --page: #fff; --ink: #1a1a1a; --quiet: #5c6570; --rule: #c9d1da; --head: #eef2f7;
  --go: #e4f0e2; --stay: #e8effb; --defer: #f4ecfa; --reject: #fbe9d9; --verdict: #98271b; --hatch: #00000012; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e6e6e6; --quiet: #9aa5b1; --rule: #3a434d;
  --head: #20262d; --go: #1d3323; --stay: #1c2a41; --defer: #31244050; --reject: #41291a; --verdict: #ff9c8f;
  --hatch: #ffffff0f; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 0.875rem/1.35 system-ui, sans-serif;
  display: flex; flex-direction: column; height: 100vh; height: 100dvh; }
header { padding: 0.75rem 1rem; flex: none; }
h1 { font-size: 1.25rem; margin: 0; }
h1 small { color: var(--quiet); font-weight: normal; }
p { margin: 0.25rem 0; max-width: 60rem; }
ul { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; margin: 0.5rem 0 0; padding: 0; }
li { padding: 0 0.35rem; border-radius: 0.2rem; }
main { overflow: auto; flex: 1; min-height: 16rem; border-top: 1px solid var(--rule); }
table { border-collapse: separate; border-spacing: 0; }
th, td { border: 0 solid var(--rule); border-width: 0 1px 1px 0; padding: 0.35rem 0.5rem; vertical-align: top;
  text-align: left; overflow-wrap: break-word; }
th { background: var(--head); position: sticky; z-index: 1; }
thead th { top: 0; min-width: 9.5rem; max-width: 14rem; }
tbody th { left: 0; width: 13rem; min-width: 13rem; max-width: 13rem; }
thead th:first-child { left: 0; z-index: 2; }
th small { display: block; font-weight: normal; color: var(--quiet); }
td { max-width: 18rem; }
div + div { margin-top: 0.3rem; }
.go, .stay, .defer, .reject { padding: 0.1rem 0.35rem; border-radius: 0.2rem; }
.go { background: var(--go); }
.stay { background: var(--stay); }
.defer { background: var(--defer); border: 1px dotted var(--quiet); }
.reject { background: var(--reject); border: 1px dashed var(--quiet); }
.ignore, .impossible, summary, i { color: var(--quiet); }
.never { background: repeating-linear-gradient(135deg, transparent 0 6px, var(--hatch) 6px 8px); }
.failed { box-shadow: inset 3px 0 var(--verdict); padding-left: 0.55rem; }
.verdict { color: var(--verdict); font-weight: bold; }
.guards { font-style: italic; }
summary { cursor: pointer; }
a { color: inherit; }
@media (max-width: 40rem) {
  body { font-size: 0.8125rem; display: block; height: auto; }
  main { height: 92vh; height: 92dvh; }
  thead th { min-width: 8.5rem; }
  tbody th, thead th:first-child { width: 7rem; min-width: 7rem; max-width: 7rem; padding: 0.3rem; }
  tbody th small, thead th small + small { display: none; }
  td { max-width: 12rem; padding: 0.3rem; }
}
@media print { body { display: block; height: auto; } main { overflow: visible; } }"""


def page(definition: Definition) -> str:
    """An HTML document with every cell of `definition`. Equal definitions give equal text."""
    name = f"{definition.name} {definition.version}"
    legend = [
        f'<li class="{kind}">{SIGNS[kind]} {text(meaning)}</li>' for kind, meaning in MEANINGS.items() if kind != GO
    ]
    return "\n".join(
        [
            *head(f"{text(name)}: all states and events", _STYLE),
            "<header>",
            f"<h1>{text(definition.name)} <small>{definition.version}</small></h1>",
            f"<p>{text(definition.doc)}</p>",
            "<ul>",
            f'<li class="{GO}">{SIGNS[GO]} {text(MEANINGS[GO])}</li>',
            *legend,
            '<li class="failed"><span class="verdict">⚑ notes how it ended</span></li>',
            "</ul>",
            "</header>",
            '<main tabindex="0">',
            "<table>",
            "<thead>",
            '<tr><th scope="col">state</th>',
            *(_event(definition, event) for event in definition.events.values()),
            "</tr>",
            "</thead>",
            "<tbody>",
            *(line for node in graph_of(definition).nodes for line in _row(definition, node)),
            "</tbody>",
            "</table>",
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def text(words: str) -> str:
    """`words` within an element."""
    return escape(one_line(words), quote=False)


def _small(words: Iterable[str]) -> str:
    return "".join(f"<small>{text(line)}</small>" for line in words if line)


def _event(definition: Definition, event: Event) -> str:
    where = origin(definition, event)
    if event.timer is not None:
        value = definition.settings[event.timer]
        where += " = never" if value is None else f" = {format_duration(float(value))}"
    return f'<th scope="col">{text(event.name)}{_small([where, event.doc])}</th>'


def _row(definition: Definition, node: Node) -> Iterator[str]:
    state = node.state
    told = [state.doc, *([f"■ {ending(state)}"] if state.final is not None else [])]
    told += [deadline_line(deadline) for deadline in node.deadlines]
    told += [f"no deadline: {state.no_deadline}"] if state.no_deadline else []
    told += [f"{what} / {', '.join(names)}" for what, names in (("entry", state.entry), ("exit", state.exit)) if names]
    yield f'<tr><th scope="row">{text(state.name)}{_small(told)}</th>'
    for event in definition.events:
        lines = list(lines_of(definition, state.name, event))
        never = ' class="never"' if all(line.kind == IMPOSSIBLE for line in lines) else ""
        yield f"<td{never}>{''.join(map(_line, lines))}</td>"
    yield "</tr>"


def _line(line: Line) -> str:
    guards = f'<span class="guards">[{text(", ".join(line.guards))}]</span> ' if line.guards else ""
    what = f"{line.sign}&nbsp;{text(line.target)}" if line.kind == GO else f"{line.sign}&nbsp;{line.kind}"
    if line.kind in (IGNORE, IMPOSSIBLE) and not line.actions and not line.verdict:
        folded = f"<details><summary>{what}</summary>{text(line.reason)}</details>" if line.reason else what
        return f'<div class="{line.kind}">{guards}{folded}</div>'
    words = [f"{guards}<b>{what}</b>"]
    words += [f"/&nbsp;{text(', '.join(line.actions))}"] if line.actions else []
    words += [f'<span class="verdict">⚑&nbsp;{text(line.verdict)}</span>'] if line.verdict else []
    words += [f"<i>{text(line.reason)}</i>"] if line.reason else []
    failed = " failed" if line.verdict else ""
    return f'<div class="{line.kind}{failed}">{"<br>".join(words)}</div>'
