"""A tape read into lanes, in one pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scxlife.diagrams.timeline.chart import Chart, Lane, Mark, Span, Tone
from scxlife.diagrams.timeline.deadlines import Deadlines
from scxlife.diagrams.timeline.feeds import ABOVE, ACTIONS, DEADLINES, EVENTS, LANES, MACHINES, STATE, UNKNOWN, Feed
from scxlife.diagrams.timeline.lasting import Lasting
from scxlife.diagrams.timeline.plain import worded
from scxlife.diagrams.timeline.records import checked
from scxlife.diagrams.timeline.waiting import Waiting
from scxlife.fsm.decision import decide
from scxlife.fsm.definition import FAULT, GO, Decision, Definition
from scxlife.fsm.step import rules_of
from scxlife.fsm.tape_reader import TapeReader

_NO_END = "it has no end: the run was cut off, or is still going on"
_NO_DEFINITION = "without its definition only those deadlines are shown that came"


def read(name: str, tape: TapeReader, definition: Definition | None = None) -> Chart:
    """The chart of a tape, which has to be at its header. `definition` tells which deadlines were armed; it has to be
    of the tape's machine. Raises NotATape, OSError."""
    reading = _Reading(tape, definition)
    for record in checked(tape):
        reading.feed(record, tape.line)
    return reading.chart(name)


class _Reading:
    """What is known up to the record that was fed last."""

    def __init__(self, tape: TapeReader, definition: Definition | None) -> None:
        self._tape = tape
        self._definition = definition
        self._machine = MACHINES.get(tape.header.machine, UNKNOWN)
        self._event_feeds, self._action_feeds = _by_name(self._machine.feeds)
        self._lanes = {key: Lane(key, doc) for key, doc in LANES.items()}
        self._begin = self._end = tape.header.t
        self._waiting = Waiting()
        self._lasting = Lasting(self._machine, self._lanes)
        self._deadlines = Deadlines(definition, tape.header.settings)
        self._state: tuple[str, float, int] | None = None
        # Behind so many actions the state is entered, and its deadlines are armed.
        self._to_do = 0
        self._outcome: str | None = None
        self._kinds: Mapping[str, Callable[[Mapping[str, Any], int], None]] = {
            "start": self._start,
            "restore": self._restore,
            "event": self._event,
            "step": self._step,
            "guard": self._guard,
            "action": self._action,
            "drop": self._drop,
            "end": self._ending,
        }

    def feed(self, record: Mapping[str, Any], line: int) -> None:
        self._end = record["t"]
        self._kinds.get(record["kind"], self._above)(record, line)

    def chart(self, name: str) -> Chart:
        ended = self._outcome is not None
        if self._state is not None:
            self._leave(self._end, still=not ended)
        self._deadlines.leave(self._end, still=not ended)
        self._lasting.over(self._end)
        self._lanes[DEADLINES].spans = self._deadlines.spans
        for lane in self._lanes.values():
            lane.spans.sort(key=lambda span: (span.begin, span.end))
        header = self._tape.header
        return Chart(
            name=name,
            machine=header.machine,
            version=header.definition,
            begin=self._begin,
            end=self._end,
            lanes=[lane for lane in self._lanes.values() if lane.spans or lane.marks],
            lines=self._tape.line,
            outcome=self._outcome,
            inbox=self._waiting.numbers,
            missing=self._tape.missing or ("" if ended else _NO_END),
            note="" if self._definition is not None else _NO_DEFINITION,
        )

    # -- one method for each kind of record --------------------------------------------------------------------

    def _start(self, record: Mapping[str, Any], line: int) -> None:
        self._mark(STATE, record, line, "start", facts=[("state", record["state"])])
        known = None if self._definition is None else self._definition.states.get(record["state"])
        self._enter(record["state"], record["t"], line, 0 if known is None else len(known.entry))

    def _restore(self, record: Mapping[str, Any], line: int) -> None:
        state = str(record["snapshot"].get("state", "?"))
        self._mark(STATE, record, line, "restore", facts=[("state", state), ("snapshot", worded(record["snapshot"]))])
        self._enter(state, record["t"], line, 0)

    def _event(self, record: Mapping[str, Any], line: int) -> None:
        name, data, t = record["event"], record["data"], record["t"]
        deadline = self._is_deadline(record)
        lane = DEADLINES if deadline else _lane(self._event_feeds, name, data, EVENTS)
        state = "" if self._state is None else self._state[0]
        facts = [("event", name), ("state", state), ("cause", record["cause"])]
        facts += [(f"data.{key}", worded(value)) for key, value in data.items()]
        tone = Tone.DUE if deadline else Tone.FAILED if name == FAULT else Tone.PLAIN
        mark = self._mark(lane, record, line, _label(name, data), tone, facts)
        if deadline:
            self._deadlines.due(name, t)
        self._lasting.event(record, line)
        self._waiting.came(mark, record)

    def _step(self, record: Mapping[str, Any], line: int) -> None:
        state, to, t = record["state"], record["to"], record["t"]
        mark = self._waiting.of(record)
        if mark is None:
            lane = _lane(self._event_feeds, record["event"], record["data"], EVENTS)
            facts = [("event", record["event"]), ("state", state), ("cause", record["cause"])]
            mark = self._mark(lane, record, line, record["event"], facts=facts)
        decision = self._decided(record)
        moved = to != state or (decision is not None and decision.kind == GO and not decision.internal)
        mark.facts += _told(record, line, self._begin)
        if moved:
            mark.led = f"{state} → {to}"
            mark.tone = Tone.MOVED if mark.tone == Tone.PLAIN else mark.tone
        if record["verdict"] is not None:
            facts = [("verdict", record["verdict"]), *mark.facts]
            self._mark(STATE, record, line, record["verdict"], Tone.VERDICT, facts)
        if moved:
            self._enter(to, t, line, len(record["do"]))
        elif decision is not None and decision.again:
            self._deadlines.again(record["event"], t, line)

    def _guard(self, record: Mapping[str, Any], line: int) -> None:
        self._mark(EVENTS, record, line, f"guard {record['name']}", Tone.FAILED, [("error", record["error"])])

    def _action(self, record: Mapping[str, Any], line: int) -> None:
        name, result = record["name"], record["result"]
        lane = _lane(self._action_feeds, name, {}, ACTIONS)
        tone = {"failed": Tone.FAILED, "skipped": Tone.DROPPED}.get(result, Tone.PLAIN)
        facts = [("action", name), ("state", "" if self._state is None else self._state[0]), ("result", result)]
        facts += [("error", str(record["error"]))] if "error" in record else []
        self._mark(lane, record, line, name, tone, facts)
        if result == "done":
            self._lasting.action(record, line)
        if self._to_do:
            self._to_do -= 1
            self._arrive(record["t"], line)

    def _drop(self, record: Mapping[str, Any], line: int) -> None:
        mark = self._waiting.of(record)
        if mark is None:
            mark = self._mark(EVENTS, record, line, record["event"], facts=[("event", record["event"])])
        mark.tone = Tone.DROPPED
        mark.facts += [("dropped", f"line {line}, {_after(record['t'], self._begin)}: {record['because']}")]

    def _ending(self, record: Mapping[str, Any], line: int) -> None:
        self._outcome = record["outcome"]
        facts = [("state", record["state"]), ("outcome", record["outcome"]), ("noted in", record["noted_in"])]
        self._mark(STATE, record, line, f"end: {record['outcome']}", Tone.VERDICT, facts)

    def _above(self, record: Mapping[str, Any], line: int) -> None:
        facts = [(key, worded(value)) for key, value in record.items() if key not in ("seq", "t", "kind")]
        self._mark(ABOVE, record, line, record["kind"], facts=facts)

    # -- what follows from them --------------------------------------------------------------------------------

    def _mark(
        self,
        lane: str,
        record: Mapping[str, Any],
        line: int,
        label: str,
        tone: Tone = Tone.PLAIN,
        facts: list[tuple[str, str]] | None = None,
    ) -> Mark:
        mark = Mark(record["t"], label, line, tone, facts or [])
        self._lanes[lane].marks.append(mark)
        return mark

    def _enter(self, state: str, t: float, line: int, actions: int) -> None:
        if self._state is not None:
            self._leave(t)
        self._deadlines.leave(t)
        self._state, self._to_do = (state, t, line), actions
        self._waiting.left(lambda event: self._stays_deferred(state, event))
        self._arrive(t, line)

    def _arrive(self, t: float, line: int) -> None:
        if self._state is not None and not self._to_do:
            self._deadlines.enter(self._state[0], t, line)

    def _leave(self, t: float, *, still: bool = False) -> None:
        assert self._state is not None
        state, begin, line = self._state
        self._lanes[STATE].spans.append(Span(begin, t, state, line, open=still))

    def _is_deadline(self, record: Mapping[str, Any]) -> bool:
        if self._definition is not None and record["event"] in self._definition.events:
            return self._definition.events[record["event"]].timer is not None
        return bool(record["cause"].startswith("deadline")) and not record["data"]

    def _stays_deferred(self, state: str, event: str) -> bool:
        if self._definition is None or event not in self._definition.events or self._tape.header.version < 2:
            return False
        return event in rules_of(self._definition).staying.get(state, ())

    def _decided(self, record: Mapping[str, Any]) -> Decision | None:
        if self._definition is None:
            return None
        try:
            return decide(self._definition, record["state"], record["event"], record["guards"])
        except KeyError:
            return None


def _by_name(feeds: tuple[Feed, ...]) -> tuple[dict[str, Feed], dict[str, Feed]]:
    events: dict[str, Feed] = {}
    actions: dict[str, Feed] = {}
    for feed in feeds:
        events.update(dict.fromkeys(feed.events, feed))
        actions.update(dict.fromkeys(feed.actions, feed))
    return events, actions


def _lane(feeds: Mapping[str, Feed], name: str, data: Mapping[str, Any], rest: str) -> str:
    feed = feeds.get(name)
    return rest if feed is None or (feed.having and feed.having not in data) else feed.lane


def _label(name: str, data: Mapping[str, Any]) -> str:
    """An event's name, or the line that it brings."""
    line = data.get("line")
    return line if isinstance(line, str) and line else name


def _told(record: Mapping[str, Any], line: int, begin: float) -> list[tuple[str, str]]:
    """What a step says beyond the coming of its event."""
    led = f"{record['state']} → {record['to']}" if record["to"] != record["state"] else record["state"]
    facts = [("delivered", f"line {line}, {_after(record['t'], begin)}: {record['cell']}, {led}")]
    facts += [("guards", ", ".join(f"{name}: {worded(answer)}" for name, answer in record["guards"].items()))]
    facts += [("actions", ", ".join(map(str, record["do"])))]
    facts += [("verdict", record["verdict"] or ""), ("because", record["because"])]
    return [(key, value) for key, value in facts if value]


def _after(t: float, begin: float) -> str:
    return f"{t - begin:.6f} s"
