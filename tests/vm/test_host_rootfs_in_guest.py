"""`--rootfs host`: a payload that runs on this host runs in the guest, and changes nothing but what it may."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from scxlife.platform.vm import host_files, kernels
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.progress import PlainLines

SCXLIFE = [sys.executable, "-m", "scxlife.lifecycle", "vm", "run", "--timeout", "600s", "--rootfs", "host", "--json"]
LIMIT = 700


@pytest.fixture(autouse=True)
def _needs_virtiofsd() -> None:
    try:
        host_files.find()
    except host_files.NoSharing as error:
        pytest.skip(str(error))


def vm(kernel: Kernel, folder: Path, *words: str, scheduler: bool = False) -> tuple[dict[str, Any], str]:
    """The JSON, and all that was said. The run itself is a success, whatever the payload's end."""
    chosen = [] if scheduler else ["--no-scheduler"]
    done = subprocess.run(
        [*SCXLIFE, *chosen, "--kernel", kernel.version, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


HOST_PYTHON = """
import os, sys
print(os.getcwd(), open("data").read())
for path in sys.argv[1:]:
    try:
        with open(path, "w") as file:
            file.write("from the guest")
        print("wrote", path)
    except OSError as error:
        print(path, error.strerror)
"""


@pytest.mark.guest
@pytest.mark.parametrize("how", [[], ["--cold"], ["--topology", "numa2"]])
def test_only_the_folders_of_rw_are_changed_on_the_host(each_kernel: Kernel, tmp_path: Path, how: list[str]) -> None:
    (tmp_path / "data").write_text("of the host")
    (tmp_path / "out").mkdir()
    outside = ["new", "data", "/etc/scxlife-test", str(Path.home() / "scxlife-test")]
    python = ["--", sys.executable, "-c", HOST_PYTHON, "out/result", *outside]
    outcome, said = vm(each_kernel, tmp_path, *how, "--rw", "out", *python)
    assert outcome["payload"] == {"exit": {"code": 0}}, said
    assert f"{tmp_path} of the host\n" in said
    assert (tmp_path / "out/result").read_text() == "from the guest"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out"]
    assert (tmp_path / "data").read_text() == "of the host"
    assert not any(Path(path).exists() for path in outside[2:])


@pytest.mark.guest
def test_a_guest_that_mounts_it_to_write_is_refused_by_the_host(small_kernel: Kernel, tmp_path: Path) -> None:
    attempts = """
    mkdir /m && mount -t virtiofs scxlife-host /m || exit 9
    mount -o remount,rw /m
    for path in $PLACE /etc /usr/bin; do touch /m$path/scxlife-test && exit 7; done
    for path in /proc /sys /dev /run; do test -z "$(ls -A /m$path)" || exit 8; done
    """
    # In the guest's own root, where all is PID 1's.
    words = ["--setup", f"PLACE={tmp_path}; {attempts}", "--", "true"]
    outcome, said = vm(small_kernel, tmp_path, *words)
    assert outcome["payload"] == {"exit": {"code": 0}}, said
    assert [*tmp_path.iterdir()] == []


@pytest.mark.guest
def test_a_scheduler_runs_beside_a_payload_of_the_host(each_kernel: Kernel, tmp_path: Path) -> None:
    outcome, said = vm(each_kernel, tmp_path, "--", "cat", "/sys/kernel/sched_ext/state", scheduler=True)
    assert (outcome["outcome"], outcome["payload"]) == ("stopped", {"exit": {"code": 0}}), said
    assert "enabled\n" in said


@pytest.mark.guest
def test_the_payload_may_change_what_it_sees_where_there_is_an_overlay(each_kernel: Kernel, tmp_path: Path) -> None:
    if not each_kernel.built:
        # Its package is large, and fetched once.
        kernels.fetch_overlay(PlainLines(sys.__stderr__ or sys.stderr), each_kernel)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").touch()
    line = "rm -r tree && mkdir tree && mv tree other && touch /usr/bin/mine && ls -d tree other; ls /usr/bin/mine"
    outcome, said = vm(each_kernel, tmp_path, "--", "sh", "-c", line)
    assert "other\n" in said
    assert "/usr/bin/mine\n" in said
    assert (tmp_path / "tree/file").exists()
    assert not Path("/usr/bin/mine").exists()
    assert not [each for each in outcome["degraded"] if "overlay" in each]


@pytest.mark.guest
def test_without_an_overlay_tmp_is_in_memory_and_the_rest_is_read_only(shipped_kernel: Kernel, tmp_path: Path) -> None:
    # As a kernel of no cache it has no module; a kernel that is built here has overlays in itself.
    kernel = tmp_path / "vmlinuz"
    shutil.copy(shipped_kernel.vmlinuz, kernel)
    line = "touch /tmp/mine && ls /tmp/mine; touch /usr/bin/mine || echo refused"
    outcome, said = vm(shipped_kernel, tmp_path, "--kernel", str(kernel), "--cold", "--", "sh", "-c", line)
    assert "/tmp/mine\nrefused\n" in outcome["payload_output"]["stdout"]["text"], said
    (words,) = [each for each in outcome["degraded"] if "overlay" in each]
    assert "scxlife kernel fetch --overlay" in words
    assert not Path("/tmp/mine").exists()


TOOLS = {
    "perf": ["perf", "stat", "-e", "context-switches", "true"],
    "stress-ng": ["stress-ng", "--cpu", "1", "--timeout", "1"],
    "python3": [sys.executable, "-c", "import ssl, sqlite3, json"],
}


@pytest.mark.guest
@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_of_the_host_runs_unchanged(each_kernel: Kernel, tmp_path: Path, tool: str) -> None:
    if shutil.which(TOOLS[tool][0]) is None:
        pytest.skip(f"{tool} is not installed")
    outcome, said = vm(each_kernel, tmp_path, "--", *TOOLS[tool])
    assert outcome["payload"] == {"exit": {"code": 0}}, said


@pytest.mark.guest
def test_a_virtiofsd_that_dies_ends_the_guest_and_is_named(small_kernel: Kernel, tmp_path: Path) -> None:
    words = ["--no-scheduler", "--kernel", small_kernel.version, "--rw", ".", "--"]
    payload = ["sh", "-c", "touch begun; sleep 600; ls"]
    with subprocess.Popen(
        [*SCXLIFE, *words, *payload], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        end = time.monotonic() + LIMIT
        while not (tmp_path / "begun").exists():
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.02)
        (pid,) = [pid for pid in children_of(process.pid) if "virtiofsd" in Path(f"/proc/{pid}/comm").read_text()]
        os.kill(pid, signal.SIGKILL)
        out, err = process.communicate(timeout=LIMIT)
    outcome = json.loads(out.splitlines()[-1])
    assert (process.returncode, outcome["guest"]) == (15, "cut-off"), err
    assert outcome["reason"] == "virtiofsd ended with -9, and the guest with it"


@pytest.mark.guest
@pytest.mark.parametrize("rootfs", ["host", "busybox"])
def test_a_file_of_the_guest_is_copied_out(each_kernel: Kernel, tmp_path: Path, rootfs: str) -> None:
    words = ["--rootfs", rootfs, "--get", "/tmp/made=got", "--get", "/tmp/none"]
    outcome, said = vm(each_kernel, tmp_path, *words, "--", "sh", "-c", "echo of the guest >/tmp/made; exit 3")
    assert outcome["payload"] == {"exit": {"code": 3}}, said
    assert (tmp_path / "got").read_text() == "of the guest\n"
    assert "--get /tmp/none: No such file or directory" in outcome["degraded"]
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def children_of(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]
