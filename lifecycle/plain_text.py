"""Text of a process, a kernel or a file, made fit for a person's terminal: it must not paint, move or answer there."""

from __future__ import annotations


def plain(text: str) -> str:
    """One line without control characters: each is shown as its escape sequence, a tab as a space."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text.replace("\t", " ")
    )
