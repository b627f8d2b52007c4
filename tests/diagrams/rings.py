"""Machines whose names try what a format may take for its own."""

from __future__ import annotations

from scxlife.fsm.definition import GO, IGNORE, Branch, Decision, Definition, Event, State

HOSTILE = [
    'say "x"',
    "<b>bold</b>",
    "a & b",
    "&lt;",
    "back\\slash\\",
    "\\N\\G\\E\\T\\n\\l",
    "two\nlines\tof doc",
    "näme→日本語",
    "graph",
    "a:b:n",
    "]}; x -> y",
    "-->",
    "]]>",
    "\x01\ud800",
    "a | b || c",
    "`code` ~~x~~ ~b",
    "<script>alert(1)</script>",
    "<br/>",
    "*a* **b** _c_ __d__",
    "//e// --f-- ''g''",
    "1. first",
    "- [x] done",
    "# head",
    "= head =",
    "%%{init: {}}%%",
    "%date() $x ${x}",
    "#35;",
    "Straße ﬂuss °¶",
    "a;b",
    "end note",
    "end",
    "state",
    "note",
    "style a:b#c;",
    "' comment",
    "!define x y",
    "@enduml",
    "[[link]] ((a)) [*]",
    "<&star> <U+0041> <:smile:>",
    "default",
    "__proto__",
    "s_a",
    "a.b",
    "a-b",
    "guards",
    "verdict",
]


def shown(text: str) -> str:
    """How a text can be shown: in one line, with U+FFFD for what no XML can hold."""
    return " ".join(text.split()).replace("\x01", "�").replace("\ud800", "�")


def ring(names: list[str]) -> Definition:
    """A machine that goes round through states with these names, by events with these names and docs."""
    cells = {}
    for index, state in enumerate(names):
        for event in names:
            to = names[(index + 1) % len(names)] if event == state else state
            kind = GO if event == state else IGNORE
            decision = Decision(state, event, kind, to, kind == IGNORE, (event,), None, event)
            cells[state, event] = (Branch((), decision),)
    return Definition(
        name=names[0],
        version=1,
        doc=" ".join(names),
        initial=names[0],
        states={name: State(name, doc=f"about {name}", entry=(name,), no_deadline="x") for name in names},
        events={name: Event(name, 0, source="caller") for name in names},
        cells=cells,
        settings={},
        sources={},
        guards={},
        actions={},
        outcomes={},
        groups={f"group {name}": (name,) for name in names},
    )
