"""A tape read back: lines become records, and what is no tape is told as such.

Whoever hands a tape on may have cut, mended or made it up: every line is bounded, parsed strictly and of one kind,
and no reader behind this one meets anything but JSON objects.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO, NoReturn

import attrs

from .definition import Value
from .tape import GAP, VERSION

#: Bytes of one record at most, with its newline. A longer line is not read to its end.
LONGEST_LINE = 16 << 20
#: Records that a reader keeps in memory at most, if it keeps them: a picture of more is of no use.
MOST_KEPT = 200_000
#: And bytes of them.
MOST_BYTES = 256 << 20


class NotATape(ValueError):
    """What was read is no tape of this version, from line `line` (from 1) on."""

    def __init__(self, line: int, reason: str) -> None:
        self.line = line
        self.reason = reason
        super().__init__(f"line {line}: {reason}")


@attrs.frozen
class Header:
    """What a tape says of its machine. `definition` is the definition's version, `version` the tape's, `t` when it
    begins, in seconds."""

    machine: str
    definition: int
    settings: Mapping[str, Value]
    t: float
    version: int = VERSION


def lines_of(file: BinaryIO, most: int | None = None) -> Iterator[bytes]:
    """The lines of `file`, each with its newline. Raises NotATape for one that is longer than LONGEST_LINE, and where
    there are more than `most`."""
    number = total = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise NotATape(number, f"it is longer than {LONGEST_LINE >> 20} MiB")
        total += len(line)
        if most is not None and (number > most or total > MOST_BYTES):
            text = f"more than {most} records, or {MOST_BYTES >> 20} MiB, can't be shown: cut out a part"
            raise NotATape(number, text)
        yield line


class TapeReader:
    """The records of a tape, one at a time. The header is read at once: NotATape is raised where there is none.

    `lines` are text or UTF-8, with or without their newlines. `line` and `text` are the place and the words of the
    record that was read last. A last line that is only the beginning of a record ends the tape, and so does a gap, in
    whose place records were dropped; `missing` then says so in words.
    """

    def __init__(self, lines: Iterable[str | bytes]) -> None:
        self._lines = iter(lines)
        self.line = 0
        self.text = ""
        self.missing = ""
        first = next(self, None)
        if first is None:
            raise NotATape(1, "the header is cut off" if self.missing else "there is none: the tape is empty")
        self.first: Mapping[str, Any] = first
        self.header = _header(first)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self

    def __next__(self) -> dict[str, Any]:
        """The next record. Raises NotATape for a line that is not one JSON object."""
        line = next(self._lines)
        raw = line.encode("utf-8", "surrogatepass") if isinstance(line, str) else line
        number = self.line + 1
        try:
            text = raw.decode()
            record = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            if raw.startswith(b"{") and not raw.endswith(b"\n") and next(self._lines, None) is None:
                self.missing = "its last line is cut off"
                raise StopIteration from None
            if isinstance(error, UnicodeDecodeError):
                raise NotATape(number, "it is not UTF-8") from None
            raise NotATape(number, f"it is not JSON: {error.msg} at column {error.colno}") from None
        except ValueError as error:
            raise NotATape(number, f"it is not JSON: {error}") from None
        except RecursionError:
            raise NotATape(number, "it is nested too deeply") from None
        if not isinstance(record, dict):
            raise NotATape(number, "it is not a JSON object")
        if record.get("kind") == GAP:
            self.missing = f"line {number} is a gap: what comes after it can't be followed"
            raise StopIteration
        self.line, self.text = number, text.rstrip("\r\n")
        return record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are all different: of two, one reader would believe the first and another the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no value of JSON")


def _header(record: Mapping[str, Any]) -> Header:
    if record.get("kind") != "tape":
        raise NotATape(1, "it is not the header of a tape")
    version = record.get("version")
    if type(version) is not int:
        raise NotATape(1, "the header does not say which version of tape it is")
    if not 1 <= version <= VERSION:
        raise NotATape(1, f"it is a tape of version {version}; only versions 1 to {VERSION} are known here")
    machine, definition, settings = record.get("machine"), record.get("definition"), record.get("settings")
    if not isinstance(machine, str) or type(definition) is not int or not isinstance(settings, dict):
        raise NotATape(1, "the header needs the machine's name, the version of its definition, and its settings")
    return Header(machine, definition, settings, seconds_of(record, 1), version)


def seconds_of(record: Mapping[str, Any], line: int) -> float:
    """The time of a record. Raises NotATape."""
    value = record.get("t")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
        if abs(seconds) < 1e12:
            return seconds
    raise NotATape(line, "its t is missing, or no number of seconds")
