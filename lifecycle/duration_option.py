"""Durations on command lines."""

from __future__ import annotations

import argparse

from scxlife.fsm.durations import parse_duration


def duration(text: str) -> float:
    """An argparse type: a number with its unit, as seconds, 0 or more."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive_duration(text: str) -> float:
    """An argparse type: a number with its unit, as seconds, more than 0."""
    seconds = duration(text)
    if seconds == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no time at all: write a longer duration, such as 30s")
    return seconds
