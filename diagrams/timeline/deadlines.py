"""The deadlines of a run as spans: armed when their state is entered, over when they are due or it is left.

A tape says which deadlines came and not which were armed; that is in the definition. Without one, each that came is
drawn from the moment in which its state was entered.
"""

from __future__ import annotations

from collections.abc import Mapping

from scxlife.diagrams.timeline.chart import Span
from scxlife.fsm.definition import Definition
from scxlife.fsm.durations import format_duration


class Deadlines:
    def __init__(self, definition: Definition | None, settings: Mapping[str, object]) -> None:
        self._definition = definition
        self._settings = settings
        self._entered = 0.0
        self._line = 1
        self._armed: dict[str, tuple[float, int]] = {}
        self.spans: list[Span] = []

    def enter(self, state: str, t: float, line: int) -> None:
        """What the state before had armed is over, and what this one arms begins."""
        self.leave(t)
        self._entered, self._line = t, line
        for name in self._of(state):
            self._arm(name, t, line)

    def again(self, name: str, t: float, line: int) -> None:
        """One that was due starts over."""
        self._arm(name, t, line)

    def due(self, name: str, t: float) -> None:
        begin, line = self._armed.pop(name, (self._entered, self._line))
        self._add(name, begin, t, line, "was due", due=True)

    def leave(self, t: float, *, still: bool = False) -> None:
        """The state is left, or the tape ends while it is `still` the same."""
        for name, (begin, line) in self._armed.items():
            how = "was still armed when the tape ended" if still else "its state was left"
            self._add(name, begin, t, line, how, open=still)
        self._armed = {}

    def _of(self, state: str) -> tuple[str, ...]:
        known = None if self._definition is None else self._definition.states.get(state)
        return () if known is None else known.deadlines

    def _seconds(self, name: str) -> float | None:
        event = None if self._definition is None else self._definition.events.get(name)
        value = None if event is None or event.timer is None else self._settings.get(event.timer)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def _arm(self, name: str, t: float, line: int) -> None:
        if self._seconds(name) is not None:
            self._armed[name] = (t, line)

    def _add(
        self, name: str, begin: float, end: float, line: int, how: str, *, due: bool = False, open: bool = False
    ) -> None:
        seconds = self._seconds(name)
        label = name if seconds is None else f"{name} {format_duration(seconds)}"
        self.spans.append(Span(begin, end, label, line, [("over", how)], open=open, quiet=not due))
