"""The format's page: its machine runs as shown, and its tables are those of the classes that read a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import attrs
import pytest
from tests.docs.pages import Session, play, sessions, write_files

from scxlife.fsm.document import CLASSES, Document, key_of

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "definition.md"
HEADINGS = {"Document": "The file", "ReasonedDoc": "`ignore`, `defer`, `reject`, `impossible`"}
TITLES = {
    "SettingDoc": "settings",
    "EventDoc": "events",
    "StateDoc": "states",
    "GuardDoc": "guards",
    "ActionDoc": "actions",
    "OutcomeDoc": "outcomes",
    "RowDoc": "rows",
    "ProfileDoc": "profiles",
}


def tables() -> str:
    """The page's last section, from the classes."""
    sections = []
    for cls in (Document, *(cls for cls in CLASSES if cls is not Document)):
        heading = HEADINGS.get(cls.__name__) or f"Each of `{TITLES[cls.__name__]}`"
        rows = [
            f"| `{key_of(field)}`{'' if field.default is not attrs.NOTHING else ' *'} | {field.metadata['doc']} |"
            for field in attrs.fields(cls)
        ]
        sections.append("\n".join([f"### {heading}", "", cls.__doc__ or "", "", "| key | |", "|---|---|", *rows]))
    return "\n\n".join(["A star marks what must be there.", *sections]) + "\n"


def test_the_tables_of_keys_are_fresh() -> None:
    shown = PAGE.read_text().partition("## Every key\n\n")[2]
    assert shown == tables(), f"stale: put this below `## Every key`:\n{tables()}"


@pytest.mark.parametrize("session", sessions(PAGE), ids=lambda session: session.commands[0])
def test_what_the_page_shows_is_what_is_printed(session: Session, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    shutil.copy(ROOT / "fsm" / "definition.schema.json", tmp_path)
    assert play(session, tmp_path) == session.output


def test_the_page_has_sessions_to_run() -> None:
    assert len(sessions(PAGE)) == 3
