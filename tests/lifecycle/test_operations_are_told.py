"""Who supervises a supervisor of several schedulers is told as one of a single one is."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

LIMIT = 60
RUN = [sys.executable, "-m", "scxlife.lifecycle", "run", "--ready", "none", "--liveness", "50ms"]


@contextmanager
def supervised(*words: str, pass_fds: Sequence[int] = (), **environment: str) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, **environment}
    with subprocess.Popen([*RUN, *words], stdout=subprocess.PIPE, text=True, env=env, pass_fds=pass_fds) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT)


def test_signs_of_life_are_given_while_nothing_happens(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.settimeout(LIMIT)
        manager.bind(str(tmp_path / "notify"))
        told = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "200000"}
        with supervised("--control", str(tmp_path / "control"), **told):
            signs = 0
            while signs < 3:
                signs += manager.recv(4096) == b"WATCHDOG=1"


def test_the_descriptor_is_given_a_newline_when_the_first_is_ready() -> None:
    there, here = os.pipe()
    with supervised(
        "--notify-fd", str(here), "--restart", "on-failure", "--", "sleep", "300", pass_fds=[here]
    ) as process:
        os.close(here)
        with os.fdopen(there, "rb") as reader:
            assert reader.read() == b"\n"
        assert process.poll() is None


def test_the_journal_gets_priorities_and_who_it_is_about() -> None:
    words = ["--log-format", "journal", "--restart", "on-failure", "--start-limit", "1", "--backoff-first", "10ms"]
    done = subprocess.run([*RUN, *words, "--", "false"], capture_output=True, text=True, timeout=LIMIT)
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    assert all(re.match(r"<[0-7]>\S", line) for line in lines)
    assert len([line for line in lines if line.startswith("<6>false#1: spawning → startup: ")]) == 1
    assert len([line for line in lines if line.startswith("<6>false#2: spawning → startup: ")]) == 1
    assert len([line for line in lines if line.startswith("<3>outcome    startup-died")]) == 2
    assert [line for line in lines if line.startswith("<6>vacating → starting: ")]


def test_programs_get_objects_only() -> None:
    done = subprocess.run(
        [*RUN, "--log-format", "json", "--restart", "never", "--", "false"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each.get("scheduler") for each in objects} == {None, "false#1"}
    assert [each["outcome"] for each in objects if each["kind"] == "end"] == ["startup-died"]


def test_the_metrics_are_of_all_lives(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    words = ["--metrics", str(path), "--restart", "on-failure", "--start-limit", "2", "--backoff-first", "10ms"]
    subprocess.run([*RUN, *words, "--", "false"], capture_output=True, timeout=LIMIT)
    samples = {
        (sample.name, sample.labels.get("outcome")): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }
    assert samples["scxlife_runs_total", "startup-died"] == 3
    assert samples["scxlife_attach_total", None] == 0
