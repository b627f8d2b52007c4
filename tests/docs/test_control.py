"""docs/control.md: its sessions are played with a supervisor, and its tables have every field that there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.control.supervisor import supervisor
from tests.docs.pages import Session, play, sessions, write_files

from scxlife.lifecycle.control import protocol
from scxlife.lifecycle.control.client import Control
from scxlife.lifecycle.operations.answers import Answer
from scxlife.lifecycle.operations.operations import HEARD

PAGE = Path(__file__).parents[2] / "docs" / "control.md"


def section(title: str) -> str:
    return re.split(r"\n#+ ", PAGE.read_text().split(f"# {title}\n")[1])[0]


def first_column(title: str) -> list[str]:
    rows = section(title).partition("\n|---")[2]
    cells = re.findall(r"^\| (`[^|]+) \|", rows, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)]


@pytest.mark.parametrize("session", sessions(PAGE), ids=lambda session: f"line {session.line}")
def test_a_session_prints_what_stands_on_the_page(session: Session, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    assert play(session, tmp_path) == session.output


def test_the_page_has_its_sessions() -> None:
    assert len(sessions(PAGE)) == 3


def test_every_request_and_every_error_of_the_protocol_is_told() -> None:
    source = Path(protocol.__file__).read_text() + Path(protocol.__file__).with_name("server.py").read_text()
    codes = set(re.findall(r'(?:BadRequest\(|_dismiss\(connection, )"([a-z-]+)"', source))
    assert {*first_column("An error")} == codes | {"too-long"}
    told = re.search(r"^\| `do` \| text \| (.+) \|$", section("A request"), re.MULTILINE)
    assert told is not None
    assert {*re.findall(r"`(\w+)`", told[1])} == {*protocol.OPERATIONS, *protocol.QUESTIONS}


def test_every_field_of_every_answer_is_told() -> None:
    answers: list[Any] = Answer.__subclasses__()
    fields = {field.name for cls in answers for field in attrs.fields(cls)}
    assert sorted(first_column("An answer")) == sorted({"result", "done"} | fields)
    for cls in answers:
        assert f"`{cls.result}`" in section("An answer")


def test_every_field_of_a_status_and_of_an_event_is_told(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours, Control(str(ours.path)) as control, Control(str(ours.path)) as other:
        events = other.watch()
        next(events)
        control.attach("a")
        status = control.status()
        assert sorted(first_column("A status")) == sorted({*status, "restart_in"})
        for key in ("kernel", "run"):
            row = next(line for line in section("A status").splitlines() if line.startswith(f"| `{key}`"))
            assert all(f"`{name}`" in row for name in status[key] or {}), row
        control.detach()
        seen = {}
        for event in events:
            seen[event["event"]] = event
            if event["event"] == "ended":
                break
    assert {"state", "ended"} <= seen.keys()
    assert {*first_column("An event")} >= {*seen, *HEARD}
    assert {*seen["state"]} == {"t", "event", "from", "state", "cause", "name"}
    assert {*seen["ended"]} == {"t", "event", "name", "run", "outcome"}
