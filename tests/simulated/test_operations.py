"""Requests to the supervisor on the simulated kernel: every pair of them in every state, and thousands at random."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scxlife.fsm.events import Event
from scxlife.lifecycle.operations.answers import Attached, Busy, Cancelled, Closed, Detached, Failed, Refused
from scxlife.lifecycle.operations.operations import Operations
from scxlife.lifecycle.options import operations, shipped
from scxlife.lifecycle.outcomes import INTERNAL
from scxlife.lifecycle.plan import Plan
from scxlife.lifecycle.simulated import operations as simulated
from scxlife.lifecycle.simulated.operations import Request, Story, Told, ours, tell
from scxlife.lifecycle.simulated.operations_properties import broken
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.sim import Machine, SimKernel
from scxlife.platform.sim.clock import SECOND
from scxlife.platform.sim.faults import ERRNOS, Fails, Stalls, WakesUp
from scxlife.platform.sim.outside import Eject, Kill, Stranger
from scxlife.platform.sim.profiles import PROFILES
from scxlife.platform.sim.program import Attach, Exit, Fork, Hang, Program, Serve, Sleep

COMMANDS = ("attach", "detach", "restart", "replace", "close")

A = Program((Attach("a"), Serve()))
B = Program((Attach("b"), Serve()))
SLOW = Program((Attach("slow", verify=5.0), Serve()))
DEAF = Program((Attach("deaf"), Sleep(None)), catches=(), ignores=("SIGTERM", "SIGINT"))
DIES = Program((Attach("dies"), Sleep(0.5), Exit(3)))
STAYS = Program((Attach("stays"), Serve(poll=60.0)))
STUCK = Program((Attach("stuck"), Sleep(0.5), Hang(40.0)))
FOREIGN = Stranger(0.0, Program((Attach("foreign", verify=0.0, init=0.0), Serve())))

STAGED = {"a": A, "b": B, "slow": SLOW, "deaf": DEAF, "dies": DIES, "stays": STAYS}

# How to come to be in each state, and for how long from which moment.
THERE: dict[str, tuple[Story, float]] = {
    "idle": (Story(STAGED), 1.0),
    "vacating": (
        Story(STAGED, "a", outside=(attrs.evolve(FOREIGN, at=0.0),), requests=(Request(0.5, "attach", "a"),)),
        1.0,
    ),
    "starting": (Story(STAGED, "slow"), 1.0),
    "running": (Story(STAGED, "a"), 1.0),
    "unattached": (Story(STAGED, "stays", outside=(Eject(1.0),)), 1.5),
    "exchanging": (Story(STAGED, "deaf", requests=(Request(1.0, "replace", "a"),)), 1.5),
    "detaching": (Story(STAGED, "deaf", requests=(Request(1.0, "detach"),)), 1.5),
    "backing_off": (Story(STAGED, "dies", settings={"restart": "always", "backoff_first": 5.0}), 1.5),
    "given_up": (Story(STAGED, "dies", settings={"restart": "always", "start_limit": 0}), 1.5),
    "left": (Story({**STAGED, "stuck": STUCK}, "stuck", requests=(Request(1.0, "detach"),)), 20.0),
    "closing": (Story(STAGED, "deaf", requests=(Request(1.0, "close"),)), 1.5),
    "dismissing": (
        Story(
            STAGED,
            "a",
            requests=(Request(1.0, "close"),),
            payload=Program((Sleep(None),), ignores=("SIGTERM",), catches=()),
        ),
        1.5,
    ),
}
NAMED = {"attach": "b", "replace": "b"}


def asked_in(told: Told) -> Iterator[tuple[str, str]]:
    """The state in which each request was delivered first, in order."""
    for step in told.steps:
        if step["event"] in COMMANDS and step["data"].get("request") is not None:
            yield step["state"], step["event"]


@pytest.mark.parametrize("state", THERE)
def test_every_pair_of_requests_in_every_state_is_answered_and_breaks_nothing(state: str) -> None:
    story, at = THERE[state]
    seen: Counter[tuple[str, str]] = Counter()
    for first in COMMANDS:
        for second in COMMANDS:
            for apart in (0.0, 0.002, 0.1):
                asked = (Request(at, first, NAMED.get(first)), Request(at + apart, second, NAMED.get(second)))
                told = tell(attrs.evolve(story, requests=(*story.requests, *asked), patience=at + 30.0))
                assert broken(told) == [], (first, second, apart)
                came = [(where, what) for where, what in asked_in(told) if where == state]
                if (state, first) in came:
                    seen[first, second] += 1
    assert set(seen) == {(first, second) for first in COMMANDS for second in COMMANDS}


def test_no_state_is_left_out() -> None:
    states = set(operations().states)
    # In the first, nobody can ask; the last but one is only waited for when SIGKILL does not end the payload.
    assert states - set(THERE) == {"opening", "discarding", "closed"}


def told(first: str | None, *requests: Request, **more: object) -> Told:
    done = tell(attrs.evolve(Story(STAGED, first, requests), **more))  # type: ignore[arg-type]
    assert broken(done) == []
    return done


def results(done: Told) -> list[tuple[str, str, str | None]]:
    return [(answered.request.what, answered.answer.result, answered.answer.name) for answered in done.answers]


def test_K8_who_is_told_of_a_state_sees_that_state() -> None:
    done = told(None, Request(1, "attach", "a"), Request(2, "replace", "b"), Request(3, "detach"), Request(4, "close"))
    assert [answered.state for answered in done.answers] == ["running", "running", "idle", "closed"]


def test_row_18_one_is_replaced_by_another_which_is_brought_back_by_a_restart() -> None:
    done = told("a", Request(1, "replace", "b"), Request(2, "restart"), Request(3, "close"))
    assert results(done) == [("replace", "attached", "b"), ("restart", "attached", "b"), ("close", "closed", None)]
    assert [name for name, _, _ in done.begun] == ["a", "b", "b"]
    assert done.outcomes == ["stopped"] * 3


def test_K2_what_ended_by_itself_is_started_again_when_somebody_asks() -> None:
    done = told("dies", Request(2, "restart"), Request(4, "attach", "a"), Request(5, "close"))
    assert results(done)[:2] == [("restart", "attached", "dies"), ("attach", "attached", "a")]


def test_row_18_K4_two_at_once_are_worked_on_one_after_the_other() -> None:
    done = told("a", Request(1, "replace", "b"), Request(1, "replace", "stays"), Request(3, "close"))
    assert results(done)[:2] == [("replace", "attached", "b"), ("replace", "attached", "stays")]


def test_a_detach_ends_a_start_that_is_under_way() -> None:
    done = told(None, Request(1, "attach", "slow"), Request(2, "detach"), Request(9, "close"))
    assert [type(answered.answer) for answered in done.answers] == [Cancelled, Detached, Closed]


def test_row_18_who_is_asked_to_end_is_not_reported_as_a_crash() -> None:
    done = told("a", Request(1, "restart"), Request(2, "detach"), settings={"restart": "always"})
    assert done.outcomes == ["stopped", "stopped"]
    assert [name for name, _, _ in done.begun] == ["a", "a"]
    assert not any(isinstance(each.answer, Failed) for each in done.answers)


def test_an_attach_where_one_is_and_a_restart_where_nothing_ever_was_are_refused() -> None:
    assert isinstance(told("a", Request(1, "attach", "b")).answers[0].answer, Refused)
    assert isinstance(told(None, Request(1, "restart")).answers[0].answer, Refused)


def test_a_strangers_scheduler_is_not_disturbed_and_named() -> None:
    done = told(None, Request(1, "attach", "a"), outside=(FOREIGN,))
    (answer, *_) = [answered.answer for answered in done.answers]
    assert isinstance(answer, Busy)
    assert done.begun == []
    assert answer.owner is not None
    assert done.machine.sched_ext.present is not None


def test_A9_a_stranger_who_takes_the_slot_between_two_of_ours_is_left_alone() -> None:
    slow = Program((Attach("slow", end=0.5), Serve()))
    stranger = attrs.evolve(FOREIGN, at=1.2)
    done = tell(
        Story({"slow": slow, "b": B}, "slow", (Request(1.0, "replace", "b"),), outside=(stranger,), patience=9.0)
    )
    assert broken(done) == []
    assert isinstance(done.answers[0].answer, Busy)
    assert [name for name, _, _ in done.begun] == ["slow"]


def test_a_start_that_fails_is_answered_with_its_outcome() -> None:
    done = told(None, Request(1, "attach", "missing"))
    (answer, *_) = [answered.answer for answered in done.answers]
    assert isinstance(answer, Failed)
    assert answer.outcome is not None
    assert answer.outcome["outcome"] == "not-configured"


@pytest.mark.parametrize(
    ("policy", "restarts"), [("never", False), ("on-failure", True), ("on-ejection", False), ("always", True)]
)
def test_K3_the_policy_says_whether_it_is_started_again(policy: str, restarts: bool) -> None:
    done = told("dies", settings={"restart": policy}, patience=10.0)
    assert (len(done.begun) > 1) is restarts


@pytest.mark.parametrize("policy", ["on-failure", "on-ejection", "always"])
def test_K3_an_ejection_is_no_clean_end_whatever_the_exit_code(policy: str) -> None:
    done = told("a", outside=(Eject(1.0),), settings={"restart": policy}, patience=10.0)
    assert [name for name, _, _ in done.begun] == ["a", "a"]
    assert done.outcomes[0] == "ejected"


def test_K5_H3_restarts_come_later_and_later_and_have_an_end() -> None:
    done = told("dies", settings={"restart": "always", "start_limit": 4, "backoff_jitter": 0.0}, patience=60.0)
    pauses = [
        round(over["t"] - ended["t"], 1)
        for ended, over in zip(
            [step for step in done.steps if step["to"] == "backing_off"],
            [step for step in done.steps if step["event"] == "backoff_over"],
            strict=True,
        )
    ]
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert [step["to"] for step in done.steps if step["event"] == "ended"][-1] == "given_up"


def test_who_ran_well_for_a_while_has_no_failures_behind_it() -> None:
    once_a_minute = Program((Attach("dies"), Sleep(40.0), Exit(3)))
    done = tell(Story({"x": once_a_minute}, "x", settings={"restart": "always", "start_limit": 2}, patience=400.0))
    assert broken(done) == []
    assert len(done.begun) > 6


def test_K1_what_is_wanted_and_what_is_there_are_two_things() -> None:
    """Nobody asked for its end, and the policy does not start it again: it is wanted and not there."""
    done = told(
        "dies", *(Request(at, "status") for at in (0.05, 0.3, 2.0)), Request(3.0, "detach"), Request(4.0, "status")
    )
    facts = [(s["state"], s["desired"], s["attached"], s["drift"]) for s in done.statuses]
    assert facts == [
        ("starting", "dies", None, True),
        ("running", "dies", "dies", False),
        ("idle", "dies", None, True),
        ("idle", None, None, False),
    ]


def test_K1_an_ejection_is_drift_while_the_process_lives() -> None:
    done = told("stays", Request(1.5, "status"), outside=(Eject(1.0),))
    (seen,) = done.statuses
    assert (seen["state"], seen["drift"], seen["kernel"]["state"]) == ("unattached", True, "disabled")


def test_what_is_left_running_is_never_joined_by_a_second_one() -> None:
    stuck = Program((Attach("stuck"), Sleep(0.5), Hang(40.0)))
    asked = (
        Request(1.0, "replace", "a"),
        Request(20.0, "attach", "a"),
        Request(21.0, "restart"),
        Request(22.0, "detach"),
        Request(50.0, "attach", "a"),
    )
    done = tell(Story({"stuck": stuck, "a": A}, "stuck", asked, patience=60.0))
    assert broken(done) == []
    assert [type(answered.answer) for answered in done.answers] == [Failed, Refused, Refused, Detached, Attached]
    assert [name for name, _, _ in done.begun] == ["stuck", "a"]


@pytest.mark.parametrize("when", ["the set-up", "the pause"])
def test_our_own_failure_ends_all_in_time_and_is_no_success(when: str) -> None:
    """A life that can't be set up never ends either: nobody may wait for that."""
    machine = Machine(PROFILES["7.2"])
    machine.install("/bin/a", A)
    kernel = SimKernel(machine)
    life = shipped().with_profile("operation")
    failed: list[str] = []

    def prepare(name: str, number: int, announce: Callable[[str, Mapping[str, Any]], None]) -> Supervision:
        def observe(record: Mapping[str, Any]) -> None:
            """Nobody reads along."""

        if when == "the set-up":
            raise OSError(errno.EMFILE, "no more of them")
        return Supervision(kernel, life, Plan(command="/bin/a"), observer=observe, announce=announce)

    def draw() -> float:
        failed.append("no chance")
        raise OSError(errno.EIO, "no chance")

    made = Operations(
        kernel,
        operations().with_settings(restart="always"),
        prepare,
        command=lambda name: f"/bin/{name}",
        draw=draw,
        observer=lambda record: None,
    )
    machine.expect((Eject(2.0),))
    assert made.run("a") == INTERNAL
    assert machine.clock.now < 140 * SECOND
    assert bool(failed) is (when == "the pause")


class Breaks:
    """An event source that fails at its moment."""

    degraded: str | None = None

    def __init__(self, at: float) -> None:
        self.at = at

    def open(self) -> None:
        """It is well yet."""

    def fileno(self) -> int | None:
        return None

    def next_deadline(self) -> float | None:
        return self.at

    def drain(self) -> list[Event]:
        if self.at <= self.now():
            raise OSError(errno.EIO, "broken")
        return []

    def close(self) -> None:
        """There is nothing to give back."""

    now: Callable[[], float] = staticmethod(lambda: 0.0)


def test_our_own_failure_while_one_is_attached_ends_it_and_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Breaks(102.0)

    def ours_with(told: Told, control: object) -> Operations:
        source.now = told.kernel.monotonic
        return ours(told, source)  # type: ignore[arg-type]

    monkeypatch.setattr(simulated, "ours", ours_with)
    done = told("a")
    assert [step["state"] for step in done.steps if step["event"] == "fault"] == ["running"]
    assert (done.outcomes, done.status) == (["stopped"], INTERNAL)


# -- at random --------------------------------------------------------------------------------------------------------

_MOMENTS = st.one_of(
    st.sampled_from((0.0, 0.001, 0.05, 0.07, 0.5, 1.0, 1.001, 2.0, 3.0)),
    st.floats(0, 12, allow_nan=False).map(lambda at: round(at, 4)),
)
_REQUESTS = st.one_of(
    st.builds(Request, _MOMENTS, st.sampled_from(("detach", "restart"))),
    st.builds(
        Request, _MOMENTS, st.sampled_from(("attach", "replace")), st.sampled_from(("a", "b", "slow", "deaf", "dies"))
    ),
    st.builds(Request, _MOMENTS, st.sampled_from(("detach", "restart", "close"))),
)
_OUTSIDE = st.one_of(
    st.builds(Eject, _MOMENTS),
    st.builds(Kill, _MOMENTS, st.sampled_from(("SIGKILL", "SIGTERM"))),
    st.builds(lambda at: attrs.evolve(FOREIGN, at=at), _MOMENTS),
)
_FAULTS = st.one_of(
    st.builds(Stalls, st.integers(1, 400), st.sampled_from((0.3, 2.0, 7.0))),
    st.builds(WakesUp, st.integers(1, 60)),
    st.sampled_from(sorted(call for call in ERRNOS if ERRNOS[call])).flatmap(
        lambda call: st.builds(
            Fails, call=st.just(call), errno=st.sampled_from(sorted(ERRNOS[call])), at=st.integers(1, 40)
        )
    ),
)
_POLICIES = st.fixed_dictionaries(
    {
        "restart": st.sampled_from(("never", "on-failure", "on-ejection", "always")),
        "linger": st.booleans(),
        "start_limit": st.integers(0, 4),
    }
)


@st.composite
def stories(draw: st.DrawFn, *, faults: bool) -> Story:
    return Story(
        STAGED,
        draw(st.sampled_from((None, "a", "b", "slow", "dies"))),
        tuple(draw(st.lists(_REQUESTS, max_size=6))),
        kernel=draw(st.sampled_from(("7.2", "6.12", "no-network", "container"))),
        outside=tuple(draw(st.lists(_OUTSIDE, max_size=2))),
        faults=tuple(draw(st.lists(_FAULTS, max_size=2))) if faults else (),
        settings=draw(_POLICIES),
        payload=draw(
            st.sampled_from((None, None, Program((Sleep(4.0),)), Program((Sleep(0.2), Fork(Program((Sleep(1.0),)))))))
        ),
        patience=draw(st.sampled_from((5.0, 20.0))),
        seed=draw(st.integers(0, 9)),
    )


settled = settings(deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


@settings(settled, max_examples=1000)
@given(stories(faults=False))
def test_random_sequences_of_requests(story: Story) -> None:
    assert broken(tell(story)) == []


@settings(settled, max_examples=1000)
@given(stories(faults=True))
def test_random_sequences_of_requests_under_faults(story: Story) -> None:
    assert broken(tell(story)) == []
