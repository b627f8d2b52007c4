"""A supervisor with a control socket, as a process of its own, for tests to talk to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE = 60.0
# It lives, is ready at once, and ends when it is asked to.
DAEMON = "/bin/sleep"


class Supervisor:
    def __init__(self, process: subprocess.Popen[str], path: Path) -> None:
        self.process = process
        self.path = path

    def raw(self) -> socket.socket:
        """A connection without a client's manners."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE)
        connection.connect(str(self.path))
        return connection

    def ctl(self, *words: str) -> tuple[int, str, str]:
        """`scxlife ctl`: its exit code, stdout, stderr."""
        done = subprocess.run(
            [sys.executable, "-m", "scxlife.lifecycle", "ctl", "--control", str(self.path), *words],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return done.returncode, done.stdout, done.stderr

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ctl("status", "--json")[1])
        return found

    def ended(self) -> tuple[int, str]:
        """Its exit code and all that it said."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out


@contextlib.contextmanager
def supervisor(folder: Path, *words: str) -> Iterator[Supervisor]:
    """`scxlife run --control` in `folder`, listening already. Staged are `a`, `b`, and `gone`, which is no file."""
    path = folder / "control"
    command = [
        *(sys.executable, "-m", "scxlife.lifecycle", "run", "--ready", "none", "--liveness", "0.05s"),
        *("--control", str(path), "--stage", f"a={DAEMON} 1000", "--stage", f"b={DAEMON} 2000"),
        *("--stage", f"gone={folder}/nothing", *words),
    ]
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("scxlife: listening on"), first
            yield Supervisor(process, path)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                with contextlib.suppress(ValueError):
                    process.communicate(timeout=PATIENCE)
