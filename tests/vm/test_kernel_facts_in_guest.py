"""What the lifecycle takes the kernel to do, looked at on a real one: one guest finds the facts, each test reads some.

Where a kernel does otherwise, a source of ours is built on sand.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.schedulers.build import fault_scheduler
from tests.vm.watched import BOUND, small_kernel

from scxlife.platform.vm import accel, frames, guest, image
from scxlife.platform.vm.qemu import run_guest

pytestmark = pytest.mark.guest

HERE = Path(__file__).parent
Facts = dict[str, Any]


def facts_of(kernel: Path, folder: Path) -> Facts:
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        pytest.skip("QEMU is not installed")
    base = image.build_base(entry="inits.finds_facts", modules=("scxlife.platform.linux.libc",))
    run = image.Run(config=b"{}", definition=b"{}", scheduler=fault_scheduler())
    image.build_run(base, run, folder / "initrd")
    chosen = accel.choose("auto", qemu=Path(qemu))
    seen: list[frames.Frame] = []
    spec = guest.GuestSpec(kernel, folder / "initrd", chosen, Path(qemu), timeout=BOUND)
    result = run_guest(spec, on_frame=seen.append)
    assert isinstance(result, guest.Completed), result
    facts: Facts = json.loads(seen[0].payload)
    assert "error" not in facts, facts["error"]
    return facts


@pytest.fixture(scope="module")
def kernel() -> Path:
    return small_kernel()


@pytest.fixture(scope="module")
def facts(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Facts:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        return facts_of(kernel, tmp_path_factory.mktemp("facts"))


@pytest.fixture
def watchers(facts: Facts) -> Facts:
    watchers: Facts = facts["watchers"]
    return watchers


def test_B1_F3_inotify_never_tells_of_what_the_kernel_makes_in_sysfs(watchers: Facts) -> None:
    # Both watches work: one tells of a file that a process makes, one of our own reading in that very directory.
    assert watchers["inotify tells of a file that a process makes"]
    assert watchers["inotify tells of our own reading"]
    assert not watchers["inotify woke for sched_ext"]


def test_B2_F4_POLLPRI_never_wakes_though_the_state_changed_eight_times_and_the_file_went(watchers: Facts) -> None:
    assert not watchers["POLLPRI woke for the state"]
    assert not watchers["POLLPRI woke for a file that is gone"]
    assert watchers["asked anew, a file that is gone answers"]


def test_B3_a_wait_without_a_read_before_it_wakes_at_once_and_means_nothing(watchers: Facts) -> None:
    assert watchers["POLLPRI is there before the first read"]


def test_B8_B9_F6_each_instance_has_its_inode_and_a_held_file_answers_ENODEV_for_ever(watchers: Facts) -> None:
    first, second = watchers["inodes"]
    assert first != second
    assert watchers["the held file, after its end"] == "ENODEV"
    assert watchers["the same name"] == "fault"
    assert watchers["the held file, while the same name is back"] == "ENODEV"


def test_A1_F1_the_name_is_there_before_the_kernel_is_enabled(watchers: Facts) -> None:
    *before, last = watchers["seen on the way in"]
    assert last == ["enabled", "fault"]
    assert ["enabling", "fault"] in before


def test_A6_F5_a_uevent_comes_with_each_enable_and_disable_and_the_count_is_right_in_the_end(watchers: Facts) -> None:
    (added,) = watchers["uevents of the enable"]
    assert (added["action"], added["ops"], added["state"]) == ("add", "fault", "enabled")
    # At the uevent it may be either: it is counted up afterwards.
    assert added["enable_seq"] in ("0", "1")
    assert watchers["enable_seq, in the end"] == "1"
    (removed,) = watchers["uevents of the disable"]
    assert removed["action"] == "remove"
    assert removed["state"] in ("disabling", "disabled")


def test_F9_a_process_has_not_ended_before_the_kernel_has_let_go_of_its_scheduler(watchers: Facts) -> None:
    assert watchers["at the end of a killed one"] == {"state": "disabled", "root": False, "status": 9}
    assert watchers["at the end of one that was asked"] == {"state": "disabled", "root": False, "status": 0}


def test_A3_F2_a_failed_enable_sends_no_uevent_counts_nothing_and_leaves_the_process_alive(facts: Facts) -> None:
    failed = facts["failed enable"]
    assert failed["seen"][-1][0] == "enabling"
    assert failed["alive"]
    assert failed["uevents"] == 0
    assert failed["enable_seq"] == ["2", "2"]


def test_a_link_has_its_number_before_its_scheduler_is_enabled_and_is_nobodys_until_then(facts: Facts) -> None:
    failed = facts["failed enable"]
    assert failed["links while enabling"] == {"new": 1, "newest": True}
    assert failed["links held while enabling"] == 0


def test_who_enables_a_scheduler_lives_for_as_long_as_that_takes_killed_or_not(facts: Facts) -> None:
    killed = facts["killed enable"]
    assert killed["looks"] > 0
    assert killed["dead while enabling"] == 0
    assert killed["at its end"] == {"state": "disabled", "root": False, "status": 9}


def test_C17_a_cgroup_is_deserted_and_removed_before_its_zombie_is_reaped(facts: Facts) -> None:
    assert "populated 0" in facts["cgroup"]["events"]
    assert facts["cgroup"]["zombie"] == 9
