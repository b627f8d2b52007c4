"""The tape: all that a run was told, decided and did, as JSON Lines.

The first record is the header: `{"kind": "tape", "version": 2, "machine": …, "seq": 0, "t": …}`. Each record has
`seq` (counts from 0), `t` (monotonic seconds) and `kind`: `start`, `event` (came into the inbox), `step` (was
delivered: state, cell, target, guards, actions), `action` (its result), `drop`, `end`. One record is one write. A
`gap` has none of these but `lines`: so many records are missing there, for they were not read in time.
docs/tape.md has every field; `tape_reader` reads a tape back and `replay` holds it against its definition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .definition import Definition
from .events import NOTHING
from .json_text import json_text
from .misuse import expect

# 1: what was deferred came back at each change of the state, also where it was only deferred again.
VERSION = 2
#: The kind of a line that a writer puts in place of `lines` records which it had to drop.
GAP = "gap"

Record = Mapping[str, Any]


class Tape:
    """Numbers records and hands each, as a line of JSON without its newline, to `readers`.

    Any line can be encoded as UTF-8, and is safe on a terminal. `records` are given the records themselves: for who
    reads along in the same process. Without a reader no line is made.
    """

    def __init__(
        self,
        definition: Definition,
        clock: Callable[[], float],
        *readers: Callable[[str], object],
        records: Iterable[Callable[[Record], object]] = (),
    ) -> None:
        expect(isinstance(definition, Definition), "Tape() wants the definition of the machine first", definition)
        expect(callable(clock), "Tape() wants a function second that gives monotonic seconds", clock)
        for reader in (*readers, *(records := tuple(records))):
            expect(
                callable(reader),
                "what reads a tape is a function of a line or a record, such as print",
                reader,
            )
        self._readers = readers
        self._records = records
        self._seq = 0
        self(
            {
                "kind": "tape",
                "t": clock(),
                "version": VERSION,
                "machine": definition.name,
                "definition": definition.version,
                "settings": dict(definition.settings),
            }
        )

    def __call__(self, record: Record) -> None:
        known = type(record) is dict or isinstance(record, Mapping)  # a dict needs no look at its bases
        if not known or "kind" not in record or "t" not in record:
            expect(False, "a record is a mapping that has a `kind`, and in `t` its moment", record)
        whole = {"seq": self._seq, **record}
        if whole.get("data") is NOTHING:
            whole["data"] = {}  # the encoder knows it: no call for each event without any
        self._seq += 1
        for read in self._records:
            read(whole)
        if self._readers:
            line = record_text(whole)
            for reader in self._readers:
                reader(line)


def record_text(record: Record) -> str:
    """A record as a line of JSON: what JSON has no form for stands there as text."""
    try:
        return json_text(record, default=_plain, allow_nan=False)
    except ValueError:
        return json_text(_finite(record), default=_plain)


def _finite(value: object) -> object:
    """The value with what JSON has no number for as text: `nan`, `inf`, `-inf`."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return value


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
