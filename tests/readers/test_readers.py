"""L4: whatever a tape, a scenario, a definition, a manifest or an answer holds, reading it ends, with no traceback."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from scxlife.fsm.replay import replay
from scxlife.fsm.tape_reader import MOST_KEPT, NotATape, TapeReader
from scxlife.lifecycle.cli import main
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import Scenario, ScenarioError, parse
from scxlife.platform.sim.clock import Endless

LIMIT = 300
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("reader", ["answer", "definition", "manifest", "scenario", "tape"])
def test_L4_ten_seconds_of_fuzzing_find_nothing(reader: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.readers", "--seconds", "10", "--seed", "1", "--keep", str(tmp_path), reader]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(300 << 20)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def random(path: Path) -> None:
    path.write_bytes(os.urandom(1 << 20))


@pytest.mark.parametrize("make", [fifo, device, folder, huge, listening, loop, random])
def test_L4_a_file_that_is_none_is_one_line_and_exit_2(make: object, tmp_path: Path) -> None:
    for name in ("t", "s.yaml"):
        make(tmp_path / name)  # type: ignore[operator]
    code = """
import resource, sys
from scxlife.lifecycle.cli import main
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
words = "replay t|replay s.yaml|replay --real s.yaml|timeline t|timeline s.yaml|diagram --highlight t|"
words += "diagram --highlight s.yaml|replay --definition t t|check t|explore --definition t|diagram t|names t"
for command in words.split("|"):
    print(f"['{command}", main(command.split()), flush=True)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, cwd=tmp_path, stdin=subprocess.DEVNULL
    )
    codes = [line.rsplit(" ", 1)[1] for line in done.stdout.splitlines() if line.startswith("['")]
    assert (done.returncode, codes) == (0, ["2"] * 12), done.stdout + done.stderr[-2000:]
    assert "Traceback" not in done.stderr


DEEP = "[" * 100_000
BOMB = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
NO_SCENARIOS = {
    "nested deeply": DEEP,
    "nested mappings": "{a: " * 5000 + "1" + "}" * 5000,
    "an alias bomb": BOMB,
    "an alias to itself": "program: &a {steps: [*a]}",
    "a number of 5000 digits": "seed: " + "9" * 5000,
    "not a number": "patience: 'nan'",
    "infinity": "patience: 1e999",
    "a day that is none": "seed: 2001-99-99",
    "a name with a NUL": 'ready: "\\0"',
    "a key twice": "seed: 1\nseed: 2",
    "a tag": "seed: !!python/object/apply:os.system [true]",
    "no time between two looks": "program: {steps: [{do: serve, poll: 0}]}",
    "a time before the beginning": "outside: [{what: hotplug, at: -5}]",
    "a petabyte": "program: {steps: [{do: write, size: 1e15}]}",
    "no descriptor": "descriptors: 0",
    "a billion pids": "pids: 1000000000",
    "a million steps": "program: {steps: [" + "{do: detach}, " * 30_000 + "]}",
    "two documents": "seed: 1\n---\nseed: 2",
    "not UTF-8": b"seed: \xff",
    "two megabytes": b"#" * (2 << 20),
    "a setting below zero": "settings: {stop_grace: -1}",
    "a list for a text": "kernel: [7.2]",
}


@pytest.mark.parametrize("name", NO_SCENARIOS)
def test_L4_a_hostile_scenario_is_refused_in_a_few_words(name: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse(NO_SCENARIOS[name])
    assert 0 < len(str(caught.value)) < 2000


def test_L4_a_scenario_without_an_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scxlife.platform.sim.clock._MOST", 20_000)
    text = "patience: 1e6\nprogram: {steps: [{do: attach}, {do: serve, poll: 0.001}]}"
    assert isinstance(run(parse(text)).error, Endless)


def test_L4_a_scenario_without_an_end_is_said_to_have_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scxlife.platform.sim.clock._MOST", 1000)
    (tmp_path / "s.yaml").write_text("patience: 1e6\nprogram: {steps: [{do: attach}, {do: serve, poll: 0.001}]}")
    assert main(["timeline", str(tmp_path / "s.yaml"), "-o", str(tmp_path / "s.svg")]) == 0
    assert "it has no end" in capsys.readouterr().err


TAPE = "".join(f"{line}\n" for line in run(Scenario(ready="none")).lines)
FIRST, SECOND = TAPE.splitlines()[:2]
EVENT = '{"seq": 2, "kind": "event", "t": 1e9, "event": "fault", "rank": -20, "cause": "%s", "data": {}}'
NO_TAPES = {
    "nested deeply": '{"seq": ' + DEEP,
    "a number of 5000 digits": FIRST + "\n" + '{"seq": ' + "9" * 5000 + "}\n",
    "not a number": FIRST.replace('"seq": 0', '"seq": NaN') + "\n",
    "a key twice": FIRST.replace("{", '{"kind": "tape", ', 1) + "\n",
    "an unknown version": FIRST.replace('"version": 2', '"version": 3', 1) + "\n",
    "a version that is true": FIRST.replace('"version": 2', '"version": true', 1) + "\n",
    "a line of 17 MiB": FIRST + "\n" + " " * (17 << 20),
}


@pytest.mark.parametrize("name", NO_TAPES)
def test_L4_a_hostile_tape_is_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t").write_text(NO_TAPES[name])
    for words in (["replay"], ["timeline"], ["diagram", "--highlight"]):
        assert main([*words, str(tmp_path / "t")]) == 2
        told = capsys.readouterr().err
        assert "not a tape, or a damaged one" in told and len(told.splitlines()) <= 2


def test_L4_events_that_are_never_delivered_do_not_fill_the_memory() -> None:
    def lines() -> object:
        yield from (FIRST, SECOND)
        for number in range(2, 1_000_000):
            yield EVENT.replace("2", str(number), 1) % ("x" * 1_000_000)

    with pytest.raises(NotATape, match="of events wait"):
        told = replay(shipped(), TapeReader(lines()))  # type: ignore[arg-type]
        assert told.difference is None, told


def test_L4_a_tape_of_a_million_records_is_not_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "t").open("w") as file:
        file.write(f"{FIRST}\n")
        file.writelines('{"seq": 1, "kind": "a.b", "t": 1e9}\n' for _ in range(MOST_KEPT))
    for words in (["timeline"], ["diagram", "--highlight"]):
        assert main([*words, str(tmp_path / "t")]) == 2
        assert "can't be shown" in capsys.readouterr().err
