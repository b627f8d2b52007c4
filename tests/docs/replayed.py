"""What pages print of scenarios on the simulated kernel: `make pages` plays them again, tests hold them to it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs.pages import play, sessions, write_files

#: Their sessions depend on nothing but the lifecycle and the simulation.
PAGES = ("failures.md", "index.md")
COMMAND = "$ scxlife replay "


def replayed(page: Path) -> str:
    """The whole page, each of its replays with what it prints now."""
    text = page.read_text()
    for session in sessions(page):
        shown = "".join(f"$ {command}\n" for command in session.commands) + session.output
        if shown.startswith(COMMAND):
            with TemporaryDirectory() as folder:
                write_files(page, Path(folder))
                printed = play(session, Path(folder))
            text = text.replace(shown, f"$ {session.commands[0]}\n{printed}")
    return text
