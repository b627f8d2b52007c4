"""Who is told of a run as it goes: what, when, and what of that was lost. A real socket of a service manager."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scxlife.lifecycle.listeners import Listeners
from scxlife.lifecycle.metrics import Metrics
from scxlife.lifecycle.notify import STATUS_BYTES, ReadinessDescriptor, ServiceManager
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.outcomes import Stopped
from scxlife.lifecycle.outlet import Outlets
from scxlife.lifecycle.usage import UsageError
from scxlife.platform.linux import LinuxKernel

STEP: dict[str, Any] = {
    "kind": "step", "t": 1.0, "state": "running", "event": "interrupt", "to": "stopping", "cell": "go",
    "verdict": "stopped", "cause": "SIGINT", "data": {},
}  # fmt: skip


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listening:
        listening.bind(str(tmp_path / "notify"))
        yield listening


def listeners(folder: Path, **more: Any) -> Listeners:
    asked: dict[str, Any] = {"notify_fd": None, "metrics": None, **more}
    return Listeners(shipped(), {"NOTIFY_SOCKET": str(folder / "notify")}, Outlets(LinuxKernel()), **asked)


def heard(manager: socket.socket) -> list[str]:
    said = []
    while True:
        try:
            said.append(manager.recv(4096).decode())
        except BlockingIOError:
            return said


def test_K9_the_end_begins_once_and_each_state_has_its_status(tmp_path: Path, manager: socket.socket) -> None:
    told = listeners(tmp_path)
    told.record({**STEP, "to": "running", "state": "startup", "event": "ready", "cause": "uevent"})
    told.record(STEP)
    told.record({**STEP, "state": "stopping", "to": "reaping", "event": "exited", "cause": "pidfd readable"})
    assert heard(manager) == [
        "STATUS=running: uevent",
        "STOPPING=1",
        "STATUS=stopping: SIGINT",
        "STATUS=reaping: pidfd readable",
    ]


def test_what_changes_nothing_is_no_status_but_the_kernels_own_word(tmp_path: Path, manager: socket.socket) -> None:
    told = listeners(tmp_path)
    said = {**STEP, "to": "running", "event": "kernel_says", "cause": "the kernel"}
    told.record({**said, "data": {"verb": "enabled", "line": "enabled"}})
    told.record({**said, "cell": "ignore"})
    told.record({**said, "data": {"verb": "disabled", "line": "disabled (stall)"}})
    told.record({**said, "data": {"verb": "disabled", "line": ""}})
    assert heard(manager) == ["STATUS=running: disabled (stall)", "STATUS=running: the kernel"]


def test_the_last_status_is_the_outcome_and_what_was_not_told_is_in_it(tmp_path: Path, manager: socket.socket) -> None:
    outcome = Stopped(reason="as asked", degraded=("half blind",))
    assert listeners(tmp_path).over(outcome) == outcome
    assert heard(manager) == ["STATUS=stopped: as asked"]
    deaf, written = os.pipe()
    os.close(deaf)
    (tmp_path / "none").mkdir()
    metrics = Metrics(str(tmp_path / "none" / "scx.prom"), shipped(), "x", realtime=lambda: 1e9)
    (tmp_path / "none").rmdir()
    (tmp_path / "notify").unlink()
    told = listeners(tmp_path, notify_fd=written, metrics=metrics)
    told.announce("attached", {})
    degraded = told.over(outcome).degraded
    assert degraded[0] == "half blind"
    assert [what.partition(":")[0] for what in degraded[1:]] == [
        "the service manager was not told",
        f"readiness could not be told by descriptor {written}",
        f"--metrics {tmp_path}/none/scx.prom is not up to date",
    ]


@pytest.mark.parametrize("fd", [0, 1, 2])
def test_a_standard_descriptor_tells_nobody_that_it_is_ready(fd: int) -> None:
    with pytest.raises(UsageError, match=rf"--notify-fd {fd}: "):
        ReadinessDescriptor(fd, Outlets(LinuxKernel()))


def test_a_status_of_as_many_bytes_as_fit_is_whole_and_one_more_is_cut(tmp_path: Path, manager: socket.socket) -> None:
    told = ServiceManager(str(tmp_path / "notify"))
    told.status("a" * STATUS_BYTES)
    told.status("a" * (STATUS_BYTES + 1))
    told.close()
    assert heard(manager) == [f"STATUS={'a' * STATUS_BYTES}", f"STATUS={'a' * (STATUS_BYTES - 3)}…"]
