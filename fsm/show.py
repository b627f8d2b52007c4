"""Findings for a person: each with its line quoted and a caret under what is meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from .codes import ERROR
from .lines import lines_of
from .problems import Place, Problem

_PLAIN: Mapping[str, str] = {}
_COLOURS: Mapping[str, str] = {
    "place": "\x1b[1m",
    "error": "\x1b[1;31m",
    "warning": "\x1b[1;33m",
    "margin": "\x1b[2m",
    "off": "\x1b[0m",
}
# A quoted line is cut to this many characters around its caret.
WIDTH = 100


def show(problems: Iterable[Problem], texts: Mapping[str, bytes], *, colour: bool = False) -> Iterator[str]:
    """The lines to print: `file:line:column: code message`, and below it the place itself."""
    paint = _COLOURS if colour else _PLAIN
    lines: dict[str, list[str]] = {}
    for problem in problems:
        place = problem.place
        if place.file not in lines:
            text = texts.get(place.file, b"").removeprefix(b"\xef\xbb\xbf")
            lines[place.file] = lines_of(text.decode("utf-8", "replace"))
        grave = problem.severity == ERROR
        code = f"{paint.get(problem.severity, '')}{problem.code}{paint.get('off', '')}"
        where = f"{paint.get('place', '')}{printable(str(place))}:{paint.get('off', '')}"
        yield f"{where} {code} {printable(problem.message)}{'' if grave else ' [warning]'}"
        if place.line <= len(lines[place.file]) and lines[place.file][place.line - 1].strip():
            yield from _quoted(place, lines[place.file][place.line - 1], problem.severity, paint)


def _quoted(place: Place, line: str, severity: str, paint: Mapping[str, str]) -> Iterator[str]:
    start = max(0, place.column - 1 - WIDTH // 2) if len(line) > WIDTH else 0
    cut = line[start : start + WIDTH]
    before, meant = cut[: place.column - 1 - start], cut[place.column - 1 - start :][: place.width]
    head, tail = ("…" if start else ""), ("…" if start + WIDTH < len(line) else "")
    number = f"{place.line:>5}"
    margin, off = paint.get("margin", ""), paint.get("off", "")
    yield f"{margin}{number} |{off} {head}{printable(cut)}{tail}"
    space = " " * (len(head) + _cells(before))
    caret = "^" + "~" * (max(1, _cells(meant)) - 1)
    yield f"{margin}{' ' * len(number)} |{off} {space}{paint.get(severity, '')}{caret}{off}"


def printable(text: str) -> str:
    """The text without anything that a terminal would obey."""
    return "".join(character if character.isprintable() else "·" for character in text.replace("\t", " "))


def _cells(text: str) -> int:
    """How many columns of a terminal the text takes, as it is printed."""
    return sum(map(_cell, printable(text)))


def _cell(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf") or "\u1160" <= character <= "\u11ff":
        return 0  # marks on the character before; vowels and finals of a Hangul syllable
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
