"""docs/frames.md says what the code says, and its programs print what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.docs.pages import Session, play, sessions, write_files

from scxlife.lifecycle import guest_records, guest_run, init
from scxlife.lifecycle.hostile_json import DEEPEST
from scxlife.platform.vm import frames
from scxlife.platform.vm.console import LINE_LIMIT, TAIL_LINES

PATH = Path(__file__).parents[2] / "docs" / "frames.md"
PAGE = PATH.read_text()


def test_the_table_has_every_frame_by_its_number_and_name() -> None:
    rows = re.findall(r"^\| (0x[0-9a-f]{2}) \| ([a-z-]+) \|", PAGE, re.MULTILINE)
    # An acknowledgement goes over the payload's port too.
    assert {(int(number, 16), name) for number, name in rows} == {*frames.TYPE_NAMES.items()}


def test_the_lifecycle_frames_are_named() -> None:
    assert [name for name in init.FRAMES.values() if f"`{name}`" not in PAGE] == []


def test_the_fields_of_a_header_are_as_long_as_a_header() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| ", PAGE, re.MULTILINE)
    offsets, sizes = [int(offset) for offset, _ in rows], [int(size) for _, size in rows]
    assert offsets == [sum(sizes[:index]) for index in range(len(sizes))]
    assert sum(sizes) == frames.HEADER_SIZE
    assert f"at most {frames.MAX_PAYLOAD >> 20} MiB" in PAGE
    assert f"version, {frames.VERSION} |" in PAGE


@pytest.mark.parametrize("session", sessions(PATH), ids=lambda session: f"line {session.line}")
def test_a_session_prints_what_stands_on_the_page(session: Session, tmp_path: Path) -> None:
    assert write_files(PATH, tmp_path) == ["ack.py", "damaged.py"]
    assert play(session, tmp_path) == session.output


def test_the_page_has_its_sessions() -> None:
    assert len(sessions(PATH)) == 2


def test_the_limits_are_on_the_page() -> None:
    said = PAGE.split("## What a host believes")[1]
    for limit in (guest_run.LOG_LIMIT, guest_run.PROBE_LIMIT, guest_run.TAPE_LIMIT):
        assert f" {limit >> 20} MiB" in said
    for limit in (guest_records.LONGEST, guest_records.LONGEST_ENDING):
        assert f"{limit >> 10} KiB" in said
    for limit in (guest_records.MOST_RUNS, guest_records.MOST_ITEMS, guest_records.LONGEST_PROBE_NAME, DEEPEST):
        assert f" {limit:,}" in said.replace("\n", " ")
    assert f"the first {guest_run.PROBE_NAMES} names" in said
    assert f"the last {TAIL_LINES} lines of at most {LINE_LIMIT >> 10} KiB" in said
