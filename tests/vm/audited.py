"""Runs commands of scxlife in one process, and tells which files they touched and how much memory they took.

Each line on its standard input is a JSON object: `words` of the command, and `output`, a file for all that it prints.
Each line of its answer has `status`, `touched` (paths that were opened for writing, made, moved or removed) and `peak`,
the most memory that the process had meanwhile, in bytes.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

from scxlife.lifecycle import cli
from scxlife.platform.vm import image

_CHANGES = ("os.remove", "os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod")
#: Of linux/fs/proc/task_mmu.c: the peak of the resident size begins anew.
_FORGET_PEAK = "5"
touched: set[str] = set()


def peak() -> int:
    """Bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) << 10


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)


def _note(path: object) -> None:
    if isinstance(path, str | bytes | os.PathLike):
        touched.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100


def watch(event: str, arguments: tuple[object, ...]) -> None:
    """An audit hook."""
    if event == "open":
        path, _, flags = arguments
        written = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        # What is opened for writing in place of a folder is a file without a name, O_TMPFILE of open(2).
        if written and not (isinstance(path, str | bytes) and Path(os.fsdecode(path)).is_dir()):
            _note(path)
    elif event in _CHANGES:
        # Below a folder that is open already, a name alone tells nothing.
        if isinstance(arguments[-1], int) and arguments[-1] >= 0 and event != "os.chmod":
            return
        for argument in arguments[:2]:
            _note(argument)


def one(words: list[str], output: str) -> int:
    """The exit status, 1 with a traceback as Python has it. Both streams go to `output`."""
    kept = os.dup(1), os.dup(2)
    made = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(made, 1)
    os.dup2(made, 2)
    os.close(made)
    try:
        return int(cli.main(words))
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for place, fd in enumerate(kept, start=1):
            os.dup2(fd, place)
            os.close(fd)


def main() -> None:
    # Half of a run would be the image, which is the same for each.
    # It is the same each time; what it is asked has no hash.
    base = image.build_base
    built: list[image.Base] = []

    def build_once(**asked: Any) -> image.Base:
        if not built:
            built.append(base(**asked))
        return built[0]

    image.build_base = build_once  # type: ignore[assignment]
    sys.addaudithook(watch)
    for line in sys.stdin:
        asked = json.loads(line)
        forget_peak()
        touched.clear()
        status = one(asked["words"], asked["output"])
        told = {"status": status, "touched": sorted(touched - {asked["output"]}), "peak": peak()}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
