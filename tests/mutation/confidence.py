"""What a sample says of all."""

from __future__ import annotations

import math

# The normal distribution's, for 95 %.
_Z = 1.96


def interval(killed: int, of: int) -> tuple[float, float]:
    """Wilson's, for the share of all that would be killed."""
    share, spread = killed / of, _Z * _Z / of
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return middle - half, middle + half
