"""`scxlife run --metrics FILE`, read by Prometheus' own parser."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from scxlife.lifecycle.metrics import FAMILIES, Metrics
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import OUTCOMES
from scxlife.lifecycle.usage import UsageError

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "run"]
LIMIT = 60

Samples = dict[tuple[str, str], float]


def read(path: Path) -> Samples:
    """Each sample by its family and the label that is not the name. A file that Prometheus would refuse is an error."""
    found: Samples = {}
    for family in text_string_to_metric_families(path.read_text()):
        assert family.documentation
        for sample in family.samples:
            labels = {key: value for key, value in sample.labels.items() if key != "name"}
            key = (sample.name, next(iter(labels.values()), ""))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def state(samples: Samples) -> list[str]:
    return [label for (name, label), value in samples.items() if name == "scxlife_state" and value == 1]


def run(path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*SCXLIFE, "--metrics", str(path), "--log", "/dev/null", "--ready", "none", "--liveness", "50ms", *words],
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert "Traceback" not in done.stderr
    return done


def metrics(path: Path, name: str = "scx_x") -> Metrics:
    return Metrics(str(path), shipped(), name, realtime=lambda: 1e9)


def start(into: Metrics) -> None:
    into.record({"kind": "start", "state": "idle", "t": 5.0})


def test_a_run_that_ended_as_asked_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    assert run(path, "--for", "100ms", "--", "sleep", "300").returncode == 0
    samples = read(path)
    assert state(samples) == ["done"]
    assert samples["scxlife_generation", ""] == samples["scxlife_attach_total", ""] == 1
    assert samples["scxlife_ejections_total", ""] == 0
    assert {label: n for (name, label), n in samples.items() if name == "scxlife_runs_total" and n} == {"stopped": 1}
    assert samples["scxlife_state_seconds_total", "running"] >= 0.1
    assert samples["scxlife_state_seconds_total", "startup"] >= 0.05
    assert {name for name, _ in samples} == set(FAMILIES)


# Debian has it only with the whole of Prometheus, which nothing here needs: a second opinion where it is.
if shutil.which("promtool") is not None:

    def test_promtool_finds_nothing_to_mend(tmp_path: Path) -> None:
        path = tmp_path / "scx.prom"
        start(metrics(path))
        with path.open() as file:
            checked = subprocess.run(["promtool", "check", "metrics"], stdin=file, capture_output=True, text=True)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_while_it_runs_the_file_says_running_and_since_when(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    there, here = os.pipe()
    words = ["--metrics", str(path), "--log", "/dev/null", "--ready", "none", "--liveness", "50ms"]
    with subprocess.Popen(
        [*SCXLIFE, *words, "--notify-fd", str(here), "--", "sleep", "300"], stdout=subprocess.DEVNULL, pass_fds=[here]
    ) as process:
        try:
            os.close(here)
            os.read(there, 1)
            os.close(there)
            samples = read(path)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(LIMIT)
    assert state(samples) == ["running"]
    assert samples["scxlife_attach_total", ""] == 1
    assert samples["scxlife_state_since_seconds", ""] == pytest.approx(path.stat().st_mtime, abs=LIMIT)


def test_the_counters_go_on_from_one_run_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    for _ in range(2):
        run(path, "--for", "50ms", "--", "sh", "-c", "exec sleep 300")
    run(path, "--", "sh", "-c", "exit 1")
    samples = read(path)
    assert samples["scxlife_attach_total", ""] == 2
    assert samples["scxlife_generation", ""] == 0, "of this run"
    assert samples["scxlife_runs_total", "stopped"] == 2
    assert samples["scxlife_runs_total", "startup-died"] == 1
    assert samples["scxlife_state_seconds_total", "running"] >= 0.1


def test_what_the_file_holds_of_others_or_of_nobody_is_not_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    mine = 'scxlife_attach_total{name="scx_x"} '
    path.write_bytes(
        b"\xff\n{\n" + f'{mine}\n{mine}NaN\n{mine}-4\n{mine}x\nscxlife_attach_total{{name="o"}} 7\n'.encode()
    )
    start(metrics(path))
    assert read(path)["scxlife_attach_total", ""] == 0
    path.write_text(f"{mine}3\n")
    start(metrics(path))
    assert read(path)["scxlife_attach_total", ""] == 3


def test_every_state_and_every_outcome_is_there_from_the_beginning(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    start(metrics(path))
    samples = read(path)
    assert {label: n for (name, label), n in samples.items() if name == "scxlife_state_seconds_total"} == dict.fromkeys(
        shipped().states, 0.0
    )
    assert {label: n for (name, label), n in samples.items() if name == "scxlife_runs_total"} == dict.fromkeys(
        OUTCOMES, 0.0
    )


def test_a_time_that_goes_back_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    told = metrics(path)
    start(told)
    told.record({"kind": "step", "cell": "go", "verdict": None, "state": "idle", "to": "locating", "t": 4.5})
    assert read(path)["scxlife_state_seconds_total", "idle"] == 0


def test_a_number_that_no_counter_can_have_is_not_counted_on(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    lines = [f'scxlife_attach_total{{name="scx_x"}} {number}\n' for number in ("-1", "-0.5", "inf", "nan", "many")]
    for line in lines:
        path.write_text(line)
        start(metrics(path))
        assert read(path)["scxlife_attach_total", ""] == 0


@pytest.mark.parametrize("kind", ["a link", "a FIFO"])
def test_what_takes_the_place_of_the_file_meanwhile_is_neither_followed_nor_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path, other = tmp_path / "scx.prom", tmp_path / "other"
    other.write_text('scxlife_attach_total{name="scx_x"} 7\n')
    seen = other.lstat()
    if kind == "a link":
        path.symlink_to(other)
    else:
        os.mkfifo(path)
    # It was a file when it was looked at.
    monkeypatch.setattr(Path, "lstat", lambda self: seen)
    start(metrics(path))
    monkeypatch.undo()
    assert read(path)["scxlife_attach_total", ""] == 0


def test_a_link_that_takes_the_place_of_the_draft_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, victim = tmp_path / "scx.prom", tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".scx.prom.{os.getpid()}").symlink_to(victim)
    # It was taken away, and is there again.
    monkeypatch.setattr(Path, "unlink", lambda self, missing_ok=False: None)
    told = metrics(path)
    start(told)
    monkeypatch.undo()
    assert victim.read_text() == "mine"
    assert told.degraded is not None and not path.exists()


def test_an_ejection_is_counted_once_whatever_follows(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    into = metrics(path)
    start(into)
    step = {"kind": "step", "cell": "go", "t": 6.0}
    into.announce("attached")
    into.announce("lost")
    into.record({**step, "state": "running", "to": "detached", "verdict": None})
    assert read(path)["scxlife_detach_total", ""] == 1
    assert read(path)["scxlife_ejections_total", ""] == 0, "it may attach again"
    into.record({**step, "state": "detached", "to": "stopping", "verdict": "ejected/kernel"})
    into.record({**step, "state": "stopping", "to": "reaping", "verdict": "ejected/kernel"})
    into.record({"kind": "end", "state": "done", "outcome": "ejected/kernel"})
    samples = read(path)
    assert samples["scxlife_ejections_total", ""] == samples["scxlife_runs_total", "ejected"] == 1


def test_a_name_is_written_so_that_it_can_be_read_back(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    name = 'a "b"\\c\nd'
    for total in (1, 2):
        into = metrics(path, name)
        start(into)
        into.announce("attached")
        (family,) = [each for each in text_string_to_metric_families(path.read_text()) if "attach" in each.name]
        assert [(sample.labels["name"], sample.value) for sample in family.samples] == [(name, total)]


def test_whoever_may_read_it_may_and_no_draft_is_left(tmp_path: Path) -> None:
    path = tmp_path / "scx.prom"
    before = os.umask(0o077)
    try:
        start(metrics(path))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["scx.prom"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "full"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("only who may mount can fill a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_told_and_the_file_before_stays(full_disk: Path) -> None:
    path = full_disk / "scx.prom"
    path.write_text('scxlife_attach_total{name="sleep"} 3\n')
    done = run(path, "--json", "--for", "50ms", "--", "sleep", "300")
    assert done.returncode == 0
    assert f"--metrics {path} is not up to date: No space left on device" in done.stdout
    assert path.read_text() == 'scxlife_attach_total{name="sleep"} 3\n'
    assert [each.name for each in full_disk.iterdir()] == ["scx.prom"]


def test_L4_a_folder_that_is_not_there_is_refused_before_the_start(tmp_path: Path) -> None:
    done = run(tmp_path / "nowhere" / "scx.prom", "--", "touch", str(tmp_path / "started"))
    assert done.returncode == 2
    assert f"there is no folder {tmp_path}/nowhere" in done.stderr
    assert not (tmp_path / "started").exists()


def test_what_was_written_late_is_no_degradation(tmp_path: Path) -> None:
    path = tmp_path / "later" / "scx.prom"
    path.parent.mkdir()
    into = metrics(path)
    path.parent.rmdir()
    start(into)
    assert into.degraded is not None
    path.parent.mkdir()
    into.announce("attached")
    assert into.degraded is None
    assert read(path)["scxlife_attach_total", ""] == 1


def test_what_is_no_file_is_refused_and_stays_what_it_is(tmp_path: Path) -> None:
    link = tmp_path / "link.prom"
    link.symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path, link, Path("/dev/null")):
        with pytest.raises(UsageError, match=r"it is a (folder|device|symbolic link)"):
            metrics(path)
    done = run(link, "--", "touch", str(tmp_path / "started"))
    assert done.returncode == 2
    assert not (tmp_path / "started").exists()
