"""JSON that may be shown on a terminal, and that says the same to its readers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scxlife.fsm.json_text import json_text
from scxlife.lifecycle.control.protocol import encode
from scxlife.lifecycle.log_formats import FORMATS

LIMIT = 60
HOSTILE = {
    "CSI as one character": "\x9b31mred",
    "OSC as one character": "\x9d0;title\x9c",
    "DCS": "\x90$q\x9c",
    "next line": "one\x85two",
    "DEL": "\x7f\x7f",
    "escape": "\x1b]0;title\x07",
    "bidi override": "\u202egpj.exe",
    "bidi isolate": "\u2066a\u2069",
    "right-to-left mark": "\u200fa",
    "line separator": "a\u2028b",
    "zero width": "a\u200bb\ufeff",
    "language tag": "\U000e0041",
    "private use": "\uf8ff\U0010ffff",
    "lone surrogate": "caf\udce9",
    "soft hyphen": "a\u00adb",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_L14_nothing_hostile_is_left_in_the_text(name: str) -> None:
    text = json_text({HOSTILE[name]: [HOSTILE[name]]})
    assert text.isprintable()
    assert json.loads(text) == {HOSTILE[name]: [HOSTILE[name]]}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_L14_a_reader_gets_the_same_value(value: Any) -> None:
    text = json_text(value)
    assert text.isprintable()
    assert json.loads(text) == value
    assert json.loads(json_text(value, indent=2)) == value


def test_what_can_be_printed_stays_as_it_is() -> None:
    assert json_text({"größe": "→ 日本 😀"}) == '{"größe": "→ 日本 😀"}'


@pytest.mark.parametrize("name", HOSTILE)
def test_L14_logs_and_answers_are_safe_on_a_terminal(name: str) -> None:
    said: list[str] = []
    FORMATS["json"](said.append).note(HOSTILE[name])
    assert said[0].isprintable()
    answer = encode({"name": HOSTILE[name]}).decode()
    assert answer.removesuffix("\n").isprintable()
    assert json.loads(answer)["name"] == HOSTILE[name]


@pytest.mark.parametrize("option", [["--json"], ["--log-format", "json"], ["--tape", "/dev/stdout"]])
def test_L14_what_a_child_prints_reaches_no_terminal(tmp_path: Path, option: list[str]) -> None:
    """Its output, its name and what can't be executed are all in the outcome."""
    text = "".join(text for text in HOSTILE.values() if "\n" not in text)
    daemon = tmp_path / "d\x9b\u202e"
    daemon.write_text(f"#!/bin/sh\ncat <<'END'\n{text.encode('utf-8', 'replace').decode()}\nEND\nexit 3\n")
    daemon.chmod(0o755)
    command = [sys.executable, "-m", "scxlife.lifecycle", "run", "--ready", "none", *option, "--", str(daemon)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 10
    for line in done.stdout.splitlines():
        assert line.isprintable()
    if option == ["--json"]:
        tail = json.loads(done.stdout.splitlines()[-1])["log_tail"]
        assert "\x9b31mred" in tail
        assert "\u202egpj.exe" in tail
