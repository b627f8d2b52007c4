"""Moved to `decision`."""

from .decision import decide

__all__ = ["decide"]
