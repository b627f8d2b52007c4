"""What a user asked for and can't have."""

from __future__ import annotations


class UsageError(Exception):
    """The message says what is wrong and `hint`, where there is one, what to do; the command line prints both and exits
    with 2."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\nhint: {hint}" if hint else message)
        self.hint = hint
