"""`--notify-fd` under s6 itself, which knows nothing of us."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT = 60
RUN = """#!/bin/sh
exec {python} -m scxlife.lifecycle run --notify-fd 3 --log /dev/null --ready file:{ready} -- {daemon}
"""
DAEMON = """#!/bin/sh
read line < {go}
touch {ready}
exec sleep 1000
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Path]:
    """A service directory that is supervised, whose daemon becomes ready when something is written into its `go`."""
    folder = tmp_path / "service"
    folder.mkdir()
    names = {"python": sys.executable, "ready": tmp_path / "ready", "go": folder / "go", "daemon": tmp_path / "daemon"}
    subprocess.run(["mkfifo", folder / "go"], check=True)
    for file, text in ((folder / "run", RUN), (tmp_path / "daemon", DAEMON)):
        file.write_text(text.format(**names))
        file.chmod(0o755)
    (folder / "notification-fd").write_text("3\n")
    with (tmp_path / "log").open("w") as log, subprocess.Popen(["s6-supervise", folder], stdout=log) as supervisor:
        until = time.monotonic() + LIMIT
        while subprocess.run(["s6-svok", folder]).returncode != 0:
            assert supervisor.poll() is None and time.monotonic() < until
        try:
            yield folder
        finally:
            subprocess.run(["s6-svc", "-xd", folder], check=True)
            supervisor.wait(LIMIT)


def status(service: Path) -> str:
    return subprocess.run(["s6-svstat", service], capture_output=True, text=True, check=True).stdout


def test_s6_sees_it_ready_when_it_is_and_down_when_it_has_ended(service: Path) -> None:
    subprocess.run(["s6-svwait", "-u", "-t", f"{LIMIT}000", service], check=True)
    # It has been told nothing yet: up, and not ready.
    assert "ready" not in status(service)
    (service / "go").write_text("now\n")
    subprocess.run(["s6-svwait", "-U", "-t", f"{LIMIT}000", service], check=True)
    assert "ready" in status(service)
    subprocess.run(["s6-svc", "-d", "-wd", "-T", f"{LIMIT}000", service], check=True)
    assert status(service).startswith("down (exitcode 0)")
