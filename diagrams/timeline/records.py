"""The records of a tape, each with the fields that a picture needs: what lacks one is no tape of version 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scxlife.fsm.tape_reader import NotATape, TapeReader, seconds_of

_TEXT_OR_NULL = (str, type(None))
_FIELDS: Mapping[str, Mapping[str, type | tuple[type, ...]]] = {
    "start": {"state": str},
    "restore": {"snapshot": dict},
    "event": {"event": str, "cause": str, "data": dict},
    "step": {
        "state": str,
        "event": str,
        "cell": str,
        "to": str,
        "guards": dict,
        "do": list,
        "verdict": _TEXT_OR_NULL,
        "because": str,
        "cause": str,
        "data": dict,
    },
    "guard": {"name": str, "error": str},
    "action": {"name": str, "result": str},
    "drop": {"state": str, "event": str, "because": str},
    "end": {"state": str, "outcome": str, "noted_in": str},
}


def checked(tape: TapeReader) -> Iterator[dict[str, Any]]:
    """The records behind the header, their `t` as floats that never go back. A kind with a dot has only that.

    Raises NotATape for one that is damaged.
    """
    last = tape.header.t
    for record in tape:
        record["t"] = seconds_of(record, tape.line)
        if record["t"] < last:
            raise NotATape(tape.line, f"its time goes back, from {last:g} to {record['t']:g} s")
        last = record["t"]
        kind = record.get("kind")
        if isinstance(kind, str) and "." in kind:
            yield record
            continue
        if not isinstance(kind, str) or kind not in _FIELDS:
            raise NotATape(tape.line, f"its kind is none of {', '.join(_FIELDS)}")
        for field, types in _FIELDS[kind].items():
            if not isinstance(record.get(field, ...), types):
                raise NotATape(tape.line, f"its {field} is missing, or not what {kind} records have there")
        yield record
