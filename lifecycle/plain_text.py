"""Text of a process, a kernel or a file, made fit for a person's terminal: it must not paint, move or answer there."""

from __future__ import annotations


class _Escapes(dict[int, str]):
    """What `str.translate` asks for each character. It does not grow, whatever the text has in it."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        return character if character.isprintable() else character.encode("unicode_escape").decode()


_ESCAPES = _Escapes()
_ESCAPES.update({code: _ESCAPES[code] for code in range(256)})
_ESCAPES[ord("\t")] = " "


def plain(text: str) -> str:
    """One line without control characters: each is shown as its escape sequence, a tab as a space."""
    return text if text.isprintable() else text.translate(_ESCAPES)
