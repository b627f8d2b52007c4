"""What each scenario that is kept tells, as a digest: the same on every interpreter.

    python -m tests.simulated.golden > tests/simulated/golden.txt

renews the file, after a change that is meant to be seen on tapes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse
from scxlife.lifecycle.simulated.twice import account

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests/simulated/reached", "tests/regressions")
GOLDEN = Path(__file__).parent / "golden.txt"


def digests() -> dict[str, str]:
    """By the scenario's path."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("*.yaml"))]
    return {path.relative_to(ROOT).as_posix(): digest(path) for path in files}


def digest(path: Path) -> str:
    told = "\n".join(account(run(parse(path.read_text()))))
    return hashlib.sha256(told.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def text(digests: Mapping[str, str]) -> str:
    return "".join(f"{digest} {name}\n" for name, digest in digests.items())


if __name__ == "__main__":
    print(text(digests()), end="")
