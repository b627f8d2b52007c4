"""Pages whose sessions need no kernel but this one's: each prints what stands there, in the order of the page."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.docs.pages import play, sessions, write_files

DOCS = Path(__file__).parents[2] / "docs"
NAMESPACE = ("unshare", "--user", "--map-root-user", "--fork", "--pid", "--mount-proc")
#: The pages, and how many sessions each has.
PAGES = {"index": 1, "machine": 6, "init": 3, "ci": 1}


def namespaces() -> bool:
    return subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints_what_it_says(name: str, tmp_path: Path) -> None:
    page = DOCS / f"{name}.md"
    write_files(page, tmp_path)
    played = sessions(page)
    assert len(played) == PAGES[name]
    for session in played:
        if any(NAMESPACE[0] in command for command in session.commands) and not namespaces():
            pytest.skip("this machine gives no process namespace: unshare is refused")
        assert play(session, tmp_path) == session.output, f"{page.name}:{session.line}"
