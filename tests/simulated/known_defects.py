"""What the attack has found and nobody has mended yet. Each is excused here, and only here, until it is.

An excuse that excuses nothing any more fails the test of the attack: then its defect is mended, and it has to go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from scxlife.lifecycle.simulated.run import Run

Excuse = Callable[[Run, str], bool]


KNOWN: Mapping[str, Excuse] = {}
