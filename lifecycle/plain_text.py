"""Text of a process, a kernel or a file, made fit for a person's terminal: it must not paint, move or answer there."""

from __future__ import annotations


class _Escapes:
    """What `str.translate` asks for each character. Nothing is kept of a text, however long it is."""

    def __getitem__(self, code: int) -> str:
        if code == _TAB:
            return " "
        character = chr(code)
        if character.isprintable():
            raise LookupError
        return character.encode("unicode_escape").decode()


_TAB = ord("\t")
_ESCAPES = _Escapes()


def plain(text: str) -> str:
    """One line without control characters: each is shown as its escape sequence, a tab as a space."""
    return text if text.isprintable() else text.translate(_ESCAPES)
