"""`scxlife run` as a user starts it, on the host's own kernel: real processes, the JSON it prints, its exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle"]
LIMIT = 60


def scxlife(*words: str, tmp: Path) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [*SCXLIFE, "run", "--json", "--log", str(tmp / "log"), *words], capture_output=True, text=True, timeout=LIMIT
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def script(tmp: Path, text: str) -> str:
    path = tmp / "daemon"
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_a_daemon_with_a_readiness_file_goes_through_every_phase(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = script(tmp_path, f"#!/bin/sh\necho started\ntouch {ready}\nexec sleep 300\n")
    code, outcome = scxlife("--ready", f"file:{ready}", "--for", "100ms", "--", daemon, tmp=tmp_path)
    assert (code, outcome["outcome"], outcome["exit"]) == (0, "stopped", {"signal": signal.SIGTERM})
    assert list(outcome["timings"]) == ["startup", "run", "stop", "reap", "end"]
    assert outcome["timings"]["run"] < outcome["timings"]["stop"]
    assert outcome["log_tail"] == "started"
    assert outcome["generation"] == 1


def test_a_stale_readiness_file_is_not_believed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    ready.touch()
    words = ("--ready", f"file:{ready}", "--liveness", "50ms", "--attach-timeout", "100ms", "--", "sleep", "300")
    code, outcome = scxlife(*words, tmp=tmp_path)
    assert (code, outcome["outcome"], outcome["phase"]) == (11, "not-attached", "attach")


def test_a_daemon_that_never_says_it_is_ready_is_gone_afterwards(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    daemon = script(tmp_path, f"#!/bin/sh\nsleep 300 & echo $$ $! > {pid_file}\nwait\n")
    words = ("--ready", f"file:{tmp_path}/ready", "--liveness", "5s", "--attach-timeout", "100ms", "--", daemon)
    code, outcome = scxlife(*words, tmp=tmp_path)
    assert (code, outcome["exit"]) == (11, {"signal": signal.SIGKILL})
    assert outcome["reason"] == "not ready in time"
    leader, child = map(int, pid_file.read_text().split())
    assert not alive(leader)
    assert not alive(child), "a grandchild in the process group survived"


@pytest.mark.parametrize(("command", "status"), [("/bin/false", 1), ("/bin/true", 0)])
def test_an_exit_before_ready_is_startup_died_whatever_its_code(tmp_path: Path, command: str, status: int) -> None:
    code, outcome = scxlife("--ready", "none", "--", command, tmp=tmp_path)
    assert (code, outcome["outcome"], outcome["exit"]) == (10, "startup-died", {"code": status})


def test_a_missing_binary_is_not_configured_and_touches_nothing(tmp_path: Path) -> None:
    code, outcome = scxlife("--", str(tmp_path / "nothing"), tmp=tmp_path)
    assert (code, outcome["outcome"]) == (127, "not-configured")
    assert not (tmp_path / "log").exists()


def test_a_binary_without_a_folder_is_looked_up_in_path(tmp_path: Path) -> None:
    assert scxlife("--ready", "none", "--", "false", tmp=tmp_path)[0] == 10
    assert scxlife("--ready", "none", "--", "no-such-command-anywhere", tmp=tmp_path)[0] == 127


@pytest.mark.parametrize(
    ("kind", "name"), [("directory", "EACCES"), ("not executable", "EACCES"), ("no shebang", "ENOEXEC")]
)
def test_what_can_not_be_executed_is_spawn_failed_with_the_errno(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / "program"
    if kind == "directory":
        path.mkdir()
    else:
        path.write_text("just text\n")
        path.chmod(0o644 if kind == "not executable" else 0o755)
    code, outcome = scxlife("--", str(path), tmp=tmp_path)
    assert (code, outcome["outcome"]) == (126, "spawn-failed")
    assert name in outcome["reason"]


@pytest.mark.skipif(Path("/sys/kernel/sched_ext").exists(), reason="this host's kernel has sched_ext")
def test_a_host_without_sched_ext_says_so_before_the_liveness_window_ends(tmp_path: Path) -> None:
    code, outcome = scxlife("--liveness", "1h", "--", "sleep", "300", tmp=tmp_path)
    assert (code, outcome["outcome"], outcome["reason"]) == (11, "not-attached", "sched_ext sysfs absent")
    assert outcome["exit"] == {"signal": signal.SIGKILL}


def test_an_exit_of_its_own_while_running_is_told_with_its_status(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = script(tmp_path, f"#!/bin/sh\ntouch {ready}\nread line < {tmp_path}/go\nexit 7\n")
    os.mkfifo(tmp_path / "go")
    process = subprocess.Popen(
        [*SCXLIFE, "run", "--json", "--ready", f"file:{ready}", "--log", str(tmp_path / "log"), "--", daemon],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "→ running" in line:
            break
    (tmp_path / "go").write_text("now\n")
    out, _ = process.communicate(timeout=LIMIT)
    outcome = json.loads(out.splitlines()[-1])
    assert (process.returncode, outcome["outcome"], outcome["exit"]) == (13, "exited", {"code": 7})


def interrupted(tmp: Path, daemon: str, times: int) -> tuple[int, dict[str, Any]]:
    """Start `daemon`, wait until it runs, then interrupt scxlife, each time after it answered the one before."""
    ready = tmp / "ready"
    process = subprocess.Popen(
        [
            *SCXLIFE,
            "run",
            "--json",
            "--ready",
            f"file:{ready}",
            "--stop-grace",
            "1h",
            "--log",
            str(tmp / "log"),
            "--",
            daemon,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    marks = iter(["→ running", "→ stopping"])
    mark = next(marks)
    for line in process.stderr:
        if mark in line:
            process.send_signal(signal.SIGINT)
            times -= 1
            if not times:
                break
            mark = next(marks)
    out, _ = process.communicate(timeout=LIMIT)
    return process.returncode, json.loads(out.splitlines()[-1])


def test_ctrl_c_stops_it_cleanly(tmp_path: Path) -> None:
    daemon = script(tmp_path, f"#!/bin/sh\ntrap 'exit 0' TERM\ntouch {tmp_path}/ready\nwhile :; do sleep 0.01; done\n")
    code, outcome = interrupted(tmp_path, daemon, 1)
    assert (code, outcome["outcome"], outcome["exit"]) == (0, "stopped", {"code": 0})


def test_a_second_ctrl_c_kills_what_does_not_listen(tmp_path: Path) -> None:
    daemon = script(tmp_path, f"#!/bin/sh\ntrap '' TERM\ntouch {tmp_path}/ready\nwhile :; do sleep 0.01; done\n")
    code, outcome = interrupted(tmp_path, daemon, 2)
    assert (code, outcome["outcome"], outcome["exit"]) == (0, "stopped", {"signal": signal.SIGKILL})


@pytest.mark.parametrize(
    "words",
    [
        ("--for", "soon", "--", "true"),
        ("--ready", "magic", "--", "true"),
        (),
        ("--tape", "/proc/no/tape", "--", "true"),
    ],
)
def test_a_users_mistake_is_a_line_and_exit_2(words: tuple[str, ...]) -> None:
    done = subprocess.run([*SCXLIFE, "run", *words], capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2
    assert "error" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_lost_log_is_named_and_the_process_still_runs(tmp_path: Path) -> None:
    """Its default name is made of the program's, which is too long here."""
    daemon = Path(script(tmp_path, "#!/bin/sh\nexit 1\n"))
    daemon = daemon.rename(tmp_path / ("d" * 250))
    command = [*SCXLIFE, "run", "--json", "--ready", "none", "--", str(daemon)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, outcome["exit"]) == (10, {"code": 1})
    assert "ENAMETOOLONG" in outcome["log_lost"]


def test_L7_a_log_that_is_a_link_is_refused_before_the_start(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "log").symlink_to(tmp_path / "target")
    command = [*SCXLIFE, "run", "--ready", "none", "--log", str(tmp_path / "log"), "--", "touch", str(tmp_path / "ran")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 2
    assert done.stderr == f"scxlife: error: --log {tmp_path}/log: it is a symbolic link\nhint: name the file itself\n"
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "ran").exists()


def test_the_tape_is_json_lines_that_count_from_zero(tmp_path: Path) -> None:
    scxlife("--ready", "none", "--tape", str(tmp_path / "tape"), "--", "/bin/false", tmp=tmp_path)
    records = [json.loads(line) for line in (tmp_path / "tape").read_text().splitlines()]
    assert [record["seq"] for record in records] == list(range(len(records)))
    assert records[0]["kind"] == "tape"
    assert records[-1] == {**records[-1], "kind": "end", "outcome": "startup-died"}


def test_a_tape_that_can_not_be_written_is_named_and_the_run_goes_on(tmp_path: Path) -> None:
    command = [*SCXLIFE, "run", "--ready", "none", "--for", "10ms", "--tape", "/dev/full", "--", "sleep", "300"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=LIMIT, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert done.returncode == 0
    assert done.stderr == "scxlife: warning: --tape /dev/full ends here: No space left on device\n"
    assert "outcome    stopped" in done.stdout


def test_a_name_that_is_not_utf8_is_shown_with_escapes(tmp_path: Path) -> None:
    daemon = os.fsencode(tmp_path) + b"/d\xff"
    Path(os.fsdecode(daemon)).write_text("#!/bin/sh\nexit 3\n")
    Path(os.fsdecode(daemon)).chmod(0o755)
    command = [*map(os.fsencode, SCXLIFE), b"run", b"--ready", b"none", b"--log", b"/dev/null", b"--", daemon]
    env = {**os.environ, "PYTHONIOENCODING": "utf-8:strict"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=env)
    assert (done.returncode, done.stderr) == (10, "")
    assert "/d\\udcff" in done.stdout


def test_a_reader_that_goes_away_does_not_end_the_run_nor_leave_the_process_behind(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    daemon = script(tmp_path, f"#!/bin/sh\necho $$ > {ready}.pid; : > {ready}; exec sleep 300\n")
    words = ["run", "--ready", f"file:{ready}", "--log", str(tmp_path / "log"), "--", daemon]
    process = subprocess.Popen([*SCXLIFE, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "→ running" in line:
            break
    process.stdout.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(LIMIT) == 0
    assert not alive(int(Path(f"{ready}.pid").read_text()))


REJECTED = """#!/bin/sh
echo "libbpf: prog 'mine_enqueue': BPF program load failed: -EACCES"
echo "libbpf: prog 'mine_enqueue': -- BEGIN PROG LOAD LOG --"
yes '10: (79) r1 = *(u64 *)(r9 +8) ; R1=scalar()' | head -n 20000
echo '; p->scx.slice = 0; @ mine.bpf.c:12'
echo '2: (7b) *(u64 *)(r1 +0) = r2'
echo "R1 invalid mem access 'scalar'"
echo 'processed 3 insns (limit 1000000)'
echo '-- END PROG LOAD LOG --'
yes 'cleaning up' | head -n 20000
exit 1
"""


def test_L15_a_rejection_in_a_long_log_is_printed_and_in_the_json(tmp_path: Path) -> None:
    daemon = script(tmp_path, REJECTED)
    words = ("--ready", "none", "--liveness", "30s", "--", daemon)
    code, outcome = scxlife(*words, tmp=tmp_path)
    assert (code, outcome["outcome"], outcome["cause"], outcome["degraded"]) == (10, "startup-died", "verifier", [])
    assert outcome["verifier"] == {
        "program": "mine_enqueue",
        "source": "mine.bpf.c:12: p->scx.slice = 0;",
        "message": "R1 invalid mem access 'scalar'",
    }
    command = [*SCXLIFE, "run", "--log", str(tmp_path / "log"), *words]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT).stdout.splitlines()
    at = lines.index("verifier   mine_enqueue: R1 invalid mem access 'scalar'")
    assert lines[at + 1] == "           at mine.bpf.c:12: p->scx.slice = 0;"
    assert lines[at + 2].endswith("[verifier]")


@pytest.mark.parametrize(
    ("words", "phase"),
    [(("--liveness", "300s"), "startup"), (("--liveness", "1ms", "--attach-timeout", "300s"), "attach")],
)
def test_what_is_interrupted_before_it_was_ready_says_so(tmp_path: Path, words: tuple[str, ...], phase: str) -> None:
    command = [*SCXLIFE, "run", "--json", "--ready", f"file:{tmp_path}/ready", "--log", str(tmp_path / "log"), *words]
    process = subprocess.Popen(
        [*command, "--", "sleep", "300"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stderr is not None
    for line in process.stderr:
        if line.rstrip().endswith("deadline") if phase == "attach" else "→ startup" in line:
            break
    process.send_signal(signal.SIGINT)
    outcome = json.loads(process.communicate(timeout=LIMIT)[0].splitlines()[-1])
    assert (outcome["outcome"], outcome["phase"], outcome["ready_seconds"]) == ("stopped", phase, None)
    assert outcome["reason"] == f"it was not ready yet (phase {phase}) and ended as asked"
