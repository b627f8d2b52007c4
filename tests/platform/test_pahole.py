"""pahole is unpacked with its libraries, and runs by its own loader."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import TYPE_CHECKING

from tests.platform.kernel_mirror import needs_tools

from scxlife.platform.vm import pahole
from scxlife.platform.vm.progress import PlainLines

if TYPE_CHECKING:
    from conftest import Repository


@needs_tools
def test_it_runs_by_its_own_loader_and_is_fetched_once(mirror: Repository) -> None:
    program = pahole.fetch(PlainLines(io.StringIO()))
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == "loaded pahole\n"
    shutil.rmtree(mirror.root)
    assert pahole.fetch(PlainLines(io.StringIO())) == program
