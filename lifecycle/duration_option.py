"""Durations on command lines."""

from __future__ import annotations

import argparse

from scxlife.fsm.durations import parse_duration


def duration(text: str) -> float:
    """An argparse type: a number with a unit, or seconds without one."""
    try:
        return parse_duration(text if not text.replace(".", "", 1).isdigit() else f"{text}s")
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
