"""The file of a tape: made anew, a line for each record, and no run that ends because of it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from scxlife.lifecycle.tapefile import TapeFile
from scxlife.lifecycle.usage import UsageError


def test_it_is_made_anew_as_the_umask_has_it(tmp_path: Path) -> None:
    path = tmp_path / "run.tape"
    former = os.umask(0)
    try:
        with TapeFile(str(path)) as tape:
            tape("one")
            tape("zwölf")
    finally:
        os.umask(former)
    assert path.read_text() == "one\nzwölf\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    with TapeFile(str(path)):
        assert path.read_text() == ""


def test_without_a_path_nothing_is_written() -> None:
    with TapeFile(None) as tape:
        tape("one")


def test_a_path_that_can_not_be_made_is_a_mistake_of_whoever_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--tape .*/none/run.tape: No such file or directory"):
        TapeFile(str(tmp_path / "none" / "run.tape"))


def test_a_disk_that_is_full_ends_the_tape_and_says_so_once(capfd: pytest.CaptureFixture[str]) -> None:
    with TapeFile("/dev/full") as tape:
        tape("one")
        tape("two")
    assert capfd.readouterr().err == "scxlife: warning: --tape /dev/full ends here: No space left on device\n"
