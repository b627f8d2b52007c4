"""The machines that the engine's benchmark walks, as plain data: every contestant is built from the same rows."""

from __future__ import annotations

import attrs

# An event, and whether the guard holds while it is handled.
Step = tuple[str, bool]


@attrs.frozen
class Row:
    """In `state`, `event` leads to `target`; `guarded` rows stand before the others and need the guard to hold."""

    state: str
    event: str
    target: str
    guarded: bool = False


@attrs.frozen
class Machine:
    """A machine with at most one guard; `counted` are the states whose entry action counts. `lap` leads from the
    first state back to it."""

    name: str
    states: tuple[str, ...]
    rows: tuple[Row, ...]
    counted: frozenset[str]
    lap: tuple[Step, ...]

    @property
    def initial(self) -> str:
        return self.states[0]

    @property
    def events(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(row.event for row in self.rows))

    def following(self, state: str, event: str) -> tuple[Row, ...]:
        """The rows of one cell, in the order in which they are asked."""
        return tuple(row for row in self.rows if (row.state, row.event) == (state, event))


TOGGLE = Machine(
    name="toggle",
    states=("dark", "lit"),
    rows=(Row("dark", "press", "lit"), Row("lit", "press", "dark")),
    counted=frozenset(),
    # no guard here; the flag changes so that what is posted in batches is delivered now and then
    lap=(("press", False),) * 8 + (("press", True),) * 8,
)

WASHER = Machine(
    name="washer",
    states=(
        "idle",
        "filling",
        "heating",
        "washing",
        "paused",
        "draining",
        "rinsing",
        "spinning",
        "balancing",
        "drying",
        "cooling",
        "unlocking",
    ),
    rows=(
        Row("idle", "start", "filling"),
        Row("filling", "full", "heating"),
        Row("heating", "warm", "washing"),
        Row("washing", "pause", "paused"),
        Row("paused", "resume", "washing"),
        Row("washing", "washed", "draining"),
        Row("draining", "drained", "spinning", guarded=True),
        Row("draining", "drained", "rinsing"),
        Row("rinsing", "rinsed", "draining"),
        Row("spinning", "shaking", "balancing"),
        Row("balancing", "level", "spinning"),
        Row("spinning", "spun", "drying"),
        Row("drying", "dried", "cooling"),
        Row("cooling", "cooled", "unlocking"),
        Row("unlocking", "unlocked", "idle"),
    ),
    counted=frozenset({"draining"}),
    lap=(
        ("start", False),
        ("full", False),
        ("warm", False),
        ("pause", False),
        ("resume", False),
        ("washed", False),
        ("drained", False),
        ("rinsed", False),
        ("drained", True),
        ("shaking", True),
        ("level", True),
        ("spun", True),
        ("dried", True),
        ("cooled", True),
        ("unlocked", True),
    ),
)

MACHINES = (TOGGLE, WASHER)


def as_yaml(machine: Machine) -> str:
    """The machine in our own format."""
    head = ["format: 1", f"machine: {machine.name}", "version: 1", f"initial: {machine.initial}"]
    if any(row.guarded for row in machine.rows):
        head.append("guards: {clean: the water is clean}")
    if machine.counted:
        head.append("actions: {count: counts how often}")
    events = [f"  {event}: {{source: caller}}" for event in machine.events]
    if machine.counted:
        events.append("  fault: {source: action}")
    states = [
        f"  {state}: {{{'entry: count, ' if state in machine.counted else ''}no-deadline: it waits to be told}}"
        for state in machine.states
    ]
    rows = [
        f"  - {{in: {row.state}, on: {row.event}, to: {row.target}{', if: clean' if row.guarded else ''}}}"
        for row in machine.rows
    ]
    ignore = ['  - {in: "*", on: "*", because: only what is due is heard}']
    parts = [*head, "events:", *events, "states:", *states, "rows:", *rows]
    covered = len({(row.state, row.event) for row in machine.rows}) == len(machine.states) * len(events)
    return "\n".join([*parts, *([] if covered else ["ignore:", *ignore]), ""])


def course(machine: Machine) -> list[tuple[str, int]]:
    """The state after each step of a lap, and how often an entry action has run by then: read off the rows, with no
    engine at all."""
    state, entered, seen = machine.initial, 0, []
    for event, clean in machine.lap:
        row = next(row for row in machine.following(state, event) if clean or not row.guarded)
        state = row.target
        entered += state in machine.counted
        seen.append((state, entered))
    return seen


# -- scale -----------------------------------------------------------------------------------------------------------

STATES_IN_A_LINE = 10
SOURCES = 20
SOURCES_OF_A_LINE = 3
TIMERS = 8
OWN_ROWS = 6


def generated(states: int, events: int) -> str:
    """A definition in our format with so many states and events, written the way people write: lines of ten states
    that listen to three sources each, rows of their own, rows and ignored events for a whole line.

    `states` counts the final one, `events` the timers and `fault`.
    """
    names = [f"s{index:04}" for index in range(states - 1)]
    facts = [f"e{index:03}" for index in range(events - TIMERS - 2)]
    lines = {
        f"line{index:03}": names[index * STATES_IN_A_LINE : (index + 1) * STATES_IN_A_LINE]
        for index in range(-(-len(names) // STATES_IN_A_LINE))
    }
    listed = min(SOURCES, SOURCES_OF_A_LINE * len(lines))
    source_of = {fact: f"source{index % listed:02}" for index, fact in enumerate(facts)}
    text = [
        "format: 1",
        "machine: generated",
        "version: 1",
        f"doc: {states} states and {events} events, for measuring the loader",
        f"initial: {names[0]}",
        "settings:",
        *(f"  patience{index}: {{value: {index + 1}s, doc: how long it waits}}" for index in range(TIMERS)),
        "sources:",
        *(f"  source{index:02}: kind{index:02}" for index in range(listed)),
        "guards: {sure: looked at once more, calm: nothing else is going on}",
        "actions: {note: writes it down, begin: sets to work, leave: clears up}",
        "outcomes: {over: {doc: it has ended}}",
        "events:",
        "  fault: {source: action, doc: an action failed}",
        "  stop: {source: caller, doc: end}",
        *(
            f"  {fact}: {{source: {source}, rank: {index % 5}}}"
            for index, (fact, source) in enumerate(source_of.items())
        ),
        *(f"  late{index}: {{timer: patience{index}}}" for index in range(TIMERS)),
        "groups:",
        *(f"  {line}: [{', '.join(members)}]" for line, members in lines.items()),
        "states:",
    ]
    rows, ignore = [], []
    for number, (line, members) in enumerate(lines.items()):
        sources = sorted(
            {f"source{(number * SOURCES_OF_A_LINE + step) % listed:02}" for step in range(SOURCES_OF_A_LINE)}
        )
        heard = [fact for fact, source in source_of.items() if source in sources]
        for place, name in enumerate(members):
            index = number * STATES_IN_A_LINE + place
            following = names[(index + 1) % len(names)]
            text.append(f"  {name}:")
            text.append(f"    doc: step {place} of {line}")
            text.append(f"    sources: [{', '.join(sources)}]")
            text.append("    entry: begin" if place == 0 else "    exit: leave")
            text.append(f"    deadlines: late{index % TIMERS}")
            own = [heard[(place * OWN_ROWS + step) % len(heard)] for step in range(OWN_ROWS)]
            rows += [
                f"  - {{in: {name}, on: {own[0]}, if: sure, to: {following}, do: note}}",
                f"  - {{in: {name}, on: {own[0]}, unless: calm, do: note, note: not yet}}",
                f"  - {{in: {name}, on: {own[0]}, to: {members[0]}, note: from the start of the line}}",
                *(f"  - {{in: {name}, on: {fact}, do: note}}" for fact in own[1:]),
                f"  - {{in: {name}, on: late{index % TIMERS}, to: {following}}}",
            ]
        ignore.append(f"  - {{in: {line}, on: [{', '.join(heard)}], because: it is not this state's turn}}")
    text += [
        "  over:",
        "    final: over",
        "rows:",
        *rows,
        '  - {in: "*", on: [stop, fault], to: over}',
        "ignore:",
        *ignore,
    ]
    return "\n".join([*text, ""])
