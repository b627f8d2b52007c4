"""What a program finds in its environment, and what becomes of ours."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scxlife.lifecycle.cli import main

from .programs.life import PROGRAMS

LIBBPF = "scx_utils::libbpf_logger=warn"


def environment_of_the_child(tmp_path: Path) -> list[str]:
    log = tmp_path / "log"
    ready = tmp_path / "ready"
    program = str(PROGRAMS / "tells_its_environment")
    assert main(["run", "--ready", f"file:{ready}", "--for", "0s", "--log", str(log), "--", program, str(ready)]) == 0
    return log.read_text().splitlines()


@pytest.mark.parametrize(
    ("ours", "childs"),
    [
        ("debug,scx=trace", f"debug,scx=trace,{LIBBPF}"),
        ("", f"info,{LIBBPF}"),
        (None, f"info,{LIBBPF}"),
    ],
    ids=["set", "empty", "unset"],
)
def test_row_4_defect_17_RUST_LOG_is_ours_or_info_with_libbpf_at_warn_and_no_leading_comma(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ours: str | None, childs: str
) -> None:
    monkeypatch.setenv("SCXLIFE_TEST", "passed on")
    monkeypatch.delenv("RUST_LOG", raising=False)
    if ours is not None:
        monkeypatch.setenv("RUST_LOG", ours)
    before = dict(os.environ)
    told = environment_of_the_child(tmp_path)
    assert [line for line in told if line.startswith("RUST_LOG=")] == [f"RUST_LOG={childs}"]
    assert "SCXLIFE_TEST=passed on" in told
    assert dict(os.environ) == before
