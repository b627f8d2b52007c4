"""Which socket or service a cgroup belongs to: what a supervisor and the next one must agree on."""

from __future__ import annotations

import re

import pytest

from scxlife.platform import leftovers
from scxlife.platform.kernel import Kernel
from scxlife.platform.linux import LinuxKernel

SLICE = "/sys/fs/cgroup/system.slice"


def test_L2_a_socket_is_known_by_its_path() -> None:
    one, same, other = (leftovers.unit_of(LinuxKernel(), path) for path in ("/run/a", "/run/a", "/run/b"))
    assert one == same != other
    assert one is not None and re.fullmatch("[0-9a-f]{16}", one)


@pytest.mark.parametrize(
    ("ours", "like"),
    [
        (f"{SLICE}/a.service", f"{SLICE}/a.service"),
        (f"{SLICE}/a.service/supervisor", f"{SLICE}/a.service"),
        (f"{SLICE}/a.service/supervisor", f"{SLICE}/a.service/other"),
    ],
)
def test_L2_a_service_is_known_by_its_cgroup(monkeypatch: pytest.MonkeyPatch, ours: str, like: str) -> None:
    assert unit_in(monkeypatch, ours) == unit_in(monkeypatch, like) is not None
    assert unit_in(monkeypatch, ours) != unit_in(monkeypatch, f"{SLICE}/b.service")


@pytest.mark.parametrize("ours", ["/sys/fs/cgroup", "/sys/fs/cgroup/user.slice/session-1.scope", f"{SLICE}/a.servicex"])
def test_L2_what_is_no_service_has_no_key(monkeypatch: pytest.MonkeyPatch, ours: str) -> None:
    assert unit_in(monkeypatch, ours) is None


def test_L2_a_leftover_that_was_removed_meanwhile_is_passed_over() -> None:
    gone = leftovers.Leftover("/sys/fs/cgroup/scxlife-any-1-1", 1, None)
    assert leftovers.open_all(LinuxKernel(), [gone]) == ()


def unit_in(monkeypatch: pytest.MonkeyPatch, path: str) -> str | None:
    """The key in a process whose own cgroup is at `path`, where no test can put us."""

    def own(kernel: Kernel) -> str:
        return path

    monkeypatch.setattr(leftovers, "own", own)
    return leftovers.unit_of(LinuxKernel(), None)
