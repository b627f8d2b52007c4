"""Looks for scenarios that go where none has gone yet, and keeps the smallest of each in tests/simulated/reached/.

    python -m tests.simulated.collect SECONDS [SEED]

It changes what it has: another kernel, another setting, one more fault, and happenings at those moments at which
something happened before, which is where races are. What violates a property on the way is shown.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import yaml

from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.simulated.coverage import Coverage, Way, ways
from scxlife.lifecycle.simulated.properties import violations
from scxlife.lifecycle.simulated.run import READY_FILE, Run, run
from scxlife.lifecycle.simulated.scenario import Scenario, dump, parse
from scxlife.platform.sim.faults import ERRNOS, Fails, LosesUevents, Stalls, WakesUp
from scxlife.platform.sim.outside import (
    Eject,
    Hotplug,
    Interrupt,
    Kill,
    RemoveFile,
    Stranger,
    TouchFile,
)
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import (
    Attach,
    Detach,
    Exit,
    Fork,
    Hang,
    Program,
    Remove,
    Serve,
    Sleep,
    Touch,
    Work,
    Write,
)

REACHED = Path(__file__).parent / "reached"
# state event branch: why no run can go there
UNREACHED: dict[str, str] = yaml.safe_load((Path(__file__).parent / "unreached.yaml").read_text())
PAYLOADS = (
    None,
    Program((Sleep(0.3),)),
    Program((Sleep(1.0),)),
    Program((Sleep(None),), catches=(), ignores=("SIGTERM",)),
    Program((Hang(20.0),)),
)
MOMENTS = (0.0, 0.001, 0.01, 0.03, 0.05, 0.2, 0.6, 1.0, 1.5, 3.0, 5.0)


def first() -> list[Scenario]:
    attach = Attach(verify=0.02)
    return [
        Scenario(program=Program((attach, Serve()))),
        Scenario(program=Program((attach, Serve(), attach, Serve()))),
        Scenario(program=Program((attach, Sleep(None)), catches=(), ignores=("SIGINT", "SIGTERM"))),
        Scenario(program=Program((attach, Serve())), payload=Program((Sleep(1.0),))),
        Scenario(program=Program((Touch(READY_FILE), Sleep(None))), ready="file"),
        Scenario(program=Program((Sleep(None),)), ready="none"),
        Scenario(program=Program((attach, Serve())), ready="boot"),
        Scenario(program=Program((Sleep(None),))),
        Scenario(program=Program((Sleep(0.4),))),
        Scenario(program=None),
        Scenario(program=Program((attach, Serve())), outside=(Interrupt(0.0003),)),
        Scenario(program=Program((attach, Sleep(None))), outside=(Eject(1.0, "unregistered from user space"),)),
        Scenario(program=Program((Work(8.0),)), settings={"attach_timeout": 0.3, "attach_at_most": 1.0}),
        Scenario(program=Program((attach, Serve())), payload=Program((Hang(30.0),)), patience=2.0),
    ]


class Mutation:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.kinds = (self.outside, self.outside, self.fault, self.setting, self.place, self.steps)

    def of(self, scenario: Scenario, times: list[float]) -> Scenario:
        for _ in range(self.random.choice((1, 1, 2, 3))):
            scenario = self.random.choice(
                (self.outside, self.outside, self.fault, self.setting, self.place, self.steps)
            )(scenario, times)
        return scenario

    def chosen(self, pool: list[tuple[Scenario, list[float]]]) -> tuple[Scenario, list[float]]:
        """Any of them, and half of the time one of the youngest, which are where few have been."""
        youngest = pool[-12:] if self.random.random() < 0.5 else pool
        return self.random.choice(youngest)

    def moment(self, times: list[float]) -> float:
        base = self.random.choice(times) if times and self.random.random() < 0.8 else self.random.choice(MOMENTS)
        return round(max(0.0, base + self.random.choice((-0.001, -0.0001, 0.0, 0.0001, 0.0005, 0.002, 0.02, 0.3))), 5)

    def outside(self, scenario: Scenario, times: list[float]) -> Scenario:
        at, pick = self.moment(times), self.random.choice
        stranger = Program(
            (pick((Attach(verify=0.0), Attach(verify=0.0, init=0.3), Sleep(0.2))), pick((Serve(), Sleep(2.0))))
        )
        made: list[Any] = [
            Interrupt(at),
            Interrupt(at),
            Interrupt(at, "SIGKILL"),
            Eject(at, pick(("runnable task stall", "disabled by sysrq-S", "unregistered from user space"))),
            Hotplug(at),
            Kill(at, pick(("SIGKILL", "SIGTERM", "SIGSTOP", "SIGCONT"))),
            Stranger(at, stranger),
            TouchFile(at, READY_FILE),
            RemoveFile(at, READY_FILE),
        ]
        others = list(scenario.outside)
        if others and self.random.random() < 0.4:
            others.pop(self.random.randrange(len(others)))
        return attrs.evolve(scenario, outside=tuple(sorted((*others, pick(made)), key=lambda one: one.at))[:5])

    def fault(self, scenario: Scenario, times: list[float]) -> Scenario:
        pick = self.random.choice
        call = pick([call for call, names in ERRNOS.items() if names])
        made: list[Any] = [
            Fails(call, pick(ERRNOS[call]), at=pick((1, 2, 3, 5, 8, 20, 60, 150))),
            Fails(call, pick(ERRNOS[call]), at=self.random.randrange(1, 200), times=pick((1, 3, 1000))),
            Stalls(self.random.randrange(1, 500), pick((0.05, 1.5, 12.0, 70.0))),
            WakesUp(self.random.randrange(1, 40), pick((None, 1.5, 12.0))),
            LosesUevents(pick((1, 2)), pick((1, 5)), told=pick((True, False))),
        ]
        faults = list(scenario.faults)
        if faults and self.random.random() < 0.6:
            faults.pop(self.random.randrange(len(faults)))
        return attrs.evolve(scenario, faults=(*faults, pick(made))[:3])

    def setting(self, scenario: Scenario, times: list[float]) -> Scenario:
        pick = self.random.choice
        timers = {event.timer for event in shipped().events.values() if event.timer is not None}
        values: dict[str, tuple[Any, ...]] = {
            **dict.fromkeys(sorted(timers), (0.0, 0.1, 0.3, 2.0)),
            "early_ready": (True, False),
            "cadence": (0.01, 0.2, 1.0),
            "log_limit": (1, 100),
            "keep_leftovers": (True, False),
        }
        name = pick(sorted(values))
        return attrs.evolve(scenario, settings={**scenario.settings, name: pick(values[name])})

    def place(self, scenario: Scenario, times: list[float]) -> Scenario:
        pick = self.random.choice
        return attrs.evolve(
            scenario,
            kernel=pick([*PROFILES, scenario.kernel, scenario.kernel]),
            ready=pick(("sched_ext", "boot", "file", "none", scenario.ready, scenario.ready)),
            seed=self.random.randrange(1000),
            next_after=pick((0.0, 0.0, 0.001, 0.1)),
            unit=pick((None, "5ca1ab1e5ca1ab1e")),
            ignores_children=pick((False, False, True)),
            payload=pick(
                (
                    None,
                    Program((Sleep(0.3),)),
                    Program((Sleep(1.0),)),
                    Program((Sleep(None),), catches=(), ignores=("SIGTERM",)),
                    Program((Hang(20.0),)),
                )
            ),
            patience=pick((4.0, 15.0)),
        )

    def steps(self, scenario: Scenario, times: list[float]) -> Scenario:
        pick = self.random.choice
        program = scenario.program or Program()
        made: list[Any] = [
            Attach(verify=pick((0.0, 0.05, 0.5, 2.0)), init=pick((0.0, 0.05, 0.5, 2.0)), end=pick((0.0, 0.2, 4.0))),
            Attach(verify=0.02, fails="EINVAL"),
            Attach(verify=0.02, pin="/sys/fs/bpf/kept"),
            Serve(pick((0.1, 1.0))),
            Sleep(pick(MOMENTS)),
            Sleep(None),
            Work(pick(MOMENTS)),
            Write(size=pick((1, 300, 9000))),
            Touch(READY_FILE),
            Remove(READY_FILE),
            Hang(pick((0.5, 3.0, 30.0))),
            Detach(),
            Exit(),
            Fork(Program((Sleep(None),)), session=True),
            Fork(Program((Sleep(None),), catches=(), ignores=("SIGTERM",))),
            Fork(Program((Hang(None),)), session=True),
            Fork(Program((Hang(8.0),)), session=True),
            Fork(Program((Sleep(0.5), Attach(verify=0.0), Serve()))),
        ]
        steps = list(program.steps)
        where = self.random.randrange(len(steps) + 1)
        if steps and self.random.random() < 0.5:
            steps[where % len(steps)] = pick(made)
        else:
            steps.insert(where, pick(made))
        ignoring: dict[str, Any] = pick(({}, {}, {"catches": (), "ignores": ("SIGINT", "SIGTERM")}, {"catches": ()}))
        return attrs.evolve(scenario, program=attrs.evolve(program, steps=tuple(steps[:7]), **ignoring))


def file_of(way: Way) -> str:
    """The file of the scenario that was found to go a way."""
    return f"{way[0]}-{way[1]}-{way[2]}.yaml".replace("_", "-")


def found_near(way: Way, scenario: Scenario, tries: int) -> bool:
    """Whether a scenario that is much like this one goes the way. A race that was hit exactly is missed as soon as the
    supervisor makes one system call more: it is still there, a little earlier or later."""
    mutation, times = Mutation(0), _times(run(scenario))
    for seed in range(tries):
        candidate = attrs.evolve(scenario, seed=seed) if seed % 2 else mutation.of(scenario, times)
        if way in covered(run(candidate)):
            return True
    return False


def covered(done: Run) -> set[Way]:
    seen = Coverage()
    for life in done.lives():
        seen.add(life.definition, life.records)
    return set(seen.ways)


def smaller(scenario: Scenario, keeps: Callable[[Scenario], bool]) -> Scenario:
    """Without all that is not needed."""
    changed = True
    while changed:
        changed = False
        for candidate in _parts(scenario):
            if candidate != scenario and keeps(candidate):
                scenario, changed = candidate, True
                break
    return scenario


def _parts(scenario: Scenario) -> Iterator[Scenario]:
    for name in ("outside", "faults"):
        items = getattr(scenario, name)
        for index in range(len(items)):
            yield attrs.evolve(scenario, **{name: items[:index] + items[index + 1 :]})
    for setting in scenario.settings:
        yield attrs.evolve(scenario, settings={k: v for k, v in scenario.settings.items() if k != setting})
    for field in attrs.fields(Scenario):
        if field.name not in ("program", "outside", "faults", "settings"):
            yield attrs.evolve(scenario, **{field.name: field.default})
    program = scenario.program
    if program is not None:
        for index in range(len(program.steps)):
            steps = program.steps[:index] + program.steps[index + 1 :]
            yield attrs.evolve(scenario, program=attrs.evolve(program, steps=steps))
        for field in attrs.fields(Program):
            if field.name != "steps":
                yield attrs.evolve(scenario, program=attrs.evolve(program, **{field.name: field.default}))


def main() -> None:
    until = time.monotonic() + float(sys.argv[1])
    mutation = Mutation(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    wanted = {way for way in ways(shipped()) if " ".join(map(str, way)) not in UNREACHED}
    REACHED.mkdir(exist_ok=True)
    pool: list[tuple[Scenario, list[float]]] = []
    seen: set[Way] = set()
    for path in sorted(REACHED.glob("*.yaml")):
        scenario = parse(path.read_text())
        done = run(scenario)
        seen |= covered(done)
        pool.append((scenario, _times(done)))
    told: set[str] = set()
    beginnings = first()
    count = 0
    while time.monotonic() < until and wanted - seen:
        scenario = beginnings.pop() if beginnings else mutation.of(*mutation.chosen(pool))
        done = run(scenario)
        count += 1
        new = (covered(done) & wanted) - seen
        for what in violations(done):
            kind = "".join(letter for letter in what if not letter.isdigit())
            if kind not in told:
                told.add(kind)
                print(f"VIOLATED {what}\n{dump(scenario)}", flush=True)
        for way in sorted(new):
            small = smaller(scenario, lambda candidate, way=way: way in covered(run(candidate)))  # type: ignore[misc]
            path = REACHED / file_of(way)
            path.write_text(dump(small))
            print(f"{count} {path.name}", flush=True)
            done = run(small)
            seen |= covered(done)
            pool.append((small, _times(done)))
    print(f"{count} runs, {len(seen & wanted)} of {len(wanted)} ways")
    for way in sorted(wanted - seen):
        print("never", *way)


def _times(done: Run) -> list[float]:
    began = done.began_at / 1e9
    return [record["t"] - began for record in done.records if record["kind"] in ("step", "event")]


if __name__ == "__main__":
    main()
