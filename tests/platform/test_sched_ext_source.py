"""Our scheduler told from everybody else's: on a tree of real files that stands in for sysfs and procfs."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scxlife.fsm.events import Event
from scxlife.platform.kernel import FileStat
from scxlife.platform.linux import LinuxKernel
from scxlife.platform.process_group import Member, member_of
from scxlife.platform.sched_ext import Tracker, descendants, link_holders, newest_link, snapshot
from scxlife.platform.sources.sched_ext import SchedExtSource

OURS = 500
OTHER = 600
CADENCE = 0.05
ADD = b"add@/kernel/sched_ext/root\0ACTION=add\0DEVPATH=/kernel/sched_ext/root\0SCXOPS=simple\0"
REMOVE = ADD.replace(b"add", b"remove")
UNRELATED = b"add@/devices/virtual/net/lo\0ACTION=add\0"


class Port(LinuxKernel):
    """The real one, on a clock that the test moves and with uevents that the test sends."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.uevents: list[bytes | OSError] = []
        self.socket_error: OSError | None = None
        self.open_error: OSError | None = None
        self.links: list[int] = []
        self.links_asked = 0
        self.links_error: OSError | None = None

    def bpf_next_link(self, after: int) -> int | None:
        self.links_asked += 1
        if self.links_error is not None:
            raise self.links_error
        return min((link for link in self.links if link > after), default=None)

    def monotonic(self) -> float:
        return self.now

    def uevent_socket(self) -> int:
        if self.socket_error is not None:
            raise self.socket_error
        return os.open("/dev/null", os.O_RDONLY)

    def uevent_receive(self, fd: int) -> bytes | None:
        if not self.uevents:
            return None
        first = self.uevents.pop(0)
        if isinstance(first, OSError):
            raise first
        return first

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if self.open_error is not None:
            raise self.open_error
        return super().open(path, flags, mode)


class Machine:
    """What the kernel shows, written step by step."""

    def __init__(self, folder: Path) -> None:
        self.port = Port()
        self.sys = folder / "sched_ext"
        self.proc = folder / "proc"
        self._attic = folder / "attic"
        self._made = 0
        for directory in (self.sys, self.proc, self._attic):
            directory.mkdir()
        self.set(state="disabled", enable_seq="0", switch_all="0", nr_rejected="0", hotplug_seq="0")
        self.process(OURS)
        self.process(OTHER)

    def set(self, **files: str) -> None:
        for name, text in files.items():
            (self.sys / name).write_text(f"{text}\n")

    def make_root(self, ops: str = "simple") -> int:
        self.remove_root()
        (self.sys / "root").mkdir()
        (self.sys / "root/ops").write_text(f"{ops}\n")
        return (self.sys / "root").stat().st_ino

    def remove_root(self) -> None:
        # Kept elsewhere: a file system may give the number of a removed inode to the next one, kernfs does not.
        if (self.sys / "root").exists():
            self._made += 1
            (self.sys / "root").rename(self._attic / str(self._made))

    def seq(self) -> int:
        return int((self.sys / "enable_seq").read_text())

    def process(self, pid: int, parent: int = 1, born: int = 7) -> None:
        thread = self.proc / str(pid) / "task" / str(pid)
        thread.mkdir(parents=True, exist_ok=True)
        (thread / "children").write_text("")
        for name in ("fd", "fdinfo"):
            (self.proc / str(pid) / name).mkdir(exist_ok=True)
        (self.proc / str(pid) / "comm").write_text(f"scx_{pid}\n")
        fields = " ".join(["S", str(parent), *["0"] * 17, str(born), "0"])
        (self.proc / str(pid) / "stat").write_text(f"{pid} (a) b) {fields}\n")
        if parent != 1:
            listing = self.proc / str(parent) / "task" / str(parent) / "children"
            listing.write_text(f"{listing.read_text()}{pid} ")

    def hold(self, pid: int, link: int, kind: str = "struct_ops", *, fd: int | None = None) -> None:
        held = str(link if fd is None else fd)
        self.port.links.append(link)
        entry = self.proc / str(pid) / "fd" / held
        entry.unlink(missing_ok=True)
        entry.symlink_to("anon_inode:bpf_link")
        text = f"pos:\t0\nflags:\t02000000\nlink_type:\t{kind}\nlink_id:\t{link}\nmap_id:\t{link + 1}\n"
        (self.proc / str(pid) / "fdinfo" / held).write_text(text)

    def drop(self, pid: int, link: int) -> None:
        for name in ("fd", "fdinfo"):
            (self.proc / str(pid) / name / str(link)).unlink()

    def enable(self, pid: int = OURS, link: int = 10) -> int:
        """All of an enable, at once; `root`'s inode."""
        instance = self.make_root()
        self.set(state="enabled", enable_seq=str(self.seq() + 1))
        self.hold(pid, link)
        return instance

    def disable(self) -> None:
        self.remove_root()
        self.set(state="disabled")

    def source(self, newest_link_before: int | None = None) -> SchedExtSource:
        """As it stands right after our process was started: what is now is its baseline."""
        return SchedExtSource(
            self.port,
            member_of(self.port, OURS, proc=str(self.proc)),
            snapshot(self.port, str(self.sys)),
            cadence=CADENCE,
            root=str(self.sys),
            proc=str(self.proc),
            newest_link_before=newest_link_before,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def source(machine: Machine) -> Iterator[SchedExtSource]:
    yield from opened(machine.source())


def opened(source: SchedExtSource) -> Iterator[SchedExtSource]:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source.open()
    yield source
    source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def names(events: list[Event]) -> list[str]:
    return [event.name for event in events]


def settle(machine: Machine, source: SchedExtSource) -> list[str]:
    """Be its driver until it has nothing more to ask for soon."""
    told = []
    for _ in range(20):
        told += names(source.drain())
        deadline = source.next_deadline()
        if deadline is None:
            break
        machine.port.now = max(machine.port.now, deadline)
    return told


# -- becoming ready


def test_A1_A6_F1_ready_is_told_when_all_of_the_proof_is_there(machine: Machine, source: SchedExtSource) -> None:
    assert source.drain() == []
    instance = machine.make_root()
    assert source.drain() == []  # 6.17: the name is there while the state is still disabled
    machine.set(state="enabling")
    assert names(source.drain()) == ["enabling"]
    machine.set(state="enabled")
    assert source.drain() == [] and not source.confirm()
    machine.set(enable_seq="1")
    assert source.drain() == [] and not source.confirm()
    machine.hold(OURS, 10)
    (event,) = source.drain()
    assert event.name == "ready" and source.confirm()
    assert event.data == {
        "state": "enabled",
        "ops": "simple",
        "enable_seq": 1,
        "instance": instance,
        "owner": {"pid": OURS, "command": f"scx_{OURS}"},
        "partial": True,
    }
    assert source.drain() == []


def test_a_link_alone_or_a_counter_alone_is_no_proof(machine: Machine, source: SchedExtSource) -> None:
    machine.make_root()
    machine.set(state="enabled")
    machine.hold(OURS, 10)
    assert source.drain() == [] and not source.confirm()


def test_a_link_of_another_kind_is_no_proof(machine: Machine, source: SchedExtSource) -> None:
    machine.make_root()
    machine.set(state="enabled", enable_seq="1")
    machine.hold(OURS, 10, kind="tracing")
    assert source.drain() == [] and not source.confirm()


def test_A2_an_empty_name_is_no_name(machine: Machine) -> None:
    machine.make_root(ops="")
    assert snapshot(machine.port, str(machine.sys)).ops is None


def test_a_confirmation_looks_at_the_proof_and_searches_nothing(
    machine: Machine, source: SchedExtSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.enable()
    assert names(source.drain()) == ["ready"]
    monkeypatch.setattr(Port, "listdir", lambda self, path: pytest.fail(f"{path} is searched"))
    assert source.confirm()


# What happens after `ready` was told, and whether ours is enabled then.
AFTERWARDS: dict[str, tuple[Callable[[Machine], object], bool]] = {
    "the link is closed": (lambda machine: machine.drop(OURS, 10), False),
    "no scheduler's link at its descriptor": (lambda machine: machine.hold(OURS, 10, "cgroup"), False),
    "the pid is another process's": (lambda machine: machine.process(OURS, born=8), False),
    "on its way out": (lambda machine: machine.set(state="disabling"), False),
    "the instance is another, by an old link": (lambda machine: machine.make_root(), False),
    "the link is at another descriptor": (
        lambda machine: (machine.drop(OURS, 10), machine.hold(OURS, 10, fd=33)),
        True,
    ),
}


@pytest.mark.parametrize("what", AFTERWARDS)
def test_A30_a_confirmation_holds_for_the_moment_it_is_asked(
    machine: Machine, source: SchedExtSource, what: str
) -> None:
    happens, enabled = AFTERWARDS[what]
    machine.enable()
    assert names(source.drain()) == ["ready"]
    happens(machine)
    assert source.confirm() is enabled


def test_a_descendant_may_hold_the_link(machine: Machine, source: SchedExtSource) -> None:
    machine.process(501, parent=OURS)
    machine.process(502, parent=501)
    machine.enable(pid=502)
    (event,) = source.drain()
    assert (event.name, event.data["owner"]) == ("ready", {"pid": 502, "command": "scx_502"})


def test_a_recycled_pid_is_not_our_process(machine: Machine, source: SchedExtSource) -> None:
    machine.process(OURS, born=8)
    machine.enable()
    assert source.drain() == [] and not source.confirm()


def test_no_sched_ext_is_told_at_once(machine: Machine) -> None:
    machine.sys.rename(machine.sys.with_name("moved"))
    for source in opened(machine.source()):
        assert names(source.drain()) == ["absent"]
        assert source.drain() == []
        source.restate()
        assert names(source.drain()) == ["absent", "clear"]


# -- not becoming ready


def test_A3_F2_an_enable_that_comes_to_nothing_is_refused(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    machine.make_root()
    machine.set(state="enabling")
    assert names(source.drain()) == ["enabling"]
    machine.disable()
    machine.hold(OURS, 10)
    assert names(source.drain()) == ["refused", "clear"]
    assert source.drain() == []
    machine.set(state="enabling")
    assert names(source.drain()) == ["enabling"]
    machine.disable()
    assert names(source.drain()) == ["refused", "clear"]


def test_A3_F2_an_enable_that_was_too_quick_to_be_seen_is_refused_by_the_link_it_leaves(
    machine: Machine, source: SchedExtSource
) -> None:
    source.drain()
    machine.hold(OURS, 10)
    assert not source.confirm()
    assert names(source.drain()) == ["refused"]
    assert source.drain() == []
    machine.hold(OURS, 11)
    assert names(source.drain()) == ["refused"]
    machine.enable(link=12)
    assert names(source.drain()) == ["ready"]


def test_A3_F2_a_refusal_is_told_once_though_its_link_shows_later(machine: Machine, source: SchedExtSource) -> None:
    """On 6.12, emulated, the look that saw it refused was 47 ms ahead of the link; a second refusal ends a start."""
    source.drain()
    machine.set(state="enabling")
    assert names(source.drain()) == ["enabling"]
    machine.set(state="disabled")
    assert names(source.drain()) == ["refused", "clear"]
    machine.hold(OURS, 10)
    assert source.drain() == []
    machine.hold(OURS, 11)
    assert names(source.drain()) == ["refused"]


def test_A3_F2_the_next_refusal_is_told_though_the_last_one_left_its_link_ahead_of_its_end(
    machine: Machine, source: SchedExtSource
) -> None:
    source.drain()
    machine.set(state="disabling")
    machine.hold(OURS, 10)
    assert source.drain() == []
    machine.set(state="disabled")
    assert names(source.drain()) == ["refused", "clear"]
    machine.hold(OURS, 11)
    assert names(source.drain()) == ["refused"]


def test_A3_F2_one_that_left_no_link_keeps_no_later_refusal_back(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    for _ in range(2):
        machine.set(state="enabling")
        assert names(source.drain()) == ["enabling"]
        machine.set(state="disabled")
        assert names(source.drain()) == ["refused", "clear"]
    machine.set(state="enabling")
    assert names(source.drain()) == ["enabling"]
    machine.hold(OURS, 10)
    machine.set(state="disabled")
    assert names(source.drain()) == ["refused", "clear"]
    machine.hold(OURS, 11)
    assert names(source.drain()) == ["refused"]


def test_a_link_of_what_was_enabled_and_gone_between_two_looks_was_not_refused(
    machine: Machine, source: SchedExtSource
) -> None:
    source.drain()
    machine.enable()
    machine.disable()
    assert source.drain() == []
    assert source.drain() == []


def test_A15_the_link_of_what_lingers_after_an_ejection_is_no_refusal(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    assert names(source.drain()) == ["ready"]
    machine.disable()
    assert names(source.drain()) == ["lost", "clear"]
    assert source.drain() == []


def test_A5_enabling_may_end_in_disabling(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    machine.set(state="disabling")
    assert source.drain() == []
    machine.disable()
    assert names(source.drain()) == ["refused", "clear"]


def test_enabled_for_a_moment_and_never_proven_was_not_refused(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    machine.make_root()
    machine.set(state="enabled")
    source.drain()
    machine.disable()
    machine.set(enable_seq="1")
    assert names(source.drain()) == ["clear"]


def test_the_baselines_scheduler_is_foreign(machine: Machine) -> None:
    instance = machine.enable(pid=OTHER)
    for source in opened(machine.source()):
        (event,) = source.drain()
        assert (event.name, event.data["instance"]) == ("foreign", instance)
        assert event.data["owner"] == {"pid": OTHER, "command": f"scx_{OTHER}"}
        assert source.drain() == []
        source.restate()
        assert names(source.drain()) == ["foreign", "clear"]


def test_a_stranger_who_takes_the_slot_is_foreign_but_not_rashly(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    machine.enable(pid=OTHER)
    # bpf(2) shows a link only after the enable: at first it can still be ours, and the other link something else's.
    assert source.drain() == []
    machine.port.now += 0.099
    assert source.drain() == []
    machine.port.now += 0.002
    told = source.drain()
    assert names(told) == ["foreign", "clear"]
    assert told[0].data["owner"] == {"pid": OTHER, "command": f"scx_{OTHER}"}


def test_what_is_enabled_without_any_link_from_after_the_baseline_is_not_ours(machine: Machine) -> None:
    """Pinned by a former life of ours, say: it is held by nobody who could be known for a stranger."""
    machine.port.links.append(9)
    for source in opened(machine.source(newest_link_before=9)):
        source.drain()
        machine.make_root()
        machine.set(state="enabled", enable_seq="1")
        assert source.drain() == []
        assert source.undecided()
        machine.port.now += 0.101
        # A link that is closed has no number any more while its scheduler is still enabled: it is asked twice.
        assert source.drain() == []
        machine.port.now += 0.099
        assert source.drain() == []
        machine.port.now += 0.002
        told = source.drain()
        assert names(told) == ["foreign", "clear"]
        assert told[0].data["owner"] is None
        assert not source.undecided()


def test_who_has_a_link_from_after_the_baseline_may_be_ours(machine: Machine) -> None:
    for source in opened(machine.source(newest_link_before=9)):
        source.drain()
        machine.make_root()
        machine.set(state="enabled", enable_seq="1")
        for links in ([], [10], [], []):
            machine.port.links[:] = links
            assert source.drain() == []
            machine.port.now += 0.09
        # Asked for the second time in a row.
        machine.port.now += 0.02
        assert names(source.drain()) == ["foreign", "clear"]


def test_where_links_may_not_be_asked_for_nothing_is_concluded(machine: Machine) -> None:
    machine.port.links_error = PermissionError(errno.EPERM, "no")
    assert newest_link(machine.port) is None
    for before in (None, 9):
        for source in opened(machine.source(newest_link_before=before)):
            source.drain()
            machine.make_root()
            machine.set(state="enabled", enable_seq="1")
            for _ in range(4):
                assert source.drain() == []
                machine.port.now += 0.2
        machine.disable()


@pytest.mark.parametrize(
    "links", [[], [1], [2], [7], [1, 2, 3], [1, 100], [3, 5, 64], [1, 2**20, 2**20 + 1], [*range(1, 50)]]
)
def test_the_newest_link_is_found_in_few_calls(machine: Machine, links: list[int]) -> None:
    machine.port.links = links
    assert newest_link(machine.port) == max(links, default=0)
    assert machine.port.links_asked <= 2 * max(links, default=0).bit_length() + len(links).bit_length() + 1


def test_whose_it_is_can_be_told_a_moment_after_it_was_first_seen(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    assert not source.undecided()
    machine.enable(pid=OTHER)
    assert source.drain() == []
    assert source.undecided()
    machine.port.now += 0.101
    assert names(source.drain()) == ["foreign", "clear"]
    assert not source.undecided()
    machine.disable()
    source.drain()
    assert not source.undecided()


def test_a_link_that_shows_late_makes_nobody_foreign(machine: Machine, source: SchedExtSource) -> None:
    machine.hold(OTHER, 9)
    machine.make_root()
    machine.set(state="enabled", enable_seq="1")
    assert source.drain() == []
    machine.hold(OURS, 10)
    assert names(source.drain()) == ["ready"]


@pytest.mark.parametrize("end", ["ejected", "refused"])
def test_a_dead_link_proves_nothing_of_a_strangers_instance(machine: Machine, source: SchedExtSource, end: str) -> None:
    """A15, F2: our process lingers with its link, and somebody else attaches."""
    if end == "ejected":
        machine.enable()
        assert names(source.drain()) == ["ready"]
    else:
        machine.hold(OURS, 10)
    machine.disable()
    source.drain()
    machine.enable(pid=OTHER, link=11)
    assert source.drain() == [] and not source.confirm()
    machine.port.now += 0.2
    told = source.drain()
    assert (told[0].name, told[0].data["owner"]) == ("foreign", {"pid": OTHER, "command": f"scx_{OTHER}"})


def test_K1_a_stranger_right_after_ours_is_not_ours(machine: Machine, source: SchedExtSource) -> None:
    """No look fell between: our link was bound to the former instance."""
    machine.enable()
    assert names(source.drain()) == ["ready"]
    machine.enable(pid=OTHER, link=11)
    assert names(source.drain()) == ["lost"]
    machine.port.now += 0.2
    assert names(source.drain()) == ["foreign", "clear"]


# -- losing it, and getting it back


def test_lost_then_clear_then_ready_again(machine: Machine, source: SchedExtSource) -> None:
    first = machine.enable()
    assert names(source.drain()) == ["ready"]
    machine.set(state="disabling")
    (event,) = source.drain()
    assert (event.name, event.data["instance"], event.data["state"]) == ("lost", first, "disabling")
    assert source.drain() == []
    machine.disable()
    assert names(source.drain()) == ["clear"]
    machine.drop(OURS, 10)
    second = machine.enable(link=11)
    (event,) = source.drain()
    assert (event.name, event.data["instance"], event.data["enable_seq"]) == ("ready", second, 2)


def test_B9_another_instance_of_the_same_name_is_another(machine: Machine, source: SchedExtSource) -> None:
    first = machine.enable()
    source.drain()
    machine.drop(OURS, 10)
    second = machine.enable(link=11)
    told = source.drain()
    assert [(event.name, event.data["instance"]) for event in told] == [("lost", first), ("ready", second)]


def test_A4_a_rejected_retry_is_refused(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    source.drain()
    machine.disable()
    assert names(source.drain()) == ["lost", "clear"]
    machine.set(state="disabling")
    assert source.drain() == []
    machine.disable()
    assert names(source.drain()) == ["refused", "clear"]


def test_A18_what_somebody_else_keeps_enabled_is_neither_lost_nor_clear(
    machine: Machine, source: SchedExtSource
) -> None:
    machine.enable()
    source.drain()
    machine.drop(OURS, 10)
    machine.hold(OTHER, 10)
    assert source.drain() == []
    machine.port.now += 1
    assert source.drain() == [] and not source.confirm()
    source.restate()
    assert source.drain() == []
    machine.disable()
    assert names(source.drain()) == ["lost", "clear"]


def test_a_gap_in_what_can_be_seen_is_no_news(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    source.drain()
    machine.drop(OURS, 10)
    assert source.drain() == []
    machine.hold(OURS, 10)
    assert source.drain() == [] and source.confirm()


def test_a_torn_reading_loses_nothing(machine: Machine) -> None:
    class Tearing(Port):
        tearing = False

        def stat(self, path: str) -> FileStat:
            found = super().stat(path)
            if self.tearing:
                self.now += 1e-6
                return attrs.evolve(found, ino=int(self.now * 1e6))
            return found

    machine.port = port = Tearing()
    for source in opened(machine.source()):
        machine.enable()
        assert names(source.drain()) == ["ready"]
        port.tearing = True
        assert source.drain() == [] and not source.confirm()
        port.tearing = False
        assert source.drain() == [] and source.confirm()


def test_A30_confirm_looks_anew_and_hides_nothing(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    source.drain()
    assert source.confirm()
    machine.disable()
    assert not source.confirm()
    assert names(source.drain()) == ["lost", "clear"]


def test_restate_tells_the_present_again(machine: Machine, source: SchedExtSource) -> None:
    assert source.drain() == []
    source.restate()
    deadline = source.next_deadline()
    assert deadline is not None and deadline <= machine.port.now
    (event,) = source.drain()
    assert (event.name, event.cause) == ("clear", "asked")
    machine.enable()
    machine.port.uevents.append(ADD)
    assert settle(machine, source) == ["ready"]
    assert source.next_deadline() is None
    source.restate()
    assert source.next_deadline() is not None
    assert names(source.drain()) == ["ready"]
    assert source.next_deadline() is None
    machine.disable()
    source.restate()
    assert names(source.drain()) == ["lost", "clear"]


# -- when it looks


def test_F5_a_uevent_is_a_hint_to_look_soon_and_more_than_once(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    assert source.next_deadline() == pytest.approx(machine.port.now + CADENCE)
    machine.port.uevents.append(ADD)
    pauses = []
    for _ in range(8):
        assert source.drain() == []
        deadline = source.next_deadline()
        assert deadline is not None
        pauses.append(round((deadline - machine.port.now) * 1000))
        machine.port.now = deadline
    assert pauses == [1, 2, 4, 8, 16, 32, 50, 50]


def test_an_early_wake_up_shortens_no_pause(machine: Machine, source: SchedExtSource) -> None:
    machine.port.uevents.append(ADD)
    source.drain()
    deadline = source.next_deadline()
    for _ in range(5):
        source.drain()
    assert source.next_deadline() == deadline


@pytest.mark.parametrize("state", ["enabled", "disabling"])
def test_what_is_under_way_is_looked_at_soon(machine: Machine, source: SchedExtSource, state: str) -> None:
    source.drain()
    machine.make_root()
    machine.set(state=state)
    machine.port.now += CADENCE
    source.drain()
    assert source.next_deadline() == pytest.approx(machine.port.now + 0.001)


def test_the_uevent_is_the_cause(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    machine.enable()
    machine.port.uevents += [UNRELATED, ADD]
    (event,) = source.drain()
    assert event.cause == "uevent add@/kernel/sched_ext/root SCXOPS=simple"
    machine.set(state="disabling")
    machine.port.uevents.append(REMOVE)
    assert source.drain()[0].cause.startswith("uevent remove@")
    settle(machine, source)
    machine.disable()
    assert source.drain()[0].cause == "cadence"


def test_property_8_a_quiet_run_costs_no_wake_up(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    machine.port.uevents.append(ADD)
    assert settle(machine, source) == ["ready"]
    assert source.next_deadline() is None and source.fileno() is not None and source.degraded is None
    machine.port.uevents.append(UNRELATED)
    assert source.drain() == [] and source.next_deadline() is None
    machine.port.uevents.append(b"add@/kernel/sched_ext/root/sub/sub-7\0")  # A23
    assert source.drain() == [] and source.next_deadline() is None
    machine.port.uevents.append(REMOVE)
    assert source.drain() == [] and source.next_deadline() is not None
    machine.disable()
    assert settle(machine, source) == ["lost", "clear"]


def test_B6_uevents_that_never_come_are_not_relied_upon(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    assert settle(machine, source) == ["ready"]
    assert source.next_deadline() is not None
    assert source.degraded is not None and "namespace" in source.degraded


def test_without_a_socket_the_cadence_does_it(machine: Machine) -> None:
    machine.port.socket_error = PermissionError(errno.EPERM, "Operation not permitted")
    for source in opened(machine.source()):
        assert source.fileno() is None and source.degraded == "no uevents: Operation not permitted"
        machine.enable()
        assert names(source.drain()) == ["ready"]
        for _ in range(3):
            machine.port.now += CADENCE
            assert source.drain() == []
            assert source.next_deadline() == pytest.approx(machine.port.now + CADENCE)


def test_B5_an_overflow_is_a_hint_too(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    machine.port.uevents.append(ADD)
    settle(machine, source)
    machine.disable()
    machine.port.uevents += [OSError(errno.ENOBUFS, "No buffer space available"), UNRELATED]
    told = source.drain()
    assert names(told) == ["lost", "clear"] and told[0].cause == "uevent overflow"


def test_a_broken_socket_is_given_up_not_polled(machine: Machine, source: SchedExtSource) -> None:
    machine.enable()
    machine.port.uevents.append(ADD)
    settle(machine, source)
    machine.port.uevents.append(OSError(errno.EBADF, "Bad file descriptor"))
    source.drain()
    assert source.fileno() is None and source.degraded is not None and source.next_deadline() is not None


def test_C7_a_look_that_fails_is_repeated_and_forgets_nothing(machine: Machine, source: SchedExtSource) -> None:
    source.drain()
    machine.enable()
    source.restate()
    machine.port.uevents.append(ADD)
    machine.port.open_error = OSError(errno.EMFILE, "Too many open files")
    assert source.drain() == [] and not source.confirm()
    assert source.degraded == "sched_ext can't be read: Too many open files"
    assert source.next_deadline() == pytest.approx(machine.port.now + CADENCE)
    machine.port.open_error = None
    assert names(source.drain()) == ["ready"]
    assert source.degraded is None


# -- reading


class Shifting(Port):
    """The instance changes while it is read, `times` times."""

    def __init__(self, times: int, machine: Machine) -> None:
        super().__init__()
        self.times = times
        self.machine = machine

    def read(self, fd: int, size: int) -> bytes:
        if self.times and self.readlink(f"/proc/self/fd/{fd}").endswith("/enable_seq"):
            self.times -= 1
            self.machine.make_root(ops="next")
        return super().read(fd, size)


def test_a_mixture_of_two_instances_is_read_again(machine: Machine) -> None:
    machine.enable()
    now = snapshot(Shifting(1, machine), str(machine.sys))
    assert (now.ops, now.instance) == ("next", (machine.sys / "root").stat().st_ino)


def test_a_mixture_that_never_ends_is_of_no_instance(machine: Machine) -> None:
    machine.enable()
    now = snapshot(Shifting(1000, machine), str(machine.sys))
    assert (now.state, now.instance) == ("enabled", None)


class Dying(Port):
    """kernfs in the midst of removal: open works, read says ENODEV."""

    def read(self, fd: int, size: int) -> bytes:
        if self.readlink(f"/proc/self/fd/{fd}").endswith("/ops"):
            raise OSError(errno.ENODEV, "No such device")
        return super().read(fd, size)


def test_B4_B8_ENODEV_means_gone(machine: Machine) -> None:
    machine.enable()
    machine.set(state="disabling")
    now = snapshot(Dying(), str(machine.sys))
    assert (now.present, now.state, now.ops) == (True, "disabling", None)


class Secretive(Port):
    def listdir(self, path: str) -> list[str]:
        if path.endswith(f"/{OTHER}/fd"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().listdir(path)


def test_what_could_not_be_looked_into_is_told(machine: Machine) -> None:
    machine.hold(OURS, 10)
    machine.hold(OTHER, 11)
    everything = link_holders(machine.port, proc=str(machine.proc))
    assert ([holder.pid for holder in everything.found], everything.complete) == ([OURS, OTHER], True)
    assert [holder.link_id for holder in everything.found] == [10, 11]
    some = link_holders(Secretive(), proc=str(machine.proc))
    assert ([holder.pid for holder in some.found], some.complete) == ([OURS], False)
    vanished = link_holders(machine.port, [OURS, 4242], proc=str(machine.proc))
    assert ([holder.pid for holder in vanished.found], vanished.complete) == ([OURS], True)


class WithoutProcChildren(LinuxKernel):
    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if path.endswith("/children"):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
        return super().open(path, flags, mode)


@pytest.mark.parametrize("port", [LinuxKernel(), WithoutProcChildren()])
def test_descendants_of_a_real_process(port: LinuxKernel) -> None:
    # What runs in the background gets /dev/null as its input, so all hang on a copy.
    script = "exec 3<&0; (sh -c 'echo $$; read x <&3' & echo $!; wait) & echo $!; wait"
    with subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        told = {int(process.stdout.readline()) for _ in range(3)}
        assert told <= set(descendants(port, process.pid))
        process.stdin.close()
    assert descendants(port, process.pid) == []
    assert link_holders(port, [os.getpid(), process.pid]).complete


# -- B10: wake-ups are hints


def step(machine: Machine, what: str, number: int) -> None:
    if what == "enable":
        machine.enable(link=100 + number)
    elif what == "strangers":
        machine.enable(pid=OTHER, link=100 + number)
    elif what == "disable":
        machine.disable()
    elif what == "enabling":
        machine.make_root()
        machine.set(state="enabling")
    else:
        machine.set(state=what)


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["enable", "disable", "enabling", "disabling", "strangers"]),
            st.integers(0, 3),
            st.sampled_from([[], [ADD], [REMOVE], [UNRELATED], [OSError(errno.ENOBUFS, "lost")]]),
        ),
        max_size=12,
    )
)
def test_B10_spurious_wake_ups_change_nothing(
    steps: list[tuple[str, int, list[bytes | OSError]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    told: list[list[str]] = []
    for spurious in (False, True):
        machine = Machine(tmp_path_factory.mktemp("machine"))
        for source in opened(machine.source()):
            told.append(names(source.drain()))
            for number, (what, wakes, uevents) in enumerate(steps):
                step(machine, what, number)
                told[-1] += names(source.drain())
                for _ in range(wakes if spurious else 0):
                    machine.port.uevents += uevents
                    told[-1] += names(source.drain())
                machine.port.now += 1
                told[-1] += names(source.drain())
    assert told[0] == told[1]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(steps=st.lists(st.sampled_from(["enable", "disable", "enabling", "disabling", "strangers"]), max_size=15))
def test_ready_and_lost_take_turns_and_ready_is_never_a_strangers(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    machine = Machine(tmp_path_factory.mktemp("machine"))
    ready = None
    last = "disable"
    for source in opened(machine.source()):
        for number, what in enumerate(steps):
            step(machine, what, number)
            last = what
            for event in source.drain():
                if event.name == "ready":
                    assert ready is None and last == "enable"
                    ready = event.data["instance"]
                elif event.name == "lost":
                    assert ready == event.data["instance"]
                    ready = None
            assert (ready is not None) == (last == "enable") == source.confirm()


def test_defect_5_one_that_was_gone_before_it_was_seen_owns_nothing_whoever_has_its_number(machine: Machine) -> None:
    baseline = snapshot(machine.port, str(machine.sys))
    tracker = Tracker(machine.port, None, baseline, str(machine.sys), proc=str(machine.proc))
    machine.enable()
    assert tracker.look().kind == "unproven"
    machine.port.now += 0.2
    fact = tracker.look()
    assert fact.kind == "foreign" and fact.owner is not None and fact.owner.pid == OURS


def test_the_tracker_tells_facts_with_their_time(machine: Machine) -> None:
    baseline = snapshot(machine.port, str(machine.sys))
    tracker = Tracker(machine.port, Member(OURS, 7), baseline, str(machine.sys), proc=str(machine.proc))
    machine.port.now = 1234.5
    fact = tracker.look()
    assert (fact.kind, fact.time, fact.owner) == ("idle", 1234.5, None)
    assert isinstance(machine.port.stat(str(machine.sys)), FileStat)


def test_a_dead_link_of_ours_does_not_own_the_strangers_scheduler_that_came_behind_it(
    machine: Machine, source: SchedExtSource
) -> None:
    """An enable of ours that failed between two looks leaves its link; the stranger's is newer."""
    source.drain()
    machine.hold(OURS, 10)
    machine.enable(OTHER, 11)
    (event,) = source.drain()
    assert (event.name, event.data["owner"]) == ("foreign", {"pid": OTHER, "command": f"scx_{OTHER}"})
    assert not source.confirm()


def test_what_is_ours_by_the_newest_link_is_believed_without_a_search(
    machine: Machine, source: SchedExtSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.drain()
    machine.enable(OURS, 11)
    looked: list[str] = []
    listdir = machine.port.listdir
    monkeypatch.setattr(machine.port, "listdir", lambda path: looked.append(path) or listdir(path))
    assert names(source.drain()) == ["ready"]
    assert str(machine.proc) not in looked
