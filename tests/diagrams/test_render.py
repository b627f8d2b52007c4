"""Making pictures with a `dot` that is there, is not there, fails or hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from scxlife.diagrams.render import RenderError, render

PAIR = 'digraph { a -> b [label="→"] }'


def fake_dot(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `dot` that is the only program to be found."""
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(("picture", "begin"), [("svg", b"<?xml"), ("png", b"\x89PNG\r\n")])
def test_each_picture_is_of_its_format(picture: str, begin: bytes) -> None:
    assert render(PAIR, picture).startswith(begin)


def test_without_dot_the_package_to_install_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RenderError, match="dot") as raised:
        render(PAIR, "svg")
    assert raised.value.hint == "apt-get install graphviz"


def test_a_dot_that_fails_is_quoted() -> None:
    with pytest.raises(RenderError, match=r"ended with 1: .*syntax error"):
        render("digraph { a -> ", "svg")


def test_a_dot_that_says_nothing_has_made_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, "exit 0", monkeypatch)
    with pytest.raises(RenderError, match="ended with 0"):
        render(PAIR, "svg")


def test_half_a_picture_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, "echo half; exit 3", monkeypatch)
    with pytest.raises(RenderError, match="ended with 3"):
        render(PAIR, "svg")


def test_a_dot_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_dot(tmp_path, "while :; do :; done", monkeypatch)
    with pytest.raises(RenderError, match=r"longer than 0.1s"):
        render(PAIR, "svg", timeout=0.1)


def test_a_dot_that_is_no_program_is_an_error_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dot").write_text("not a program")
    (tmp_path / "dot").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RenderError, match="Exec format error"):
        render(PAIR, "svg")
