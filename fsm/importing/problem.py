"""What makes a file or an object no machine that can be imported."""

from __future__ import annotations


class ImportProblem(Exception):
    """The message says what is wrong, and `hint`, where there is one, what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
