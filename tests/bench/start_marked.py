"""Runs `scxlife` with the words given, and notes in the file START_MARK when it starts QEMU (CLOCK_MONOTONIC, s)."""

from __future__ import annotations

import os
import sys
import time


def heard(event: str, given: tuple[object, ...]) -> None:
    if event != "subprocess.Popen":
        return
    words = [str(word) for word in given[1]]  # type: ignore[attr-defined]
    if "-kernel" in words and any(word.endswith("qemu-system-x86_64") for word in words):
        with open(os.environ["START_MARK"], "w") as file:  # noqa: PTH123
            file.write(str(time.monotonic()))


if __name__ == "__main__":
    sys.addaudithook(heard)
    from scxlife.lifecycle.cli import main

    raise SystemExit(main())
