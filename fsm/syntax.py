"""What is wrong with a text that is not YAML, in words about what was written instead of what a scanner expects.

Imported only when a file can't be read.
"""

from __future__ import annotations

import re

import yaml

from .lines import lines_of
from .problems import Place, shortened

# A key, with its place in a list before it.
_KEY = r"\s*(?:- +)*[\w.\-]+"


class Syntax:
    """One mistake: the lines of the text, where the scanner stopped, and where it began what it could not end."""

    def __init__(self, error: yaml.MarkedYAMLError, text: str, file: str) -> None:
        self.file = file
        self.lines = lines_of(text)
        stopped = error.problem_mark or error.context_mark
        self.stopped = (0, 0) if stopped is None else (stopped.line, stopped.column)
        self.begun = (error.context_mark.line, error.context_mark.column) if error.context_mark else self.stopped
        self.problem = error.problem or ""
        self.context = error.context or ""

    def explained(self) -> tuple[Place, str] | None:
        """The place of the mistake with what to do about it; None where the scanner's own words have to do."""
        readings = (
            self._tab,
            self._no_colon,
            self._second_colon,
            self._indented,
            self._quote,
            self._brackets,
            self._other_format,
            self._first_character,
        )
        return next((found for reading in readings if (found := reading()) is not None), None)

    def _at(self, where: tuple[int, int], text: str) -> tuple[Place, str]:
        return Place(self.file, where[0] + 1, where[1] + 1), text

    def _line(self, number: int) -> str:
        return self.lines[number] if number < len(self.lines) else ""

    def _character(self, where: tuple[int, int]) -> str:
        return self._line(where[0])[where[1] : where[1] + 1]

    def _tab(self) -> tuple[Place, str] | None:
        for number in (self.stopped[0], self.begun[0]):
            blank = re.match(r"\s*", self._line(number))
            if blank is not None and "\t" in blank[0]:
                return self._at((number, blank[0].index("\t")), "a tab: YAML is indented with spaces alone")
        return None

    def _no_colon(self) -> tuple[Place, str] | None:
        if "expected ':'" not in self.problem:
            return None
        line = self._line(self.begun[0])
        if glued := re.match(rf"({_KEY}):(\S.*)", line):
            return self._at(self.begun, f"a blank is missing after the colon; write `{_cut(glued)}`")
        if parted := re.match(rf"({_KEY})\s+(\S.*)", line):
            return self._at(self.begun, f"a colon is missing; write `{_cut(parted)}`")
        return self._at(self.begun, "a colon is missing after this key")

    def _second_colon(self) -> tuple[Place, str] | None:
        if "mapping values are not allowed" not in self.problem:
            return None
        number, column = self.stopped
        line = self._line(number)
        if re.match(rf"{_KEY}\s*:\s", line[:column]):
            return self._at(self.stopped, "a colon in a text: a text with `: ` in it stands in quotes")
        indent = len(line) - len(line.lstrip())
        text = "this line is indented deeper than the one above, which has its value already"
        return self._at((number, indent), f"{text}: indent both alike")

    def _indented(self) -> tuple[Place, str] | None:
        if not any(words in self.problem for words in ("expected key", "expected '-'", "expected <block end>")):
            return None
        number, column = self.stopped
        if self._line(number)[:column].strip():
            return self._after_quote()
        above = next((line for line in reversed(self.lines[:number]) if line.strip()), "")
        # Where the line above begins, and where what stands in an item of a list does.
        starts = re.match(r"(\s*)((?:- +)*)", above)
        assert starts is not None
        fitting = sorted({self.begun[1], starts.end(1), starts.end(2)} - {column})
        if not fitting:
            return None
        columns = " or ".join(str(each + 1) for each in fitting)
        return self._at(self.stopped, f"this line begins in column {column + 1}; column {columns} fits what is above")

    def _after_quote(self) -> tuple[Place, str] | None:
        """What is wrong where the scanner stopped at a text that stands right behind a quote."""
        number = self.stopped[0]
        before = self._line(number)[: self.stopped[1]].rstrip()
        quote = before[-1:]
        if quote not in ("'", '"'):
            return None
        if before.count(quote) % 2:  # it closes a text from further up
            opened = next((n for n in range(number - 1, -1, -1) if self._line(n).count(quote) % 2), None)
            if opened is not None:
                text = f"a text that begins with {quote} here ends only in line {number + 1}: close the quote"
                return self._at((opened, self._line(opened).rindex(quote)), text)
        text = "the text ended at the quote before this; an apostrophe stands in double quotes, or doubled: ''"
        return self._at(self.stopped, text)

    def _quote(self) -> tuple[Place, str] | None:
        if "quoted scalar" not in self.context or "end of stream" not in self.problem:
            return None
        quote = self._character(self.begun)
        return self._at(self.begun, f"this text begins with {quote} and never ends: close the quote")

    def _brackets(self) -> tuple[Place, str] | None:
        if not self.context.startswith("while parsing a flow"):
            return None
        if (found := self._after_quote()) is not None:
            return found
        opened = self._character(self.begun)
        closing = {"{": "}", "[": "]"}.get(opened)
        if closing is None:
            return None
        if self.stopped[0] > self.begun[0]:
            return self._at(self.begun, f"this {opened} is not closed: {closing} is missing")
        return self._at(self.stopped, f"a comma or {closing} is missing before this")

    def _other_format(self) -> tuple[Place, str] | None:
        if "<document start>" not in self.problem:
            return None
        text = "what stands above is complete by itself: a file is one mapping, of keys with a colon after each"
        return self._at(self.stopped, text)

    def _first_character(self) -> tuple[Place, str] | None:
        where = self.begun if self.context.startswith(("while scanning an a", "while scanning a d")) else self.stopped
        character = self._character(where)
        if "undefined alias" in self.problem:
            name = re.match(r"\*[^\s,\]}]*", self._line(where[0])[where[1] :])
            alias = shortened(name[0]) if name else "*"
            return self._at(
                where,
                f"{alias} is an alias of YAML, and nothing is called {alias.replace('*', '&')}; "
                "a name stands without the star",
            )
        if character == "*":
            return self._at(where, 'a star by itself stands in quotes: "*"')
        if character and character in "@`%&":
            return self._at(where, f"a text that begins with {character} stands in quotes")
        return None


def _cut(match: re.Match[str]) -> str:
    key = match[1].strip().removeprefix("- ").strip()
    return shortened(f"{key}: {match[2].strip()}")


def explained(error: yaml.MarkedYAMLError, text: str, file: str) -> tuple[Place, str] | None:
    """Where the mistake is and what to do about it, if it is one of the known ones."""
    return Syntax(error, text, file).explained()
