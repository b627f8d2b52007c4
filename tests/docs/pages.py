"""The code blocks of a Markdown page: files by their title, sessions by their prompt.

A fence ```` ```python title="lamp.py" ```` holds the file lamp.py. A fence ```` ```console ```` holds a session: each
line after `$ ` is a command, the rest is what all of them print, in that order. Commands that only prepare print
nothing, so one session reads as one shell script.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import attrs

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<info>[^`\n]*)\n(?P<text>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'\btitle="([^"]+)"')
_PROMPT = "$ "
_PATIENCE_S = 120
NOTHING: Mapping[str, str] = MappingProxyType({})


@attrs.frozen
class Block:
    """One fenced block: its language, the file that it names if it does, its text, and the line of its fence."""

    language: str
    title: str | None
    text: str
    line: int


@attrs.frozen
class Session:
    """Commands for one shell, and what they print together."""

    commands: tuple[str, ...]
    output: str
    line: int


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of the page, in its order."""
    markdown = page.read_text()
    found = []
    for match in _FENCE.finditer(markdown):
        language, _, rest = match["info"].strip().partition(" ")
        title = _TITLE.search(rest)
        line = markdown.count("\n", 0, match.start()) + 1
        found.append(Block(language, title[1] if title else None, match["text"], line))
    return found


def write_files(page: Path, directory: Path) -> list[str]:
    """Write every block that names a file into `directory`; the names. No page may name a file twice."""
    named = [(block.title, block.text) for block in blocks(page) if block.title is not None]
    names = [name for name, _ in named]
    assert len(set(names)) == len(names), f"{page.name} names a file twice: {sorted(names)}"
    for name, text in named:
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return names


def sessions(page: Path) -> list[Session]:
    """The console blocks of the page, in its order."""
    found = []
    for block in blocks(page):
        if block.language == "console":
            lines = block.text.splitlines(keepends=True)
            commands = tuple(line.removeprefix(_PROMPT).rstrip("\n") for line in lines if line.startswith(_PROMPT))
            output = "".join(line for line in lines if not line.startswith(_PROMPT))
            found.append(Session(commands, output, block.line))
    return found


def play(session: Session, directory: Path, environment: Mapping[str, str] = NOTHING) -> str:
    """What the session's commands print in `directory`, errors included, with this Python first on PATH.

    What they leave in the background is killed. Raises AssertionError after two minutes: a page that hangs is a
    test that fails.
    """
    # Not resolved: the interpreter of a virtual environment is a link out of it.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with (
        tempfile.TemporaryFile() as printed,
        subprocess.Popen(
            ["sh", "-c", "\n".join(session.commands)],
            cwd=directory,
            env={**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **environment},
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            process_group=0,
        ) as shell,
    ):
        pidfd = os.pidfd_open(shell.pid)
        ended, _, _ = select.select([pidfd], [], [], _PATIENCE_S)
        os.close(pidfd)
        # Not yet reaped, so the group's number is still its own.
        os.killpg(shell.pid, signal.SIGKILL)
        printed.seek(0)
        output = printed.read().decode()
    assert ended, f"not over after {_PATIENCE_S} s: {session.commands}\n{output}"
    return output
