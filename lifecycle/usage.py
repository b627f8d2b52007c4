"""What a user asked for and can't have."""

from __future__ import annotations


class UsageError(Exception):
    """The text says what is wrong and, where that helps, what to do; the command line prints it and exits with 2."""
