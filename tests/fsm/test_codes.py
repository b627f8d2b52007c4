"""Each code at its exact place, and no finding where nothing is wrong.

The definitions carry their own expectation: what stands between ⟦ and ⟧ is what a finding has to underline.
"""

from __future__ import annotations

import re

import pytest

from scxlife.fsm.codes import ERRORS, WARNINGS
from scxlife.fsm.lint import check, check_text
from scxlife.fsm.table import MAX_GUARDS

FILE = "machine.yaml"
HEAD = "format: 1\nmachine: thing\nversion: 1\ninitial: a\n"
GO = "events: {go: {source: caller}}\n"
TWO = "states:\n  a: {no-deadline: it waits}\n  b: {no-deadline: it waits}\n"
AND_BACK = "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: a}\n"
# Three groups of lines that many machines share: two states, one event that leads from each to the other.
SWITCH = HEAD + GO + TWO + AND_BACK
# More guards in one cell than are counted out, a row for each.
MANY = [f"g{n}" for n in range(MAX_GUARDS + 1)]
CROWD = SWITCH + "".join(f"  - {{in: b, on: go, if: {name}, to: b}}\n" for name in MANY)
CROWDS_GUARDS = f"guards: {{{', '.join(f'{name}: x' for name in MANY)}}}\n"

Found = list[tuple[str, str, int, int, int]]


def unmarked(text: str) -> tuple[str, list[tuple[int, int, int]]]:
    """The text without its marks, and line, column and width of what they enclosed."""
    lines, places = [], []
    for number, line in enumerate(text.split("\n"), 1):
        while match := re.search("⟦(.*?)⟧", line):
            places.append((number, match.start() + 1, max(1, len(match[1]))))
            line = line[: match.start()] + match[1] + line[match.end() :]
        lines.append(line)
    return "\n".join(lines), places


def found_in(text: str | bytes) -> Found:
    return [
        (problem.code, problem.place.file, problem.place.line, problem.place.column, problem.place.width)
        for problem in check_text(text, FILE).problems
    ]


# Of each code one case or more. All findings in a case have its code.
CASES: list[tuple[str, str, str]] = [
    # -- the file ----------------------------------------------------------------------------------------------
    ("empty", "nothing", "⟦⟧"),
    ("empty", "only comments", "⟦⟧# soon\n# really\n"),
    ("yaml-syntax", "a bracket too many", "format: 1\nmachine: ⟦⟧]\n"),
    ("yaml-syntax", "a tab for a space", "format: 1\nstates:\n⟦⟧\ta: {}\n"),
    ("yaml-syntax", "a control character", "format: 1\nmachine: th⟦\x01⟧ing\n"),
    ("several-documents", "a second one", SWITCH + "⟦⟧---\nformat: 1\n"),
    ("several-documents", "an empty second one", SWITCH + "⟦⟧---\n"),
    ("yaml-tag", "on a value", SWITCH + 'settings: {x: {value: ⟦!!int "5"⟧}}\n'),
    ("yaml-tag", "a local one", SWITCH + "settings: {x: {value: ⟦!mine 5⟧}}\n"),
    ("yaml-tag", "on a key", SWITCH + "settings: {⟦!!str x⟧: {value: 5}}\n"),
    ("yaml-boolean", "a setting", SWITCH + "settings: {x: {value: ⟦yes⟧}}\n"),
    ("yaml-boolean", "a key", SWITCH + "settings: {⟦true⟧: {value: 5}}\n"),
    ("yaml-boolean", "no key", SWITCH + "settings: {⟦~⟧: {value: 5}}\n"),
    ("duplicate-key", "at the top", SWITCH + "⟦version⟧: 2\n"),
    ("duplicate-key", "in a row", SWITCH.replace("to: a}", "to: a, ⟦to⟧: b}")),
    ("duplicate-key", "one in quotes", SWITCH.replace("  b: {", "  b: {no-deadline: x}\n  ⟦'a'⟧: {")),
    ("too-deep", "brackets", f"format: 1\nmachine: {'[' * 31}⟦[]⟧{']' * 31}\n"),
    ("too-deep", "more than the reader bears", f"{'[' * 1000}⟦⟧{'[' * 5000}"),
    ("too-deep", "a list that holds itself", "a: ⟦&it [*it]⟧\n"),
    ("include", "from above", SWITCH.replace("initial", "include: ⟦../more.yaml⟧\ninitial")),
    ("include", "from elsewhere, in a list", SWITCH + "include: [⟦/etc/more.yaml⟧]\n"),
    ("include", "itself", SWITCH + "include: ⟦machine.yaml⟧\n"),
    # -- the form ----------------------------------------------------------------------------------------------
    ("unknown-format", "of the future", SWITCH.replace("format: 1", "format: ⟦27⟧")),
    ("unknown-key", "at the top", SWITCH + "⟦colour⟧: red\n"),
    ("unknown-key", "nearly right", SWITCH.replace("b: {no-deadline", "b: {⟦no-dedline⟧")),
    ("unknown-key", "a merge key", SWITCH.replace("b: {", "b: {⟦<<⟧: {doc: x}, ")),
    ("missing-key", "at the top", SWITCH.replace("format", "⟦f⟧ormat").replace("initial: a\n", "")),
    ("missing-key", "in a row", SWITCH.replace("{in: b, on: go, to: a}", "⟦{in: b, to: a}⟧")),
    ("missing-key", "actions and no fault",
     SWITCH.replace("events", "⟦events⟧").replace("to: a}", "to: a, do: beep}") + "actions: {beep: x}\n"),
    ("wrong-type", "a word for a definition", "⟦include⟧\n"),
    ("wrong-type", "text for a number", SWITCH.replace("version: 1", "version: ⟦one⟧")),
    ("wrong-type", "a quoted number", SWITCH.replace("version: 1", "version: ⟦'1'⟧")),
    ("wrong-type", "a truth value for a number", SWITCH.replace("version: 1", "version: ⟦true⟧")),
    ("wrong-type", "a list for a mapping", SWITCH.replace(GO, "events: ⟦[go]⟧\n")),
    ("wrong-type", "a mapping for a list", SWITCH + "ignore: ⟦{}⟧\n"),
    ("wrong-type", "a number among names", SWITCH.replace("on: go, to: a", "on: ⟦[go, 5]⟧, to: a")),
    ("wrong-type", "no names", SWITCH + "ignore: [{⟦in⟧: [], on: go, because: x}]\n"),
    ("wrong-type", "a duration without sense", SWITCH + "settings: {x: {value: ⟦5 parsecs⟧}}\n"),
    ("wrong-type", "a timer that is no duration",
     HEAD + "events: {go: {source: caller}, out: {timer: x}}\nsettings: {x: {value: ⟦never⟧}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, out], to: a}\n"),
    ("bad-name", "a space", SWITCH + "settings: {⟦a b⟧: {value: 5}}\n"),
    ("bad-name", "a digit first", SWITCH.replace("b:", "⟦2b⟧:").replace("to: b", "to: 2b").replace("in: b", "in: 2b")),
    ("bad-name", "a slash", SWITCH + "settings: {⟦a/b⟧: {value: 5}}\n"),
    ("name-taken", "a group like a state",
     SWITCH + "groups: {⟦b⟧: [b]}\n"),
    ("name-taken", "a view like a group",
     SWITCH.replace("in: b", "in: g") + "groups: {g: [b]}\nviews: {⟦g⟧: [a]}\n"),
    ("name-taken", "a source with a meaning of its own",
     SWITCH.replace("a: {", "a: {sources: caller, ") + "sources: {⟦caller⟧: gpio}\n"),
    # -- the names ---------------------------------------------------------------------------------------------
    ("unknown-state", "in `to`", SWITCH.replace("to: b", "to: ⟦attic⟧")),
    ("unknown-state", "in `in`", SWITCH.replace("in: b", "in: ⟦attic⟧")),
    ("unknown-state", "in a list", SWITCH.replace("in: b", "in: [b, ⟦attic⟧]")),
    ("unknown-state", "initial", SWITCH.replace("initial: a", "initial: ⟦attic⟧")),
    ("unknown-state", "in a group", SWITCH.replace("in: b", "in: g") + "groups: {g: [b, ⟦attic⟧]}\n"),
    ("unknown-state", "in a view", SWITCH + "views: {v: [a, ⟦attic⟧]}\n"),
    ("unknown-event", "far", SWITCH.replace("{in: b, on: go", "{in: b, on: ⟦sneeze⟧")),
    ("unknown-event", "near", SWITCH.replace("{in: b, on: go", "{in: b, on: ⟦gow⟧")),
    ("unknown-event", "as a deadline", SWITCH.replace("a: {no-deadline: it waits}", "a: {deadlines: ⟦tomorrow⟧}")),
    ("unknown-event", "posted", HEAD + "events: {go: {source: caller}, fault: {source: action}}\n" + TWO
     + AND_BACK.replace("to: b", "to: b, do: beep") + "actions: {beep: {posts: ⟦nothing⟧}}\n"),
    ("unknown-group", "near", SWITCH.replace("in: b", "in: ⟦ohters⟧") + "groups: {others: [b]}\n"),
    ("unknown-guard", "in `if`", SWITCH.replace("to: a}", "to: a, if: ⟦dark⟧}")),
    ("unknown-guard", "in `unless`", SWITCH.replace("to: a}", "to: a, unless: [⟦dark⟧]}")),
    ("unknown-action", "in `do`", SWITCH.replace("to: a}", "to: a, do: ⟦beep⟧}")),
    ("unknown-action", "on entry", SWITCH.replace("b: {", "b: {entry: [⟦beep⟧], ")),
    ("unknown-source", "of an event", SWITCH.replace("source: caller", "source: ⟦button⟧")),
    ("unknown-source", "of a state", SWITCH.replace("b: {", "b: {sources: ⟦button⟧, ")),
    ("unknown-source", "of a profile", SWITCH + "profiles: {p: {sources: {⟦button⟧: gpio}}}\n"),
    ("unknown-setting", "of a timer", SWITCH.replace("}}", "}, out: {timer: ⟦patience⟧}}")),
    ("unknown-setting", "of a profile", SWITCH + "profiles: {p: {settings: {⟦patience⟧: 5s}}}\n"),
    ("unknown-outcome", "final", SWITCH.replace("b: {no-deadline: it waits}", "b: {final: ⟦over⟧}")
     .replace("  - {in: b, on: go, to: a}\n", "")),
    ("unknown-outcome", "noted", SWITCH.replace("to: a}", "to: a, verdict: ⟦over⟧}")),
    ("unknown-reason", "near", HEAD + GO + "outcomes: {over: {reasons: {tired: x}}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {final: ⟦over/tried⟧}\nrows: [{in: a, on: go, to: b}]\n"),
    ("missing-reason", "final", HEAD + GO + "outcomes: {over: {reasons: {tired: x}}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {final: ⟦over⟧}\n  c: {final: over/tired}\n"
     "guards: {g: x}\nrows: [{in: a, on: go, if: g, to: b}, {in: a, on: go, to: c}]\n"),
    # -- events, deadlines and actions -------------------------------------------------------------------------
    ("event-origin", "none", SWITCH.replace("go: {source: caller}", "⟦go⟧: {}")),
    ("event-origin", "two", SWITCH.replace("go: {source: caller}", "⟦go⟧: {source: caller, timer: t}")
     + "settings: {t: {value: 5s}}\n"),
    ("not-a-timer", "a caller's event", SWITCH.replace("b: {no-deadline: it waits}", "b: {deadlines: ⟦go⟧}")),
    ("no-deadline", "nothing said", SWITCH.replace("b: {no-deadline: it waits}", "⟦b⟧: {}")),
    ("zero-deadline", "a timer of no time",
     HEAD + "events: {go: {source: caller}, out: {timer: x}}\nsettings: {x: {value: ⟦0s⟧}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, out], to: a}\n"),
    ("no-deadline", "both said", HEAD + "events: {go: {source: caller}, out: {timer: t}}\nsettings: {t: {value: 5s}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {deadlines: out, ⟦no-deadline⟧: x}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, out], to: a}\n"),
    ("final-state", "listens", HEAD + "events: {go: {source: s}}\nsources: {s: gpio}\noutcomes: {over: {}}\n"
     "states:\n  a: {no-deadline: x, sources: s}\n  b: {final: over, ⟦sources⟧: s}\nrows: [{in: a, on: go, to: b}]\n"),
    ("final-state", "is left", HEAD + "events: {go: {source: caller}, fault: {source: action}}\noutcomes: {over: {}}\n"
     "actions: {beep: x}\nstates:\n  a: {no-deadline: x}\n  b: {final: over, ⟦exit⟧: beep}\n"
     "rows: [{in: a, on: [go, fault], to: b}]\n"),
    ("unhandled-timer", "nothing said", HEAD + "events: {go: {source: caller}, out: {timer: t}}\n"
     "settings: {t: {value: 5s}}\nstates:\n  a: {deadlines: out}\n  b: {deadlines: [⟦out⟧]}\n"
     "rows:\n  - {in: a, on: [go, out], to: b}\n  - {in: b, on: go, to: a}\n"),
    ("unhandled-timer", "ignored", HEAD + "events: {go: {source: caller}, out: {timer: t}}\n"
     "settings: {t: {value: 5s}}\nstates:\n  a: {no-deadline: x}\n  b: {deadlines: ⟦out⟧}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: a}\nignore: [{in: b, on: out, because: x}]\n"),
    ("unhandled-timer", "a row that does nothing", HEAD + "events: {go: {source: caller}, out: {timer: t}}\n"
     "settings: {t: {value: 5s}}\nstates:\n  a: {no-deadline: x}\n  b: {deadlines: ⟦out⟧}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: a}\n  - {in: b, on: out}\n"),
    ("not-refusable", "a deadline", HEAD + "events: {go: {source: caller}, out: {timer: t}}\n"
     "settings: {t: {value: 5s}}\nstates:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: a}\nreject: [{in: b, on: ⟦out⟧, because: x}]\n"),
    ("not-refusable", "what a source tells", HEAD + "events: {go: {source: caller}, ring: {source: wire}}\n"
     "sources: {wire: gpio}\nstates:\n  a: {no-deadline: x}\n  b: {sources: wire, no-deadline: x}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: a}\nreject: [{in: b, on: [⟦ring⟧], because: x}]\n"),
    ("not-a-timer", "again where nothing is armed", SWITCH.replace(
        "to: a}", "to: a}\n  - {in: b, on: stay, ⟦again⟧: true}")
     .replace("{go:", "{stay: {source: caller}, go:") + "ignore: [{in: a, on: stay, because: x}]\n"),
    ("not-a-timer", "again where the state is left", HEAD + "events: {go: {source: caller}, out: {timer: t}}\n"
     "settings: {t: {value: 5s}}\nstates:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: a}\n  - {in: b, on: out, to: a, ⟦again⟧: true}\n"),
    ("unarmed-timer", "handled where another state arms it", HEAD
     + "events: {go: {source: caller}, out: {timer: t}}\nsettings: {t: {value: 5s}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, out], to: a}\n  - {in: ⟦a⟧, on: out, to: b}\n"),
    ("unarmed-timer", "handled in a group that never arms it", HEAD
     + "events: {go: {source: caller}, out: {timer: t}}\nsettings: {t: {value: 5s}}\ngroups: {g: [a]}\n"
     "states:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, out], to: a}\n  - {in: g, ⟦on⟧: out, to: b}\n"),
    ("unarmed-timer", "declared and armed nowhere", SWITCH.replace("}}", "}, ⟦out⟧: {timer: t}}")
     + "settings: {t: {value: 5s}}\n"),
    ("unopened-source", "by name", HEAD + "events: {go: {source: caller}, ding: {source: s}}\nsources: {s: gpio}\n"
     "states:\n  a: {no-deadline: x}\n  b: {no-deadline: x, sources: s}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, ding], to: a}\n  - {in: ⟦a⟧, on: ding, to: b}\n"),
    ("unopened-source", "in a group", HEAD + "events: {go: {source: caller}, ding: {source: s}}\nsources: {s: gpio}\n"
     "groups: {g: [a]}\nstates:\n  a: {no-deadline: x}\n  b: {no-deadline: x, sources: s}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, ding], to: a}\n"
     "ignore: [{in: g, ⟦on⟧: ding, because: x}]\n"),
    ("not-postable", "a caller's event", HEAD + "events: {go: {source: caller}, fault: {source: action}}\n" + TWO
     + "actions: {beep: {posts: ⟦go⟧}}\nrows:\n  - {in: a, on: [go, fault], to: b, do: beep}\n"
     "  - {in: b, on: [go, fault], to: a}\n"),
    ("not-postable", "a deadline", HEAD + "events: {fault: {source: action}, out: {timer: t}}\n"
     "settings: {t: {value: 5s}}\nstates:\n  a: {deadlines: out}\n  b: {deadlines: out}\n"
     "actions: {beep: {posts: [⟦out⟧]}}\nrows:\n  - {in: a, on: '*', to: b, do: beep}\n  - {in: b, on: '*', to: a}\n"),
    ("unposted-event", "by nobody", SWITCH.replace("}}", "}, ⟦done⟧: {source: action}}")
     + "ignore: [{in: '*', on: done, because: x}]\n"),
    # -- the table ---------------------------------------------------------------------------------------------
    ("missing-cell", "one state", HEAD + "events: {go: {source: caller}, stop: {source: caller}}\n"
     "states:\n  a: {no-deadline: x}\n  ⟦b⟧: {no-deadline: x}\n"
     "rows:\n  - {in: a, on: [go, stop], to: b}\n  - {in: b, on: go, to: a}\n"),
    ("missing-cell", "no state knows the event", SWITCH.replace("}}", "}, ⟦stop⟧: {source: caller}}")),
    ("missing-cell", "when the guard does not hold", (SWITCH + "guards: {g: x}\n").replace("to: a}", "to: a, if: g}")
     .replace("  b:", "  ⟦b⟧:")),
    ("missing-cell", "one of four combinations", HEAD + GO + "guards: {g: x, h: x}\n"
     "states:\n  ⟦a⟧: {no-deadline: x}\n  b: {no-deadline: x}\n"
     "rows:\n  - {in: a, on: go, if: g, to: b}\n  - {in: a, on: go, if: h, to: a}\n  - {in: b, on: go, to: a}\n"),
    ("missing-cell", "a source that is open", HEAD + "events: {go: {source: caller}, ding: {source: s}}\n"
     "sources: {s: gpio}\nstates:\n  a: {no-deadline: x, sources: s}\n  ⟦b⟧: {no-deadline: x, sources: s}\n"
     "rows:\n  - {in: a, on: [go, ding], to: b}\n  - {in: b, on: go, to: a}\n"),
    ("duplicate-row", "by name", SWITCH + "  - ⟦{in: [b], on: [go], to: a}⟧\n"),
    ("duplicate-row", "with the same guards in another order", SWITCH + "  - {in: b, on: go, if: g, unless: h, to: b}\n"
     "  - ⟦{in: b, on: go, unless: h, if: g, to: b}⟧\nguards: {g: x, h: x}\n"),
    ("duplicate-row", "through two groups", SWITCH.replace("in: b", "in: [one]")
     + "  - ⟦{in: two, on: go, to: a}⟧\ngroups: {one: [b], two: [b]}\n"),
    ("overlapping-rows", "by name", SWITCH + "  - ⟦{in: b, on: go, to: b}⟧\n"),
    ("overlapping-rows", "with the same guard", SWITCH + "  - {in: b, on: go, if: g, to: b}\n"
     "  - ⟦{in: b, on: go, if: g}⟧\nguards: {g: x}\n"),
    ("overlapping-rows", "with the same guard not holding", SWITCH + "  - {in: b, on: go, unless: g, to: b}\n"
     "  - ⟦{in: b, on: go, unless: g}⟧\nguards: {g: x}\n"),
    ("overlapping-rows", "through two groups", SWITCH.replace("in: b", "in: [one]")
     + "  - ⟦{in: two, on: go, to: b}⟧\ngroups: {one: [b], two: [b]}\n"),
    ("overlapping-rows", "for every state", HEAD + GO + TWO
     + "rows:\n  - {in: '*', on: go, to: b}\n  - {in: b, on: '*', to: a}\n  - ⟦{in: '*', on: go}⟧\n"),
    ("overlapping-rows", "for every event", HEAD + GO + TWO
     + "rows:\n  - {in: a, on: '*', to: b}\n  - ⟦{in: a, on: '*'}⟧\n  - {in: b, on: go, to: a}\n"),
    ("overlapping-rows", "a row and an ignored event", SWITCH + "ignore: [⟦{in: b, on: go, because: x}⟧]\n"),
    ("shadowed-row", "by narrower rows", SWITCH + "  - ⟦{in: '*', on: go, to: b}⟧\n"),
    ("shadowed-row", "every event, each handled", SWITCH + "  - ⟦{in: b, on: '*', to: b}⟧\n"),
    ("shadowed-row", "by an earlier row with fewer guards", SWITCH + "  - {in: b, on: go, if: g, to: b}\n"
     "  - ⟦{in: b, on: go, if: [g, h]}⟧\nguards: {g: x, h: x}\n"),
    ("shadowed-row", "both values are taken before it", SWITCH.replace("to: a}", "to: a, if: g}")
     + "  - {in: b, on: go, unless: g, to: b}\n  - ⟦{in: b, on: go}⟧\nguards: {g: x}\n"),
    ("shadowed-row", "an ignored event", SWITCH + "ignore: [⟦{in: '*', on: go, because: x}⟧]\n"),
    ("unopened-source", "a row with a guard", HEAD
     + "events: {go: {source: caller}, ding: {source: s}}\nsources: {s: gpio}\nguards: {g: x}\n"
     "states:\n  a: {no-deadline: x}\n  b: {no-deadline: x, sources: s}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: a}\n"
     "  - {in: [⟦a⟧, b], on: ding, if: g, to: a}\n  - {in: b, on: ding, to: b}\n"),
    ("duplicate-row", "one of many guards", CROWD + "  - ⟦{in: b, on: go, if: g3, to: b}⟧\n" + CROWDS_GUARDS),
    ("overlapping-rows", "one of many guards", CROWD + "  - ⟦{in: b, on: go, if: g3}⟧\n" + CROWDS_GUARDS),
    ("shadowed-row", "one of many guards", CROWD + "  - ⟦{in: b, on: go, if: [g3, g4], to: b}⟧\n" + CROWDS_GUARDS),
    ("missing-cell", "many guards and no row without", CROWD.replace("on: go, to: a", "on: go, if: g0, to: a")
     .replace("  b: {no", "  ⟦b⟧: {no").replace("  - {in: b, on: go, if: g0, to: b}\n", "") + CROWDS_GUARDS),
    ("contradictory-guards", "at once", SWITCH + "  - {in: b, on: go, if: g, ⟦unless⟧: [g], to: b}\nguards: {g: x}\n"),
    ("row-out-of-final", "alone", HEAD + GO + "outcomes: {over: {}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {final: over}\n"
     "rows:\n  - {in: a, on: go, to: b}\n  - {in: ⟦b⟧, on: go, to: a}\n"),
    ("row-out-of-final", "among living ones", HEAD + GO + "outcomes: {over: {}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {final: over}\nrows:\n  - {in: [a, ⟦b⟧], on: go, to: b}\n"),
    # -- the graph ---------------------------------------------------------------------------------------------
    ("unreachable", "alone", SWITCH.replace("states:\n", "states:\n  ⟦attic⟧: {no-deadline: x}\n")
     .replace("rows:\n", "rows:\n  - {in: attic, on: go, to: a}\n")),
    ("unreachable", "two that reach one another", SWITCH.replace(
        "states:\n", "states:\n  ⟦c⟧: {no-deadline: x}\n  ⟦d⟧: {no-deadline: x}\n")
     + "  - {in: c, on: go, to: d}\n  - {in: d, on: go, to: c}\n"),
    ("dead-end", "without finals", SWITCH.replace("  b:", "  ⟦b⟧:").replace("to: a}", "to: b}")),
    ("dead-end", "with finals", HEAD + GO + "outcomes: {over: {}}\nguards: {g: x}\n"
     "states:\n  a: {no-deadline: x}\n  ⟦b⟧: {no-deadline: x}\n  c: {final: over}\n"
     "rows:\n  - {in: a, on: go, if: g, to: b}\n  - {in: a, on: go, to: c}\nignore: [{in: b, on: go, because: x}]\n"),
    ("no-way-out", "a circle", HEAD + GO + "outcomes: {over: {}}\nguards: {g: x}\n"
     "states:\n  a: {no-deadline: x}\n  ⟦b⟧: {no-deadline: x}\n  ⟦c⟧: {no-deadline: x}\n  d: {final: over}\n"
     "rows:\n  - {in: a, on: go, if: g, to: b}\n  - {in: a, on: go, to: d}\n"
     "  - {in: b, on: go, to: c}\n  - {in: c, on: go, to: b}\n"),
    # -- what exploring finds (more of it in test_exploration.py) ------------------------------------------------
    ("impossible-reached", "a fault", HEAD + "events: {go: {source: caller}, fault: {source: action}}\n" + TWO
     + "actions: {beep: x}\nrows:\n  - {in: a, on: go, to: b, do: beep}\n  - {in: b, on: go, to: a}\n"
     "ignore: [{in: a, on: fault, because: x}]\nimpossible: [⟦{in: b, on: fault, because: x}⟧]\n"),
    ("never-consumed", "ignored afterwards", HEAD + "events: {go: {source: caller}, ding: {source: caller}}\n" + TWO
     + AND_BACK + "ignore: [{in: a, on: ding, because: x}]\ndefer: [⟦{in: b, on: ding, because: x}⟧]\n"),
    ("immediate-cycle", "alone", HEAD + "events: {go: {source: caller}, fault: {source: action}, "
     "done: {source: action}}\n" + TWO + "actions: {beep: {posts: done}}\n"
     "rows:\n  - {in: a, on: go, to: b, do: beep}\n  - ⟦{in: b, on: done, do: beep}⟧\n  - {in: b, on: go, to: a}\n"
     "ignore: [{in: '*', on: fault, because: x}, {in: a, on: done, because: x}]\n"),
    ("no-verdict", "none at all", HEAD + GO + "states:\n  a: {no-deadline: x}\n  b: {⟦final⟧: verdict}\n"
     "rows: [{in: a, on: go, to: b}]\n"),
    # -- warnings ----------------------------------------------------------------------------------------------
    ("unused-guard", "alone", SWITCH + "guards: {⟦g⟧: x}\n"),
    ("unused-action", "alone", HEAD + "events: {go: {source: caller}, fault: {source: action}}\n" + TWO + AND_BACK
     + "actions: {⟦beep⟧: x}\nignore: [{in: '*', on: fault, because: x}]\n"),
    ("unused-group", "alone", SWITCH + "groups: {⟦g⟧: [a]}\n"),
    ("unused-source", "no event has it", SWITCH + "sources: {⟦s⟧: gpio}\n"),
    ("unused-event", "impossible everywhere", SWITCH.replace("}}", "}, ⟦stop⟧: {source: caller}}")
     + "impossible: [{in: '*', on: stop, because: x}]\n"),
    ("unused-outcome", "an outcome", SWITCH + "outcomes: {⟦over⟧: {}}\n"),
    ("unused-outcome", "a reason", HEAD + GO + "outcomes: {over: {reasons: {tired: x, ⟦bored⟧: x}}}\n"
     "states:\n  a: {no-deadline: x}\n  b: {final: over/tired}\nrows: [{in: a, on: go, to: b}]\n"),
]  # fmt: skip


# Of each a file that is no text for a table.
IN_BYTES = {"unreadable", "not-utf8", "too-large"}


@pytest.mark.parametrize(
    ("code", "marked"), [pytest.param(code, text, id=f"{code}: {what}") for code, what, text in CASES]
)
def test_each_mistake_is_told_once_and_exactly_where_it_is(code: str, marked: str) -> None:
    text, places = unmarked(marked)
    assert found_in(text) == [(code, FILE, *place) for place in places], str(check_text(text, FILE).problems)


def test_every_code_has_a_case() -> None:
    assert {code for code, *_ in CASES} | IN_BYTES == ERRORS.keys() | WARNINGS.keys()


def test_what_is_not_utf8_is_placed_by_its_characters() -> None:
    text = "# caf\u00e9 \u732b ".encode() + b"\xff\n"
    assert found_in(b"format: 1\n" + text) == [("not-utf8", FILE, 2, 10, 1)]


def test_what_is_too_large_is_not_read() -> None:
    assert found_in(b"#" * (32 * 1024 * 1024 + 1)) == [("too-large", FILE, 1, 1, 1)]


def test_aliases_that_stand_for_millions_of_values_are_too_large() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (found,) = check_text("\n".join(lines), FILE).problems
    assert found.code == "too-large"


@pytest.mark.parametrize(("count", "more"), [(8, ""), (9, " and 1 more")])
def test_of_many_names_a_few_are_told(count: int, more: str) -> None:
    reasons = ", ".join(f"r{number}: x" for number in range(count))
    text = (
        HEAD + GO + f"outcomes: {{over: {{reasons: {{{reasons}}}}}}}\n"
        "states:\n  a: {no-deadline: x}\n  b: {final: over}\nrows: [{in: a, on: go, to: b}]\n"
    )
    told = "outcome 'over' needs one of its reasons: r0, r1, r2, r3, r4, r5, r6, r7"
    assert f"{told}{more}" in [problem.message for problem in check_text(text, FILE).problems]


def test_a_character_that_yaml_does_not_allow_is_named() -> None:
    (found,) = check_text("format: 1\nmachine: th\x01ing\n", FILE).problems
    assert re.fullmatch("unacceptable character #x0001: [a-z ]+", found.message)


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("really is", "; a text with a comma in it stands in quotes"),
        ("no deadline", "; did you mean 'no-deadline'?"),
        ("zebra", ""),
    ],
)
def test_a_key_that_nobody_knows_is_told_with_a_hint_where_there_is_one(key: str, hint: str) -> None:
    (found,) = check_text(SWITCH.replace("b: {", f"b: {{{key}: x, "), FILE).problems
    assert found.message == f"unknown key {key!r}{hint}"


def test_a_file_that_is_not_there_is_unreadable() -> None:
    (found,) = check("no/such/file.yaml").problems
    assert (found.code, str(found.place), found.place.width) == ("unreadable", "no/such/file.yaml:1:1", 1)


def test_rows_that_disagree_in_several_cells_are_told_once() -> None:
    text, places = unmarked(
        HEAD + "events: {go: {source: caller}, stop: {source: caller}}\n" + TWO
        + "rows:\n  - {in: a, on: '*', to: b}\n  - {in: b, on: [go, stop], to: a}\n  - ⟦{in: b, on: [stop, go]}⟧\n"
    )  # fmt: skip
    assert found_in(text) == [("overlapping-rows", FILE, *places[0])]


# -- what is right -----------------------------------------------------------------------------------------------

SOUND = {
    "a guard and its opposite need no row without guards": (SWITCH + "guards: {g: x}\n").replace(
        "to: a}", "to: a, if: g}"
    )
    + "ignore: [{in: b, on: go, unless: g, because: x}]\n",
    "three rows that are all of two guards": HEAD + GO + TWO + "guards: {g: x, h: x}\nrows:\n"
    "  - {in: a, on: go, if: g, to: b}\n  - {in: a, on: go, if: h, to: b}\n  - {in: a, on: go, unless: [g, h]}\n"
    "  - {in: b, on: go, to: a}\n",
    "as many guards as are counted out may close a cell together": SWITCH.replace(
        "on: go, to: a", "on: go, if: g0, to: a"
    )
    + "".join(f"  - {{in: b, on: go, if: {name}, to: b}}\n" for name in MANY[1:MAX_GUARDS])
    + f"  - {{in: b, on: go, unless: [{', '.join(MANY[:MAX_GUARDS])}], to: b}}\n"
    + f"guards: {{{', '.join(f'{name}: x' for name in MANY[:MAX_GUARDS])}}}\n",
    "many guards are closed by a row without any": CROWD + CROWDS_GUARDS,
    "a row without guards may stand before those with guards": SWITCH + "  - {in: b, on: go, if: g, to: b}\n"
    "guards: {g: x}\n",
    "a state goes before its group and a group before all": HEAD + GO + "groups: {g: [b, c]}\n"
    "states:\n  a: {no-deadline: x}\n  b: {no-deadline: x}\n  c: {no-deadline: x}\n"
    "rows:\n  - {in: '*', on: go, to: b}\n  - {in: g, on: go, to: c}\n  - {in: c, on: go, to: a}\n",
    "a state settles where two groups overlap": HEAD + GO + "groups: {up: [b, c], down: [b, d]}\n"
    "states:\n  a: {no-deadline: x}\n  b: {no-deadline: x}\n  c: {no-deadline: x}\n  d: {no-deadline: x}\n"
    "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: go, to: c}\n  - {in: up, on: go, to: d}\n"
    "  - {in: down, on: go, to: a}\n",
    "an event goes before every event": HEAD
    + "events: {go: {source: caller}, stop: {source: caller}}\n"
    + TWO
    + "rows:\n  - {in: a, on: '*', to: b}\n  - {in: a, on: stop}\n  - {in: b, on: '*', to: a}\n",
    "a state for every event goes before every state for an event": SWITCH.replace(
        "in: b, on: go", "in: b, on: '*'"
    ).replace("in: a,", "in: '*',"),
    "a group may hold final states, of which its rows say nothing": HEAD + GO + "groups: {g: [a, b]}\n"
    "outcomes: {over: {}}\nstates:\n  a: {no-deadline: x}\n  b: {final: over}\nrows: [{in: g, on: go, to: b}]\n",
    "every state means those that are not final": HEAD + GO + "outcomes: {over: {}}\n"
    "states:\n  a: {no-deadline: x}\n  b: {final: over}\nrows: [{in: '*', on: go, to: b}]\n",
    "a machine of one state is no dead end": HEAD + GO + "states: {a: {no-deadline: x}}\nrows: [{in: a, on: go}]\n",
    "a machine without final states goes on for ever": SWITCH,
    "a deadline comes only where it is armed": HEAD + "events: {go: {source: caller}, out: {timer: t}}\n"
    "settings: {t: {value: 5s}}\nstates:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
    "rows:\n  - {in: a, on: go, to: b}\n  - {in: '*', on: out, to: a}\n  - {in: b, on: go, to: a}\n",
    "every event means those that can come": HEAD + "events: {go: {source: caller}, ding: {source: s}}\n"
    "sources: {s: gpio}\nstates:\n  a: {no-deadline: x}\n  b: {no-deadline: x, sources: s}\n"
    "rows:\n  - {in: a, on: '*', to: b}\n  - {in: b, on: '*', to: a}\n",
    "a deadline without a duration is armed and never due": HEAD
    + "events: {go: {source: caller}, out: {timer: t}}\nsettings: {t: {value: null}}\n"
    "states:\n  a: {no-deadline: x}\n  b: {deadlines: out}\n"
    "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: [go, out], to: a}\n",
    "the words of old YAML are names like others": HEAD.replace("initial: a", "initial: off")
    + GO
    + "states:\n  off: {no-deadline: x}\n  on: {no-deadline: no}\n"
    "rows:\n  - {in: off, on: go, to: on}\n  - {in: on, on: go, to: off}\n",
    "what a caller must not send is impossible by the author's word": HEAD
    + "events: {go: {source: caller}, stop: {source: caller}}\n"
    + TWO
    + "rows:\n  - {in: a, on: go, to: b}\n  - {in: b, on: '*', to: a}\n"
    "impossible: [{in: a, on: stop, because: x}]\n",
    "a group may be there for a view alone": SWITCH + "groups: {g: [a]}\nviews: {v: [g, b]}\n",
    "lines may end as on Windows": SWITCH.replace("\n", "\r\n"),
    "lines may end as on old Macs": SWITCH.replace("\n", "\r"),
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND)
def test_no_finding_where_nothing_is_wrong(text: str) -> None:
    report = check_text(text, FILE)
    assert report.problems == ()
    assert report.definition is not None
    assert all(cell and not cell[-1].guards for cell in report.definition.cells.values())
