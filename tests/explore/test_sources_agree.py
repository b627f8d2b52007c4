"""The model's readiness source held against the real one: the same histories, the same events.

The real `SchedExtSource` reads a tree of files that stands in for sysfs and procfs; each step that the model's nature
takes is taken there too.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.platform.test_sched_ext_source import OTHER, OURS, Machine

from scxlife.lifecycle.model import sources
from scxlife.lifecycle.model.nature import sched_ext as nature
from scxlife.lifecycle.model.world import (
    ABSENT,
    ALIVE,
    DEAD,
    DISABLED,
    EJECTED,
    ENABLED,
    ENABLING,
    FOREIGN,
    FOREIGN_DISABLING,
    FOREIGN_ENABLING,
    FOREIGN_UNPROVEN,
    OFFSPRING,
    PIN,
    PROCESS,
    UNPROVEN,
    UNREGISTERED,
    ZOMBIE,
    Sight,
    World,
)

CHILD = 501
STEPS = 60
# Long enough for a link that can't be seen to prove something: `platform.sched_ext._LINK_SETTLES`.
SETTLED = 0.2


class Tree:
    """The world's kernel and processes as files."""

    def __init__(self, folder: Path) -> None:
        self.machine = Machine(folder)
        self.source = self.machine.source()
        self.source.open()
        self._link = 10

    def look(self) -> tuple[str, ...]:
        self.machine.port.now += SETTLED
        return tuple(event.name for event in self.source.drain())

    def follow(self, before: World, after: World) -> None:
        machine = self.machine
        if after.offspring and not before.offspring:
            machine.process(CHILD, parent=OURS)
        if after.kernel != before.kernel:
            self._kernel(after.kernel)
        if (before.kernel, after.kernel) == (ENABLING, EJECTED):
            # bpf(2) says success all the same.
            machine.hold(OURS, self._link)
        for holder, pid in ((PROCESS, OURS), (OFFSPRING, CHILD)):
            if holder in after.holders and holder not in before.holders:
                machine.hold(pid, self._link)
        # What was ejected leaves its link behind; only who closes it, or dies, has none any more.
        if after.process in DEAD and before.process not in DEAD:
            self._close(OURS)
            self._orphan()
            if after.process != ZOMBIE:
                shutil.rmtree(machine.proc / str(OURS))
        if before.kernel == ENABLED and after.kernel == UNREGISTERED and PROCESS in before.holders:
            self._close(OURS)
        if PROCESS in before.holders and PROCESS not in after.holders and after.kernel == ENABLED:
            self._close(OURS)
        if before.offspring and not after.offspring:
            shutil.rmtree(machine.proc / str(CHILD))
            self._orphan()

    def _kernel(self, kernel: str) -> None:
        machine = self.machine
        if kernel in (ENABLING, FOREIGN_ENABLING):
            self._link += 1
            machine.make_root()
            machine.set(state="enabling")
        elif kernel in (UNPROVEN, FOREIGN_UNPROVEN):
            machine.set(state="enabled", enable_seq=str(machine.seq() + 1))
        elif kernel == FOREIGN:
            machine.hold(OTHER, self._link)
        elif kernel in (EJECTED, UNREGISTERED, FOREIGN_DISABLING):
            machine.set(state="disabling")
            if kernel == FOREIGN_DISABLING:
                self._close(OTHER)
        elif kernel == DISABLED:
            machine.disable()

    def _close(self, pid: int) -> None:
        for descriptor in (self.machine.proc / str(pid) / "fd").iterdir():
            descriptor.unlink()

    def _orphan(self) -> None:
        listing = self.machine.proc / str(OURS) / "task" / str(OURS) / "children"
        if listing.exists():
            listing.write_text("")


@pytest.mark.parametrize("seed", range(30))
def test_the_model_tells_what_the_real_source_tells(seed: int, tmp_path: Path) -> None:
    draw = random.Random(seed)
    tree = Tree(tmp_path)
    # What a source concludes from a stranger's link depends on what it saw before: all that it may remember is kept.
    worlds = {World(process=ALIVE, published=True, sight=Sight())}
    history = []

    def look() -> None:
        nonlocal worlds
        told = tree.look()
        ways = [way for world in worlds for way in sources.sched_ext(world)]
        history.append(f"look: {told}")
        assert told in {said for said, _ in ways}, (ways, history)
        worlds = {world for said, world in ways if said == told}

    for _ in range(STEPS):
        if draw.random() < 0.5:
            look()
        world = min(worlds)
        happenings = [happening for happening in nature(world) if PIN not in happening.world.holders]
        if not happenings:
            break
        happening = draw.choice(happenings)
        if happening.world.kernel == FOREIGN:
            # A stranger's link is believed only some time after the instance was first seen.
            look()
        tree.follow(world, happening.world)
        same = (happening.who, happening.what)
        worlds = {then.world for world in worlds for then in nature(world) if (then.who, then.what) == same}
        history.append(f"{happening.who} {happening.what}")
    look()


def test_a_kernel_without_sched_ext_is_absent_for_both(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    shutil.rmtree(tree.machine.sys)
    assert [told for told, _ in sources.sched_ext(World(kernel=ABSENT, sight=Sight()))] == [tree.look()]
