"""What becomes of a fixture scheduler (tests/schedulers), drawn at random; how it may end then, and in no other way.

Nothing here ends by patience unless its fate is to be waited for in vain: no verdict depends on how fast a machine is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import attrs

Exit = Mapping[str, int]

KILLED: Exit = {"signal": 9}
#: The classic signals that end who does not catch them.
DEADLY = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 26, 27, 29, 30, 31)
NEVER = "3600000"
#: Seconds. What is never to be waited for has this much time.
PATIENCE = 60.0
PATIENT: Mapping[str, float | None] = {
    "liveness": PATIENCE,
    "attach_timeout": PATIENCE,
    "attach_at_most": PATIENCE,
    "reattach_grace": PATIENCE,
    "stop_grace": PATIENCE,
    "kill_timeout": PATIENCE,
    "release_timeout": PATIENCE,
    "sweep_timeout": PATIENCE,
    "run_for": None,
}
SHORT = 0.1


@attrs.frozen
class Ending:
    """One legal end: the outcome, the statuses that the process may have had, how often it was attached, and what the
    reason has to say."""

    outcome: str
    exits: tuple[Exit, ...]
    generation: int
    reason: str = ""


@attrs.frozen
class Fate:
    """`when_ready`: what is done each time that it was proven attached. `hurry`: what the scheduler's options wait for
    happens now; `interrupt`: a SIGINT to the supervisor. `of_all`: it takes a scheduler that all tasks are given to."""

    name: str
    arguments: str
    legal: tuple[Ending, ...]
    settings: Mapping[str, float | None] = attrs.Factory(dict)
    when_ready: tuple[tuple[str, ...], ...] = ()
    of_all: bool = False

    def told_to_guest(self) -> dict[str, Any]:
        return {
            "arguments": self.arguments,
            "settings": {**PATIENT, **self.settings},
            "when_ready": self.when_ready,
        }


def draw(seed: int, number: int) -> Fate:
    """The fate with that number; the same for ever, and whatever the others are."""
    random = Random(f"{seed}/{number}")
    (choose,) = random.choices(list(FATES), list(FATES.values()))
    fate = choose(random)
    manners = [habit for habit in _manners(random) if not (fate.of_all and habit == "--partial")]
    return attrs.evolve(fate, arguments=" ".join([*fate.arguments.split(), *manners]))


def complaints(fate: Fate, told: Mapping[str, Any], *, descriptors: int, statuses_known: bool) -> list[str]:
    """What is wrong with a life, in words. `told` is what the guest said of it; `descriptors` PID 1 had before any.

    Without `statuses_known` the kernel itself buried the process and remembers nothing: then nothing may be said of it.
    """
    outcome = told["outcome"]
    wrong = []
    for legal in fate.legal:
        exits = legal.exits if statuses_known else (None,)
        same = (outcome["outcome"], outcome["generation"]) == (legal.outcome, legal.generation)
        if same and outcome["exit"] in exits and legal.reason in outcome["reason"]:
            break
    else:
        ended = f"{outcome['outcome']}, exit {outcome['exit']}, generation {outcome['generation']}"
        wrong.append(f"{ended}, {outcome['reason']!r}: none of {fate.legal}")
    return wrong + left_behind(told, descriptors=descriptors)


def left_behind(told: Mapping[str, Any], *, descriptors: int) -> list[str]:
    """What a life has left that it should not have."""
    wrong = []
    if told["state"] != "disabled":
        wrong.append(f"the kernel says {told['state']}")
    if told["survivors"]:
        wrong.append(f"nobody had ended {told['survivors']}")
    if told["published"]:
        wrong.append(f"pids {told['published']} are still published")
    if told["children"]:
        wrong.append(f"children are left, or their zombies: {told['children']}")
    if told["descriptors"] != descriptors:
        wrong.append(f"{told['descriptors']} descriptors, before there were {descriptors}")
    return wrong


def _manners(random: Random) -> list[str]:
    """What is nobody's concern."""
    habits = {
        "--partial": 0.2,
        f"--name {random.choice(('a', 'well_behaved_1.0', 'x' * 100))}": 0.2,
        "--garbage": 0.1,
        "--flood 500000": 0.1,
        "--close-stdio": 0.1,
    }
    return [habit for habit, share in habits.items() if random.random() < share]


def _end(random: Random) -> tuple[str, Exit]:
    """How it ends when it ends by itself, or as it was asked: an option and the status."""
    kind = random.randrange(3)
    if kind == 0:
        return "", {"code": 0}
    if kind == 1:
        code = random.randrange(256)
        return f"--exit-code {code}", {"code": code}
    number = random.choice(DEADLY)
    return f"--exit-signal {number}", {"signal": number}


def stopped_in_time(random: Random) -> Fate:
    end, status = _end(random)
    slow = random.choice(("", "", "--attach-after 50", "--slow-init 100"))
    return Fate("stopped in time", f"{slow} {end}", (Ending("stopped", (status,), 1),), {"run_for": 0.0})


def deaf(random: Random) -> Fate:
    settings = {"run_for": 0.0, "stop_grace": SHORT}
    return Fate("deaf", "--ignore-signals", (Ending("stopped", (KILLED,), 1),), settings)


def interrupted(random: Random) -> Fate:
    end, status = _end(random)
    return Fate("interrupted", end, (Ending("stopped", (status,), 1),), when_ready=(("interrupt",),))


def interrupted_twice(random: Random) -> Fate:
    end, status = _end(random)
    legal = (Ending("stopped", (status, KILLED), 1),)
    return Fate("interrupted twice", end, legal, when_ready=(("interrupt", "interrupt"),))


def dies_early(random: Random) -> Fate:
    code = random.randrange(256)
    arguments = f"--die-before-attach {random.choice((0, 0, 20, 100))}:{code}"
    return Fate("dies early", arguments, (Ending("startup-died", ({"code": code},), 0),))


def refused_by_verifier(random: Random) -> Fate:
    return Fate("refused by the verifier", "--bad-program", (Ending("startup-died", ({"code": 1},), 0),))


def fails_init(random: Random) -> Fate:
    """Never attached, though bpf(2) says so."""
    end, status = _end(random)
    arguments = f"--fail-init {random.randrange(1, 134)} {end}"
    if random.randrange(2):
        return Fate("fails init", f"{arguments} --linger", (Ending("not-attached", (KILLED,), 0, "refused"),))
    # It may be gone before the kernel was seen to refuse it, and may end by itself while it is killed.
    legal = (Ending("startup-died", (status,), 0), Ending("not-attached", (status, KILLED), 0, "refused"))
    return Fate("fails init", arguments, legal)


def never_attaches(random: Random) -> Fate:
    settings = {"liveness": random.uniform(0, 0.2), "attach_timeout": random.uniform(0, 0.2), "attach_at_most": 0.2}
    legal = (Ending("not-attached", (KILLED,), 0, "not ready in time"),)
    return Fate("never attaches", f"--attach-after {NEVER}", legal, settings)


def killed_on_the_way(random: Random) -> Fate:
    """At any moment between the exec and the end of an attach, or just not."""
    end, status = _end(random)
    settings = {"liveness": 0.0, "attach_at_most": random.uniform(0, 0.8), "run_for": 0.0}
    arguments = f"--slow-init {random.choice((0, 0, 300))} {end}"
    legal = (Ending("not-attached", (KILLED,), 0, "not ready in time"), Ending("stopped", (status,), 1))
    return Fate("killed on the way", arguments, legal, settings)


def exits(random: Random) -> Fate:
    end, status = _end(random)
    legal = (Ending("exited", (status,), 1),)
    return Fate("exits", f"--exit-after {NEVER} {end}", legal, when_ready=(("hurry",),))


def leaves_a_holder(random: Random) -> Fate:
    end, status = _end(random)
    legal = (Ending("exited", (status,), 1),)
    holder = random.choice(("--fork-holder", "--fork-holder=session"))
    return Fate("leaves a holder", f"{holder} --exit-after {NEVER} {end}", legal, when_ready=(("hurry",),))


def daemonises(random: Random) -> Fate:
    end, status = _end(random)
    legal = (Ending("startup-died", (status,), 0),)
    return Fate("daemonises", f"--daemonise --attach-after {random.choice((0, NEVER))} {end}", legal)


def ejected(random: Random) -> Fate:
    end, status = _end(random)
    legal = (Ending("ejected", (status,), 1, "scx_bpf_error"),)
    return Fate("ejected", f"--error-after {NEVER} {end}", legal, when_ready=(("hurry",),), of_all=True)


def ejected_and_lingers(random: Random) -> Fate:
    end, status = _end(random)
    arguments = f"--error-after {NEVER} --linger {end}"
    settings = {"reattach_grace": SHORT}
    if random.randrange(2):
        arguments, status, settings = f"{arguments} --ignore-signals", KILLED, {**settings, "stop_grace": SHORT}
    legal = (Ending("ejected", (status,), 1, "scx_bpf_error"),)
    return Fate("ejected and lingers", arguments, legal, settings, (("hurry",),), of_all=True)


def comes_back(random: Random) -> Fate:
    end, status = _end(random)
    times = random.choice((1, 1, 2))
    arguments = f"--reattach {times} --preload {times} --error-after {NEVER}:1-{times} {end}"
    deeds = (*[("hurry",)] * times, ("interrupt",))
    return Fate("comes back", arguments, (Ending("stopped", (status,), times + 1),), when_ready=deeds, of_all=True)


def stalls(random: Random) -> Fate:
    end, status = _end(random)
    legal = (Ending("ejected", (status,), 1, "runnable task stall"),)
    return Fate("stalls", f"--stall --timeout-ms 1000 {end}", legal, of_all=True)


#: How often each is drawn, beside the others. Those that cost a wait are rare.
FATES: Mapping[Callable[[Random], Fate], int] = {
    stopped_in_time: 20,
    deaf: 5,
    interrupted: 8,
    interrupted_twice: 8,
    dies_early: 12,
    refused_by_verifier: 4,
    fails_init: 16,
    never_attaches: 8,
    killed_on_the_way: 30,
    exits: 20,
    leaves_a_holder: 10,
    daemonises: 6,
    ejected: 12,
    ejected_and_lingers: 6,
    comes_back: 8,
    stalls: 1,
}
