"""What lasts while the machine goes on: processes, from an opening to its end, and values, from one report to the
next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scxlife.diagrams.timeline.chart import Lane, Span
from scxlife.diagrams.timeline.feeds import Level, Life, Machine
from scxlife.diagrams.timeline.plain import worded


class Lasting:
    def __init__(self, machine: Machine, lanes: Mapping[str, Lane]) -> None:
        self._machine = machine
        self._lanes = lanes
        self._lives: dict[Life, tuple[float, int, Mapping[str, Any]]] = {}
        self._levels: dict[Level, tuple[float, int, str, Mapping[str, Any]]] = {}

    def event(self, record: Mapping[str, Any], line: int) -> None:
        for life in self._machine.lives:
            if record["event"] == life.opens_event:
                self._lives[life] = (record["t"], line, record["data"])
            elif record["event"] == life.closes and life in self._lives:
                begin, opened, data = self._lives.pop(life)
                if record["data"].get(life.proof) is not None:
                    self._live(life, begin, record["t"], opened, {**data, **record["data"]})
        for level in self._machine.levels:
            if level.field in record["data"]:
                self._report(level, record, line)

    def action(self, record: Mapping[str, Any], line: int) -> None:
        for life in self._machine.lives:
            if record["name"] == life.opens_action:
                self._lives[life] = (record["t"], line, {})

    def over(self, t: float) -> None:
        """The tape ends at `t`. Of a life whose beginning alone is told, only one with its proof was one."""
        for life, (begin, line, data) in self._lives.items():
            if data.get(life.proof) is not None:
                self._live(life, begin, t, line, data, still=True)
        for level, (begin, line, label, data) in self._levels.items():
            self._hold(level, begin, t, line, label, data, still=True)

    def _live(
        self, life: Life, begin: float, end: float, line: int, data: Mapping[str, Any], *, still: bool = False
    ) -> None:
        facts = [(key, worded(value)) for key, value in data.items()]
        label = f"{life.label} {data[life.label]}" if data.get(life.label) is not None else life.lane
        self._lanes[life.lane].spans.append(Span(begin, end, label, line, facts, open=still))

    def _report(self, level: Level, record: Mapping[str, Any], line: int) -> None:
        data = record["data"]
        value, detail = data[level.field], data.get(level.detail)
        label = level.nothing if value is None else f"{value}" if detail is None else f"{value}: {detail}"
        before = self._levels.get(level)
        if before is not None:
            if before[2] == label:
                return
            self._hold(level, before[0], record["t"], *before[1:])
        self._levels[level] = (record["t"], line, label, data)

    def _hold(
        self,
        level: Level,
        begin: float,
        end: float,
        line: int,
        label: str,
        data: Mapping[str, Any],
        *,
        still: bool = False,
    ) -> None:
        facts = [(key, worded(value)) for key, value in data.items()]
        quiet = label.partition(":")[0] in level.quiet
        self._lanes[level.lane].spans.append(Span(begin, end, label, line, facts, open=still, quiet=quiet))
