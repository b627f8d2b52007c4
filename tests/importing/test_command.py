"""`scxlife import` as it is typed: where it writes, and what it says of what can't be imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scxlife.fsm.importing.reading import MAX_BYTES
from scxlife.fsm.loader import load

MACHINES = Path(__file__).parent / "machines"


def scxlife(*words: str, folder: Path, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "scxlife.lifecycle", "import", *words]
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=60)


def refused(done: subprocess.CompletedProcess[bytes]) -> str:
    """What it says, in one line and a hint."""
    assert (done.returncode, done.stdout) == (2, b"")
    lines = done.stderr.decode().splitlines()
    assert lines[0].startswith("scxlife: error: ") and len(lines) <= 2
    assert all(line.startswith("hint: ") for line in lines[1:])
    return lines[0].removeprefix("scxlife: error: ")


def test_a_draft_is_written_to_a_file_whole(tmp_path: Path) -> None:
    output = tmp_path / "lamp.yaml"
    done = scxlife(str(MACHINES / "lamp.json"), "-o", str(output), folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert load(output).name == "lamp"


def test_standard_input_is_read(tmp_path: Path) -> None:
    done = scxlife("-", folder=tmp_path, given=(MACHINES / "login.scxml").read_bytes())
    assert done.returncode == 0
    assert b"from <stdin> (SCXML)." in done.stdout


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.scxml", b"<scxml", "line 1: unclosed token"),
        ("a.scxml", b"<html/>", "its root element is <html>, not SCXML's <scxml>"),
        ("a.scxml", b'<!DOCTYPE a [<!ENTITY b "c">]><scxml/>', "line 1: a document type is refused"),
        ("a.scxml", b"<scxml/>", "it has no states"),
        ("a.scxml", b"<scxml>" + b'<state>' * 100, "line 1: nested too deeply, or too many elements"),
        ("a.scxml", b'<scxml><state id="a"><transition target="b"/></state></scxml>', "line 1: there is no state 'b'"),
        ("a.json", b'{"states": {"a": {}}, "states": 1}', "the key 'states' stands there twice in one object"),
        ("a.json", b'{"states": ', "line 1, column 12: Expecting value"),
        ("a.json", b"[" * 100_000, "it is nested too deeply to import"),
        ("a.json", b"[1]", "it holds no mapping, so no machine"),
        ("a.json", b'{"states": {"a": {}}}', "it does not say in which state it begins"),
        ("a.json", b'{"initial": "b", "states": {"a": {}}}', "state 'machine' leads to 'b', which is no state"),
        ("a.yaml", b"states: [a]\ntransitions: [[go, a]]\n", "a transition is neither a mapping nor a list"),
        ("a.yaml", b"states: [a]\ntransitions: [[go, a, b]]\n", "there is no state 'b'"),
        ("a.yaml", b"states: !!python/object:os.system x\n", "line 1: tag "),
        ("a.yaml", b"a: [", "line 1: "),
        ("a.yaml", b"\xff", "line 1: byte 0xff is not UTF-8"),
    ],
)  # fmt: skip
def test_what_is_no_machine_is_refused_in_one_line(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert refused(scxlife(name, folder=tmp_path)).startswith(f"{name}: {said}")


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b" " * (MAX_BYTES + 1))
    assert refused(scxlife("a.json", folder=tmp_path)).endswith("too large to import")


def test_a_machine_that_is_too_large_is_not_made(tmp_path: Path) -> None:
    states = [f"s{number}" for number in range(900)]
    rows = [{"trigger": f"t{number}", "source": "*", "dest": "s1"} for number in range(900)]
    (tmp_path / "a.json").write_text(json.dumps({"states": states, "transitions": rows}))
    assert refused(scxlife("a.json", folder=tmp_path)).endswith("more than 20000 transitions: too large to import")


def test_a_table_that_is_too_large_is_not_made(tmp_path: Path) -> None:
    states = {f"s{number}": {"on": {f"e{number}": "s0"}} for number in range(900)}
    (tmp_path / "a.json").write_text(json.dumps({"initial": "s0", "states": states}))
    said = refused(scxlife("a.json", folder=tmp_path))
    assert said == "a.json: 900 states and 900 events make a table too large to import"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nowhere:a", "there is no module nowhere"),
        ("there:nothing", "the module there has no nothing"),
        ("there:number", "there:number is a int, and no machine"),
        ("there:Bare", "there:Bare is a class"),
        ("fails:a", "the module fails fails: ValueError: no"),
        ("leaves:a", "the module leaves fails: SystemExit: 7"),
        ("needs:a", "the module needs needs not_installed_here, which is not installed"),
        ("missing.json", "it can't be read: No such file or directory"),
        ("no-module:a", "it can't be read: No such file or directory"),
    ],
)
def test_an_object_that_is_no_machine_is_refused_in_one_line(source: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "there.py").write_text("from transitions import Machine\nnumber = 1\nclass Bare(Machine): pass\n")
    (tmp_path / "fails.py").write_text("raise ValueError('no')\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(7)\n")
    (tmp_path / "needs.py").write_text("import not_installed_here\n")
    assert refused(scxlife(source, folder=tmp_path)) == f"{source}: {said}"


def test_python_statemachine_is_named_where_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "order.py").write_text("raise ModuleNotFoundError('No module', name='statemachine')\n")
    assert scxlife("order:Order", folder=tmp_path).stderr.decode().splitlines() == [
        "scxlife: error: the Python module statemachine is not installed",
        "hint: pip install 'scxlife[import]'",
    ]


def test_a_file_is_never_run(tmp_path: Path) -> None:
    """Names in a configuration are looked up by transitions when they are called, and nothing calls them."""
    data = {
        "states": ["a", {"name": "b", "on_enter": "os.abort"}],
        "transitions": [["go", "a", "b", "os.abort"], ["back", "b", "a"]],
        "initial": "a",
    }
    (tmp_path / "a.json").write_text(json.dumps(data))
    done = scxlife("a.json", folder=tmp_path)
    assert done.returncode == 0 and b"os.abort" in done.stdout
