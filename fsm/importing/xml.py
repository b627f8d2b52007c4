"""XML from somebody else: no entities, no document type, bounded, with the line of every element."""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

import attrs

from .problem import ImportProblem

MAX_DEPTH, MAX_ELEMENTS = 64, 200_000


@attrs.define(eq=False)
class Element:
    """An element: its name and namespace, attributes by `name` or `namespace name`, and what is in it."""

    name: str
    namespace: str
    line: int
    attributes: dict[str, str]
    children: list[Element] = attrs.Factory(list)
    text: str = ""

    def get(self, name: str, default: str = "") -> str:
        """The attribute of that name."""
        return self.attributes.get(name, default)

    def called(self, *names: str) -> Iterator[Element]:
        """The children of those names."""
        return (child for child in self.children if child.name in names)

    def within(self) -> Iterator[Element]:
        """This element and all in it."""
        yield self
        for child in self.children:
            yield from child.within()


def parse(text: bytes) -> Element:
    """The root element of `text`. Raises ImportProblem for all that is not plain, well-formed XML."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    stack: list[Element] = []
    roots: list[Element] = []
    number = 0

    def begins(name: str, given: dict[str, str]) -> None:
        nonlocal number
        number += 1
        namespace, _, local = name.rpartition(" ")
        if len(stack) == MAX_DEPTH or number > MAX_ELEMENTS:
            raise ImportProblem(f"line {parser.CurrentLineNumber}: nested too deeply, or too many elements")
        element = Element(local, namespace, parser.CurrentLineNumber, given)
        (stack[-1].children if stack else roots).append(element)
        stack.append(element)

    def said(text: str) -> None:
        if stack:
            stack[-1].text += text

    def typed(*_: object) -> None:
        line = parser.CurrentLineNumber
        raise ImportProblem(f"line {line}: a document type is refused, and with it all entities", "remove <!DOCTYPE …>")

    parser.StartElementHandler = begins
    parser.EndElementHandler = lambda _: stack.pop()
    parser.CharacterDataHandler = said
    parser.StartDoctypeDeclHandler = typed
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise ImportProblem(f"line {error.lineno}: {expat.ErrorString(error.code)}") from None
    except (ValueError, LookupError) as error:  # an encoding that Python does not know
        raise ImportProblem(f"it can't be read as XML: {error}") from None
    return roots[0]
