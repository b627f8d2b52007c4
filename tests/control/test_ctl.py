"""`scxlife run --control`, `scxlife ctl` and the clients for programs, with plain processes on this host."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.control.supervisor import PATIENCE, supervisor

from scxlife.lifecycle.control.client import AsyncControl, Control, ControlError


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_row_18_attach_replace_restart_detach_attach(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours:
        pids = []
        for words, name in ((("attach", "a"), "a"), (("replace", "b"), "b"), (("restart",), "b")):
            assert ours.ctl(*words) == (0, f"attached   {name}\n", "")
            status = ours.status()
            assert (status["attached"], status["drift"]) == (name, False)
            pids.append(status["run"]["pid"])
        assert len({*pids}) == 3
        assert [alive(pid) for pid in pids] == [False, False, True]
        assert ours.ctl("detach")[:2] == (0, "detached   b\n")
        assert not alive(pids[2])
        assert ours.ctl("attach", "a")[0] == 0
        assert ours.ctl("stop")[0] == 0
        code, said = ours.ended()
    assert code == 0
    assert "a#1" in said
    assert "b#3" in said


def test_what_runs_is_not_given_up_for_a_file_that_is_not_there(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours:
        ours.ctl("attach", "a")
        pid = ours.status()["run"]["pid"]
        code, said, _ = ours.ctl("replace", "gone")
        assert (code, said.splitlines()[0]) == (1, "refused    a")
        assert ours.status()["run"]["pid"] == pid


def test_K1_drift_is_an_exit_code(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours:
        ours.ctl("attach", "a")
        assert ours.ctl("status")[0] == 0
        with Control(str(ours.path)) as control:
            events = control.watch()
            assert next(events)["state"] == "running"
            os.kill(ours.status()["run"]["pid"], signal.SIGKILL)
            for event in events:
                if event["event"] == "ended":
                    break
        assert event["outcome"]["exit"] == {"signal": 9}
        code, said, _ = ours.ctl("status")
        assert code == 1
        assert "differs from what is wanted" in said
        assert ours.ctl("restart")[0] == 0
        assert ours.ctl("status")[0] == 0


def test_two_replaces_at_once_are_both_answered(tmp_path: Path) -> None:
    results: list[str] = []

    def replace(name: str) -> None:
        with Control(str(ours.path)) as control:
            results.append(control.replace(name)["name"])

    with supervisor(tmp_path) as ours:
        ours.ctl("attach", "a")
        askers = [threading.Thread(target=replace, args=(name,)) for name in ("b", "a")]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join(PATIENCE)
        assert sorted(results) == ["a", "b"]
        assert ours.status()["runs"] == 3


def test_the_policy_starts_it_again_after_a_pause(tmp_path: Path) -> None:
    with supervisor(tmp_path, "--restart", "on-failure", "--backoff-first", "0.05s") as ours:
        ours.ctl("attach", "a")
        with Control(str(ours.path)) as control:
            events = control.watch()
            next(events)
            os.kill(ours.status()["run"]["pid"], signal.SIGKILL)
            states = []
            for event in events:
                if event["event"] == "state":
                    states.append(event["state"])
                    if event["state"] == "running":
                        break
        assert states == ["backing_off", "vacating", "starting", "running"]
        assert ours.status()["restarts"] == 1


def test_without_a_socket_a_policy_ends_with_the_last_life() -> None:
    words = ["run", "--ready", "none", "--liveness", "0s", "--restart", "on-failure", "--start-limit", "2"]
    words += ["--backoff-first", "0.01s", "--json", "--", "/bin/false"]
    done = subprocess.run(
        [sys.executable, "-m", "scxlife.lifecycle", *words], capture_output=True, text=True, timeout=PATIENCE
    )
    told = json.loads(done.stdout)
    assert (done.returncode, told["last"]["exit"]) == (done.returncode, {"code": 1})
    assert done.returncode in (10, 13)
    assert done.stderr.count("spawned") == 3


def test_ctrl_c_ends_the_supervisor_and_what_it_runs(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours:
        ours.ctl("attach", "a")
        pid = ours.status()["run"]["pid"]
        ours.process.send_signal(signal.SIGINT)
        assert ours.ended()[0] == 0
        assert not alive(pid)


def test_a_stop_answers_who_waits(tmp_path: Path) -> None:
    with supervisor(tmp_path) as ours, Control(str(ours.path)) as control:
        assert control.stop()["result"] == "closed"


def test_async_with(tmp_path: Path) -> None:
    async def talk() -> list[str]:
        async with AsyncControl(str(ours.path)) as control, AsyncControl(str(ours.path)) as watcher:
            events = watcher.watch()
            seen = [(await anext(events))["state"]]
            assert (await control.attach("a"))["result"] == "attached"
            assert (await control.status())["attached"] == "a"
            with pytest.raises(ControlError, match="no scheduler is staged"):
                await control.attach("nobody")
            assert (await control.restart())["result"] == "attached"
            assert (await control.replace("b"))["name"] == "b"
            assert (await control.detach())["done"]
            assert (await control.stop())["done"]
            seen += [event["state"] async for event in events if event["event"] == "state"]
            return seen

    with supervisor(tmp_path) as ours:
        seen = asyncio.run(asyncio.wait_for(talk(), PATIENCE))
    assert seen.count("running") == 3
    assert seen[0] == "idle"


def test_nobody_there_is_a_line_and_exit_69(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "scxlife.lifecycle", "ctl", "--control", str(tmp_path / "none"), "status"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 69
    assert done.stderr.count("\n") == 1
    with pytest.raises(ControlError, match="is a supervisor running"), Control(str(tmp_path / "none")):
        pass


@pytest.mark.parametrize("words", [["attach"], ["detach", "a"], ["fly"], []])
def test_a_request_that_makes_no_sense_is_a_usage_error(tmp_path: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "scxlife.lifecycle", "ctl", "--control", str(tmp_path / "none"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize(
    "words",
    [
        ["--stage", "a=/bin/true", "--", "/bin/true"],
        ["--control", "{folder}/c", "--stage", "a"],
        ["--control", "{folder}/c", "--stage", "../a=/bin/true"],
        ["--control", "{folder}/c", "--stage", "a='/bin/true"],
        ["--control", "{folder}/c", "--stage", "a=/bin/true", "--stage", "a=/bin/false"],
        ["--control", "{folder}/c", "--stage", "true=/bin/sleep", "--", "/bin/true"],
        ["--restart", "sometimes", "--", "/bin/true"],
        ["--control", "{folder}/c", "--log", "{folder}/log", "--", "/bin/true"],
        ["--restart", "always", "--start-limit", "-1", "--", "/bin/true"],
        [],
    ],
)
def test_what_can_not_be_staged_is_a_line_and_exit_2(tmp_path: Path, words: list[str]) -> None:
    command = [sys.executable, "-m", "scxlife.lifecycle", "run", *(word.format(folder=tmp_path) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert not (tmp_path / "c").exists()


def test_a_tape_of_a_life_that_can_not_be_made_is_said_and_the_life_goes_on(tmp_path: Path) -> None:
    (tmp_path / "tape.1").mkdir()
    with supervisor(tmp_path, "--tape", str(tmp_path / "tape")) as ours:
        assert ours.ctl("attach", "a")[0] == 0
        assert ours.ctl("restart")[0] == 0
        assert ours.ctl("stop")[0] == 0
        assert "warning: --tape" in ours.ended()[1]
    kinds = [
        json.loads(line)["machine"] for line in ((tmp_path / name).open().readline() for name in ("tape", "tape.2"))
    ]
    assert kinds == ["operations", "scheduler"]
