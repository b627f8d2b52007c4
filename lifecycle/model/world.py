"""The world around the machine, as little of it as makes a difference: one process, its offspring, one kernel.

What is symmetric has no name here. There is one process of ours, so no pid; an instance of the kernel's is either the
present one or past; of times, only that a deadline is over or not. Everything is a word in a tuple.
"""

from __future__ import annotations

from typing import NamedTuple

# `World.process`. A process that exits has closed nothing yet, and can stay so for as long as the kernel likes: that is
# the D state too. Gone: dead, and reaped by somebody else; then the kernel may or may not remember how. Missed: the
# same, before a pidfd could be had.
UNBORN, ALIVE, STOPPED, EXITING, ZOMBIE = "unborn", "alive", "stopped", "exiting", "zombie"
GONE, FORGOTTEN, MISSED, REAPED = "gone", "gone, status lost", "missed", "reaped"
DEAD = (ZOMBIE, GONE, FORGOTTEN, MISSED, REAPED)
SIGNALLABLE = (ALIVE, STOPPED, EXITING, ZOMBIE)

# `World.status`, how it died in truth: by itself, or by a SIGKILL of ours.
BY_ITSELF, KILLED = "by itself", "killed"

# `World.offspring`: in the process's group, in a session of its own, or dying of a SIGKILL.
NONE, IN_GROUP, ESCAPED, DYING = "", "in its group", "escaped", "dying"

# `World.kernel`. Unproven: enabled, and the counter or the link can't be seen yet.
ABSENT, DISABLED = "absent", "disabled"
ENABLING, UNPROVEN, ENABLED = "enabling", "enabled, unproven", "enabled"
UNREGISTERED, EJECTED = "disabling, unregistered", "disabling, ejected"
FOREIGN_ENABLING, FOREIGN_UNPROVEN, FOREIGN = "foreign enabling", "foreign enabled, unproven", "foreign enabled"
FOREIGN_DISABLING = "foreign disabling"
OURS = (ENABLING, UNPROVEN, ENABLED, UNREGISTERED, EJECTED)

# `World.holders`: who holds the live link, one letter each.
PROCESS, OFFSPRING, PIN = "p", "o", "n"

# `World.log` and `World.heard`: the kernel's last reason, not yet read, and noted.
BY_USER_SPACE, BY_KERNEL = "user space", "kernel"

# `World.cgroup`
MADE, REMOVED = "made", "removed"

# `World.payload`: planned, alive, dying of a SIGKILL, dead, and taken care of.
WANTED, OVER, BURIED = "wanted", "over", "buried"


class Sight(NamedTuple):
    """What an open `SchedExtSource` remembers. `told` is what it need not say again of the present instance, `ready`
    whether the instance it called ready is the present one or a past one, `calm` that nothing was under way when it
    last looked, `moved` that the counter has risen since something was settled, `stillborn` that there is a link whose
    scheduler was refused and that has not been seen yet. Where a refusal makes no difference any more it is `blunt`,
    and remembers nothing of attempts."""

    told: str = ""
    ready: str = ""
    calm: bool = False
    moved: bool = False
    attempt: bool = False
    stillborn: bool = False
    might_be_ours: bool = False
    asked: bool = False
    blunt: bool = False


PRESENT, PAST = "present", "past"


class World(NamedTuple):
    """All that is not the machine. `left` is what a dead supervisor has left, `attached` is that it was announced to
    be, `told` names the sources that have said all they had to say, `wrong` is the property that the last step has
    broken."""

    process: str = UNBORN
    status: str = ""
    published: bool = False
    offspring: str = NONE
    kernel: str = DISABLED
    holders: str = ""
    log: str = ""
    heard: str = ""
    attached: bool = False
    sight: Sight | None = None
    cgroup: str = NONE
    payload: str = NONE
    left: str = NONE
    told: tuple[str, ...] = ()
    wrong: str = ""


def without_link(world: World, holder: str) -> World:
    """The world when `holder` has let go of the link: the last one unregisters the scheduler."""
    if holder not in world.holders:
        return world
    holders = world.holders.replace(holder, "")
    last = not holders and world.kernel in (UNPROVEN, ENABLED)
    return world._replace(holders=holders, kernel=UNREGISTERED if last else world.kernel)
