"""Which lane each thing on a tape goes to, as data.

The first feed that fits takes it. What none takes goes to the lane of events or of actions: so a machine that is not
named here has these two, its states and its deadlines.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen
class Feed:
    """What goes to `lane`: events, or actions, of these names; with `having`, only where an event's data has that."""

    lane: str
    events: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    having: str = ""


@attrs.frozen
class Level:
    """A value that events report, and that holds until one reports another: `field` of the data, with `detail` beside
    it. `nothing` is what null means; `quiet` values are drawn pale."""

    lane: str
    field: str
    detail: str
    nothing: str
    quiet: tuple[str, ...] = ()


@attrs.frozen
class Life:
    """What lasts from an action, or an event, to an event. The end is believed only if its data has `proof`: a payload
    that never was is told to have ended too. `label` names a field of either end's data."""

    lane: str
    label: str
    closes: str
    proof: str
    opens_event: str = ""
    opens_action: str = ""


@attrs.frozen
class Machine:
    """What is known of one machine's tape."""

    feeds: tuple[Feed, ...] = ()
    levels: tuple[Level, ...] = ()
    lives: tuple[Life, ...] = ()


STATE, DEADLINES, EVENTS, ACTIONS, ABOVE = "state", "deadlines", "events", "actions", "above"

#: Lanes from top to bottom, with what each holds. One that holds nothing is not drawn.
LANES: Mapping[str, str] = {
    "requests": "what was asked of the supervisor",
    "process": "the scheduler's process, from its spawn to its death",
    "payload": "the command that runs on the scheduler",
    "kernel": "what the kernel was seen to say of sched_ext",
    STATE: "the machine's state",
    DEADLINES: "from arming to the end of the state, or to the moment when it was due",
    "signals": "signals that came, and those that were sent",
    "log": "lines of the kernel's log, the kernel's dumps, full logs",
    EVENTS: "every other event, when it came",
    ACTIONS: "every other action, when it was over",
    ABOVE: "records of a layer above the engine",
}

_PAYLOAD = Life("payload", "pid", closes="payload_ended", proof="pid", opens_action="start_payload")
_SIGNALS = Feed("signals", events=("interrupt",))
# What the readiness source tells; where it is not the kernel's, its data has no state.
_LOOKS = ("ready", "lost", "refused", "foreign", "absent", "enabling", "clear")
_PAYLOAD_FEED = Feed(
    "payload",
    events=("payload_ended",),
    actions=("start_payload", "stop_payload", "kill_payload", "reap_payload"),
)

MACHINES: Mapping[str, Machine] = {
    "scheduler": Machine(
        feeds=(
            Feed("process", events=("located", "missing", "spawned", "spawn_failed", "exited", "deserted")),
            Feed("process", actions=("locate", "spawn", "reap", "make_cgroup", "remove_cgroup", "clear_pid")),
            _PAYLOAD_FEED,
            Feed("kernel", events=_LOOKS, having="state"),
            _SIGNALS,
            Feed("signals", actions=("signal_stop", "kill_tree", "kill_rest")),
            Feed("log", events=("kernel_says", "dumped", "drained", "log_full"), actions=("open_log", "trim_log")),
        ),
        levels=(Level("kernel", "state", "ops", "no sched_ext", quiet=("disabled", "no sched_ext")),),
        lives=(
            Life("process", "pid", closes="exited", proof="pid", opens_event="spawned"),
            _PAYLOAD,
        ),
    ),
    "boot": Machine(
        feeds=(
            _PAYLOAD_FEED,
            _SIGNALS,
            Feed("log", events=("dumped", "drained"), actions=("show_log", "show_failure")),
        ),
        lives=(_PAYLOAD,),
    ),
    "operations": Machine(
        feeds=(
            Feed("requests", events=("attach", "detach", "restart", "replace", "close", "open")),
            Feed("process", events=("ended", "gone"), actions=("start", "ask_stop")),
            Feed("kernel", events=("ready", "lost", "vacant")),
            _PAYLOAD_FEED,
            _SIGNALS,
        ),
        lives=(_PAYLOAD,),
    ),
}

UNKNOWN = Machine()
