"""A systemd service: how each type starts, lives, reloads, is stopped and started again."""

from __future__ import annotations

from typing import Any

import pytest

from scxlife.fsm.decision import decide
from scxlife.fsm.events import Event
from scxlife.fsm.runtime import Refused

from .bench import Bench, definition_of

SERVICE = definition_of("systemd_service")
STAGES = {
    "condition": "ExecCondition",
    "start_pre": "ExecStartPre",
    "start_post": "ExecStartPost",
    "reload": "ExecReload",
    "stop": "ExecStop",
    "stop_post": "ExecStopPost",
}


class Unit:
    """A unit file, and the two processes that systemd knows of a service."""

    def __init__(self, **file: Any) -> None:
        self.bench: Bench
        self.file: dict[str, Any] = {"Type": "simple", "Restart": "no", "SendSIGKILL": True} | file
        self.main = False
        self.control = ""
        self.result = "success"
        self.restarts = 0
        self.signals: list[str] = []
        self.ran: list[str] = []
        self.unspawnable: set[str] = set()
        self._stop_asked = False
        self._told_stopping = False
        self._stage = ""
        self._next = 0

    # guards
    def simple(self, event: Event) -> bool:
        return self.file["Type"] in ("simple", "idle")

    def exec(self, event: Event) -> bool:
        return bool(self.file["Type"] == "exec")

    def notifies(self, event: Event) -> bool:
        return self.file["Type"] in ("notify", "notify-reload")

    def reloads_by_signal(self, event: Event) -> bool:
        return bool(self.file["Type"] == "notify-reload")

    def oneshot(self, event: Event) -> bool:
        return bool(self.file["Type"] == "oneshot")

    def forking(self, event: Event) -> bool:
        return bool(self.file["Type"] == "forking")

    def clean(self, event: Event) -> bool:
        return event.data.get("status", 0) == 0

    def result_good(self, event: Event) -> bool:
        counts = event.name == "main_exited" or self.bench.state not in ("condition", "reload")
        return self.result in ("success", "exec-condition") and (self.clean(event) or not counts)

    def main_alive(self, event: Event) -> bool:
        return self.main

    def control_alive(self, event: Event) -> bool:
        return bool(self.control)

    def remain_after_exit(self, event: Event) -> bool:
        return bool(self.file.get("RemainAfterExit"))

    def can_reload(self, event: Event) -> bool:
        return "ExecReload" in self.file or self.reloads_by_signal(event)

    def reload_is_ours(self, event: Event) -> bool:
        return bool(event.data.get("after_our_signal", True))

    def start_late_aborts(self, event: Event) -> bool:
        return self.file.get("TimeoutStartFailureMode") == "abort"

    def start_late_kills(self, event: Event) -> bool:
        return self.file.get("TimeoutStartFailureMode") == "kill"

    def stop_late_aborts(self, event: Event) -> bool:
        return self.file.get("TimeoutStopFailureMode") == "abort"

    def stop_late_kills(self, event: Event) -> bool:
        return self.file.get("TimeoutStopFailureMode") == "kill"

    def send_sigkill(self, event: Event) -> bool:
        return bool(self.file["SendSIGKILL"])

    def shall_restart(self, event: Event) -> bool:
        wanted = self.file["Restart"]
        skipped = self.result == "exec-condition"
        failed = not self.result_good(event)
        return not self._stop_asked and not skipped and (wanted == "always" or (wanted == "on-failure" and failed))

    def start_limit_hit(self, event: Event) -> bool:
        return self.restarts >= int(self.file.get("StartLimitBurst", 5))

    # actions
    def begin(self, event: Event) -> None:
        self.result, self._stop_asked, self._told_stopping, self._stage = "success", False, False, ""

    def run_command(self, event: Event) -> str | None:
        stage = STAGES[self.bench.state]
        if stage != self._stage:
            self._stage, self._next = stage, 0
        commands = self.file.get(stage, [])
        if self._next >= len(commands):
            self._stage = ""
            return "stage_over"
        self.control = commands[self._next]
        if self.control in self.unspawnable:
            self.control = ""
            raise FileNotFoundError(2, "no such command")
        self._next += 1
        self.ran.append(self.control)
        return None

    def start_main(self, event: Event) -> str | None:
        commands = self.file.get("ExecStart", ["daemon"])
        if self._stage != "ExecStart":
            self._stage, self._next = "ExecStart", 0
        if self._next >= len(commands):
            return "stage_over"
        command = commands[self._next]
        self._next += 1
        if command in self.unspawnable:
            raise FileNotFoundError(2, "no such command")
        self.ran.append(command)
        if self.forking(event):
            self.control = command
        self.main = True
        return "forked" if self.simple(event) else None

    def signal_reload(self, event: Event) -> None:
        self.signals.append("HUP")

    def kill_control(self, event: Event) -> None:
        self.control = ""

    def _signal(self, name: str) -> str | None:
        if not self.main and not self.control:
            return "none_left"
        self.signals.append(name)
        return None

    def terminate(self, event: Event) -> str | None:
        self._told_stopping = event.name == "stopping"
        return None if self._told_stopping else self._signal("TERM")

    def abort(self, event: Event) -> str | None:
        return self._signal("ABRT")

    def kill(self, event: Event) -> str | None:
        return self._signal("KILL")

    def forbid_restart(self, event: Event) -> None:
        self._stop_asked = True

    def _note(self, result: str) -> None:
        if self.result == "success":
            self.result = result

    def note_exit(self, event: Event) -> None:
        if not self.clean(event):
            self._note("exec-condition" if self.bench.state == "condition" else "exit-code")

    def note_timeout(self, event: Event) -> None:
        self._note("timeout")

    def note_watchdog(self, event: Event) -> None:
        self._note("watchdog")

    def note_protocol(self, event: Event) -> None:
        self._note("protocol")

    def note_resources(self, event: Event) -> None:
        self._note("resources")

    def note_start_limit(self, event: Event) -> None:
        self._note("start-limit-hit")

    def count_restart(self, event: Event) -> None:
        self.restarts += 1

    def forget_restarts(self, event: Event) -> None:
        self.restarts = 0

    # the test's side
    def main_exits(self, status: int = 0) -> str:
        self.main = False
        return self.bench.tell("main_exited", status=status)

    def control_exits(self, status: int = 0) -> str:
        self.control = ""
        return self.bench.tell("control_exited", status=status)


def unit(**file: Any) -> tuple[Unit, Bench]:
    world = Unit(**file)
    world.bench = Bench(SERVICE, world)
    return world, world.bench


def running(**file: Any) -> tuple[Unit, Bench]:
    world, bench = unit(**file)
    bench.tell("start")
    if world.file["Type"].startswith("notify"):
        bench.tell("ready")
    assert bench.state == "running"
    return world, bench


# -- up ----------------------------------------------------------------------------------------------------------


def test_a_simple_service_runs_as_soon_as_it_is_forked() -> None:
    world, bench = unit()
    assert bench.tell("start") == "running"
    assert bench.path == ["dead", "condition", "start_pre", "start", "start_post", "running"]
    assert world.ran == ["daemon"]
    assert bench.due_in() is None


def test_type_exec_waits_for_execve_and_type_notify_for_ready() -> None:
    for kind, says in (("exec", "executed"), ("notify", "ready")):
        _, bench = unit(Type=kind)
        others = {"executed", "ready"} - {says}
        assert bench.tell("start", *others) == "start"
        assert bench.due_in() == 90.0
        assert bench.tell(says) == "running"


def test_every_command_on_the_way_up_has_its_turn_and_the_whole_time_out() -> None:
    world, bench = unit(ExecCondition=["c1"], ExecStartPre=["p1", "p2"], ExecStartPost=["q1"])
    assert bench.tell("start") == "condition"
    for state in ("start_pre", "start_pre", "start_post", "running"):
        bench.wait(80.0)
        assert world.control_exits() == state
    assert world.ran == ["c1", "p1", "p2", "daemon", "q1"]


def test_a_forking_service_runs_when_the_process_that_forks_has_gone() -> None:
    world, bench = unit(Type="forking")
    assert bench.tell("start") == "start"
    assert world.control_exits() == "running"


def test_a_oneshot_runs_its_commands_in_turn_and_remains_if_it_was_told_to() -> None:
    for remain, end in ((True, "exited"), (False, "dead")):
        world, bench = unit(Type="oneshot", ExecStart=["one", "two"], RemainAfterExit=remain)
        bench.tell("start")
        assert world.main_exits() == "start"
        assert world.main_exits() == end
        assert world.ran == ["one", "two"]
        assert "running" not in bench.path


def test_a_condition_that_does_not_hold_is_no_failure_and_no_reason_to_restart() -> None:
    world, bench = unit(ExecCondition=["c1"], Restart="always")
    bench.tell("start")
    world.control_exits(status=1)
    assert (bench.state, world.result) == ("dead", "exec-condition")
    assert world.ran == ["c1"]


def test_a_failed_start_pre_runs_no_main_process_and_no_exec_stop() -> None:
    world, bench = unit(ExecStartPre=["p1"], ExecStop=["s1"], ExecStopPost=["z1"])
    bench.tell("start")
    assert world.control_exits(status=1) == "stop_post"
    assert world.control_exits() == "failed"
    assert world.ran == ["p1", "z1"]
    assert world.result == "exit-code"


def test_a_notify_service_that_ends_well_and_never_was_ready_broke_the_protocol() -> None:
    world, bench = unit(Type="notify")
    bench.tell("start")
    assert world.main_exits() == "failed"
    assert world.result == "protocol"


def test_a_command_that_can_not_be_spawned_fails_the_start_for_want_of_resources() -> None:
    for file, command in (({"ExecStartPre": ["p1"]}, "p1"), ({}, "daemon")):
        world, bench = unit(**file)
        world.unspawnable = {command}
        assert bench.tell("start") == "failed"
        assert world.result == "resources"


@pytest.mark.parametrize(
    ("mode", "state", "signal"),
    [("terminate", "stop_sigterm", "TERM"), ("abort", "stop_watchdog", "ABRT"), ("kill", "stop_sigkill", "KILL")],
)
def test_a_start_that_takes_too_long_ends_as_the_failure_mode_says(mode: str, state: str, signal: str) -> None:
    world, bench = unit(Type="notify", TimeoutStartFailureMode=mode)
    bench.tell("start")
    assert bench.wait(89.9) == "start"
    assert bench.wait(0.1) == state
    assert (world.signals, world.result) == ([signal], "timeout")


# -- alive -------------------------------------------------------------------------------------------------------


def test_a_main_process_that_ends_well_is_stopped_after_and_one_that_fails_is_not() -> None:
    for status, ran, end in ((0, ["daemon", "s1"], "dead"), (1, ["daemon"], "failed")):
        world, bench = running(ExecStop=["s1"])
        if world.main_exits(status) == "stop":
            world.control_exits()
        assert (bench.state, world.ran) == (end, ran)


def test_a_service_that_may_run_only_so_long_is_stopped_with_a_timeout() -> None:
    world = Unit()
    world.bench = bench = Bench(SERVICE.with_settings(runtime_max=60.0), world)
    bench.tell("start")
    assert bench.wait(60.0) == "stop_sigterm"
    assert world.result == "timeout"


def test_a_silent_watchdog_is_answered_with_abort_and_then_kill() -> None:
    world, bench = running()
    assert bench.tell("watchdog_late") == "stop_watchdog"
    assert bench.wait(90.0) == "stop_sigkill"
    assert world.signals == ["ABRT", "KILL"]
    assert world.main_exits(137) == "failed"
    assert world.result == "watchdog"


# -- reload ------------------------------------------------------------------------------------------------------


def test_a_reload_runs_its_commands_and_comes_back() -> None:
    world, bench = running(ExecReload=["r1", "r2"])
    assert bench.tell("reload") == "reload"
    assert world.control_exits() == "reload"
    assert world.control_exits() == "running"
    assert world.ran == ["daemon", "r1", "r2"]


def test_a_reload_that_fails_or_hangs_leaves_the_service_alone() -> None:
    world, bench = running(ExecReload=["r1"])
    bench.tell("reload")
    assert world.control_exits(status=1) == "running"
    assert world.result == "success"
    world, bench = running(ExecReload=["r1"])
    bench.tell("reload")
    assert bench.wait(90.0) == "running"
    assert (world.control, world.result) == ("", "success")


def test_notify_reload_sends_the_signal_and_waits_for_both_answers() -> None:
    world, bench = running(Type="notify-reload")
    assert bench.tell("reload") == "reload_signal"
    assert world.signals == ["HUP"]
    assert bench.tell("reloading", after_our_signal=False) == "reload_signal"
    assert bench.tell("reloading") == "reload_notify"
    assert bench.tell("ready") == "running"


def test_a_second_reload_waits_for_the_first() -> None:
    world, bench = running(ExecReload=["r1"])
    bench.tell("reload", "reload")
    assert world.control_exits() == "reload"
    assert world.control_exits() == "running"
    assert world.ran == ["daemon", "r1", "r1"]


def test_who_can_not_reload_is_told_so() -> None:
    _, bench = unit()
    with pytest.raises(Refused, match="only an active service"):
        bench.tell("reload")
    _, bench = running()
    with pytest.raises(Refused, match="no ExecReload="):
        bench.tell("reload")


def test_a_main_process_that_dies_while_it_reloads_is_seen_when_the_reload_is_over() -> None:
    world, bench = running(ExecReload=["r1"])
    bench.tell("reload")
    assert world.main_exits(1) == "reload"
    assert world.control_exits() == "failed"
    assert world.result == "exit-code"


# -- down --------------------------------------------------------------------------------------------------------


def test_a_stop_runs_exec_stop_then_signals_then_cleans_up() -> None:
    world, bench = running(ExecStop=["s1"], ExecStopPost=["z1"])
    assert bench.tell("stop") == "stop"
    assert world.control_exits() == "stop_sigterm"
    assert world.main_exits() == "stop_post"
    assert world.control_exits() == "dead"
    assert bench.path[-7:] == ["stop", "stop", "stop_sigterm", "stop_post", "stop_post", "final_sigterm", "dead"]
    assert world.signals == ["TERM"]


def test_a_process_that_ignores_sigterm_is_killed_and_one_that_survives_that_is_left_behind() -> None:
    world, bench = running()
    bench.tell("stop")
    assert bench.wait_out() == ["stop_sigterm", "stop_sigkill", "final_sigterm", "final_sigkill", "failed"]
    assert world.signals == ["TERM", "KILL", "TERM", "KILL"]
    assert world.result == "timeout"


def test_without_send_sigkill_nothing_is_killed() -> None:
    world, bench = running(SendSIGKILL=False)
    bench.tell("stop")
    bench.wait_out()
    assert world.signals == ["TERM", "TERM"]
    assert bench.state == "failed"


def test_a_stop_that_aborts_when_it_is_late_asks_for_a_core_dump_on_both_storeys() -> None:
    world, bench = running(TimeoutStopFailureMode="abort")
    bench.tell("stop")
    bench.wait_out()
    assert world.signals == ["TERM", "ABRT", "KILL", "TERM", "ABRT", "KILL"]


def test_a_service_that_says_itself_that_it_stops_gets_no_signal() -> None:
    world, bench = running(Type="notify")
    assert bench.tell("stopping") == "stop_sigterm"
    assert world.signals == []
    assert bench.due_in() == 90.0
    assert world.main_exits() == "dead"


def test_stopping_that_is_said_too_early_is_remembered() -> None:
    world, bench = unit(Type="notify", ExecStartPost=["q1"])
    bench.tell("start", "ready", "stopping")
    assert bench.state == "start_post"
    assert world.control_exits() == "stop_sigterm"
    assert bench.path[-2:] == ["running", "stop_sigterm"]


def test_a_stop_while_it_starts_goes_straight_to_the_signal() -> None:
    world, bench = unit(Type="notify", ExecStop=["s1"])
    bench.tell("start")
    assert bench.tell("stop") == "stop_sigterm"
    assert world.main_exits() == "dead"
    assert "s1" not in world.ran


def test_a_start_that_comes_while_it_goes_down_waits_until_it_is_down() -> None:
    world, bench = running()
    bench.tell("stop", "start")
    assert bench.state == "stop_sigterm"
    assert world.main_exits() == "running"
    assert bench.path.count("dead") == 2


# -- again -------------------------------------------------------------------------------------------------------


def test_a_service_that_fails_is_started_again_after_its_delay() -> None:
    world, bench = running(Restart="on-failure")
    assert world.main_exits(1) == "auto_restart"
    assert bench.due_in() == pytest.approx(0.1)
    assert bench.wait(0.1) == "auto_restart_queued"
    assert bench.tell("start") == "running"
    assert world.restarts == 1


def test_a_service_that_ends_well_or_is_stopped_is_not() -> None:
    world, _ = running(Restart="on-failure")
    assert world.main_exits(0) == "dead"
    world, bench = running(Restart="always")
    bench.tell("stop")
    assert world.main_exits(1) == "failed"


def test_a_start_job_hurries_a_restart_and_a_stop_job_ends_it() -> None:
    world, bench = running(Restart="always")
    world.main_exits()
    assert bench.tell("start") == "auto_restart_queued"
    world, bench = running(Restart="always")
    world.main_exits()
    assert bench.tell("stop") == "dead"
    assert bench.due_in() is None


def test_too_many_starts_fail_it_until_somebody_forgives() -> None:
    world, bench = running(Restart="always", StartLimitBurst=3)
    for _ in range(3):
        assert bench.state == "running"
        assert world.main_exits(1) == "auto_restart"
        assert bench.wait(0.1) == "auto_restart_queued"
        bench.tell("start")
    assert (world.restarts, world.result) == (3, "exit-code")
    assert bench.tell("start") == "failed"
    assert bench.tell("reset_failed") == "dead"
    assert bench.tell("start") == "running"


# -- service.c, function by function -----------------------------------------------------------------------------

# What service.c does with a time-out, an exit and a failed spawn: state, event, the guards that hold (all others do
# not), the next state (the same: it stays), and what is noted of the result.
TIMER = [
    ("condition", "start_late", "", "stop_sigterm", "note_timeout"),
    ("start_pre", "start_late", "start_late_aborts", "stop_watchdog", "note_timeout"),
    ("start", "start_late", "start_late_kills send_sigkill", "stop_sigkill", "note_timeout"),
    ("start_post", "start_late", "start_late_kills", "stop_post", "note_timeout"),
    ("running", "runtime_over", "", "stop", "note_timeout"),
    ("reload", "start_late", "result_good main_alive", "running", "note_reload_failure"),
    ("reload", "start_late", "result_good remain_after_exit", "exited", "note_reload_failure"),
    ("reload", "start_late", "result_good", "stop", "note_reload_failure"),
    ("reload", "start_late", "main_alive", "stop_sigterm", "note_reload_failure"),
    ("reload_signal", "start_late", "", "running", "note_reload_failure"),
    ("reload_notify", "start_late", "", "running", "note_reload_failure"),
    ("stop", "stop_late", "", "stop_sigterm", "note_timeout"),
    ("stop", "stop_late", "stop_late_aborts", "stop_watchdog", "note_timeout"),
    ("stop", "stop_late", "stop_late_kills send_sigkill", "stop_sigkill", "note_timeout"),
    ("stop", "stop_late", "stop_late_kills", "stop_post", "note_timeout"),
    ("stop_watchdog", "abort_late", "send_sigkill", "stop_sigkill", "note_timeout"),
    ("stop_watchdog", "abort_late", "", "stop_post", "note_timeout"),
    ("stop_sigterm", "stop_late", "stop_late_aborts send_sigkill", "stop_watchdog", "note_timeout"),
    ("stop_sigterm", "stop_late", "send_sigkill", "stop_sigkill", "note_timeout"),
    ("stop_sigterm", "stop_late", "", "stop_post", "note_timeout"),
    ("stop_sigkill", "stop_late", "send_sigkill", "stop_post", "note_timeout"),
    ("stop_post", "stop_late", "", "final_sigterm", "note_timeout"),
    ("stop_post", "stop_late", "stop_late_aborts", "final_watchdog", "note_timeout"),
    ("stop_post", "stop_late", "stop_late_kills send_sigkill", "final_sigkill", "note_timeout"),
    ("stop_post", "stop_late", "stop_late_kills shall_restart", "failed", "note_timeout"),
    ("final_watchdog", "abort_late", "send_sigkill", "final_sigkill", "note_timeout"),
    ("final_watchdog", "abort_late", "shall_restart", "failed", "note_timeout"),
    ("final_sigterm", "stop_late", "stop_late_aborts send_sigkill", "final_watchdog", "note_timeout"),
    ("final_sigterm", "stop_late", "send_sigkill", "final_sigkill", "note_timeout"),
    ("final_sigterm", "stop_late", "shall_restart", "failed", "note_timeout"),
    ("final_sigkill", "stop_late", "shall_restart", "auto_restart", "note_timeout"),
    ("final_sigkill", "stop_late", "", "failed", "note_timeout"),
    ("auto_restart", "restart_due", "", "auto_restart_queued", "count_restart"),
]
EXITS = [
    ("start", "main_exited", "oneshot", "stop_sigterm", "note_exit"),
    ("start", "main_exited", "notifies", "stop_sigterm", "note_exit"),
    ("start", "main_exited", "notifies clean", "stop_sigterm", "note_protocol"),
    ("start", "main_exited", "exec clean remain_after_exit", "exited", ""),
    ("start", "main_exited", "exec clean", "stop", ""),
    ("start", "control_exited", "forking", "stop_sigterm", "note_exit"),
    ("running", "main_exited", "remain_after_exit", "stop_sigterm", "note_exit"),
    ("running", "main_exited", "clean remain_after_exit", "exited", ""),
    ("reload_signal", "main_exited", "", "stop", "note_exit"),
    ("reload_notify", "main_exited", "", "stop", "note_exit"),
    ("stop", "control_exited", "", "stop_sigterm", "note_exit"),
    *((state, "main_exited", "control_alive", state, "note_exit") for state in ("stop", "stop_sigterm", "stop_post")),
    ("stop_sigterm", "control_exited", "main_alive", "stop_sigterm", "note_exit"),
    ("stop_sigkill", "main_exited", "", "stop_post", "note_exit"),
    ("stop_post", "control_exited", "", "final_sigterm", "note_exit"),
    ("final_sigterm", "main_exited", "control_alive result_good", "final_sigterm", "note_exit"),
    ("final_sigterm", "control_exited", "main_alive result_good", "final_sigterm", "note_exit"),
    ("final_sigterm", "main_exited", "shall_restart result_good", "auto_restart", "note_exit"),
    ("final_sigkill", "main_exited", "result_good", "dead", ""),
    ("final_watchdog", "control_exited", "", "failed", "note_exit"),
]
SPAWNS = [
    ("condition", "fault", "shall_restart", "auto_restart", "note_resources"),
    ("start_pre", "fault", "", "failed", "note_resources"),
    ("start", "fault", "", "stop_sigterm", "note_resources"),
    ("start_post", "fault", "", "stop", "note_resources"),
    ("reload", "fault", "result_good main_alive", "running", "note_reload_failure"),
    ("reload_signal", "fault", "", "running", "note_reload_failure"),
    ("stop", "fault", "", "stop_sigterm", "note_resources"),
    ("stop_watchdog", "fault", "", "stop_post", "note_resources"),
    ("stop_post", "fault", "", "final_sigterm", "note_resources"),
    ("final_sigterm", "fault", "shall_restart", "auto_restart", "note_resources"),
    ("final_sigterm", "fault", "", "failed", "note_resources"),
]
STOPS = [
    *((state, "stop", "", "stop_sigterm", "forbid_restart") for state in ("condition", "start_post", "reload_notify")),
    *((state, "stop", "", "stop", "forbid_restart") for state in ("running", "exited", "stop")),
    ("stop_watchdog", "stop", "", "stop_sigterm", "forbid_restart"),
    *((state, "stop", "", state, "forbid_restart") for state in ("stop_sigkill", "stop_post", "final_sigterm")),
    ("auto_restart", "stop", "", "dead", ""),
    ("dead", "start", "start_limit_hit", "failed", "note_start_limit"),
    ("auto_restart_queued", "start", "start_limit_hit", "failed", "note_start_limit"),
]


@pytest.mark.parametrize(("state", "event", "holding", "to", "noted"), [*TIMER, *EXITS, *SPAWNS, *STOPS])
def test_each_cell_of_service_c_is_in_the_table(state: str, event: str, holding: str, to: str, noted: str) -> None:
    guards = dict.fromkeys(SERVICE.guards, False) | dict.fromkeys(holding.split(), True)
    decision = decide(SERVICE, state, event, guards)
    notes = [name for name in decision.actions if name.startswith(("note_", "forbid_", "count_"))]
    assert (decision.kind, decision.target, " ".join(notes)) == ("go", to, noted)
    assert guards.keys() == SERVICE.guards.keys()


def test_every_deadline_of_every_state_is_in_that_table() -> None:
    armed = {(name, deadline) for name, state in SERVICE.states.items() for deadline in state.deadlines}
    assert {(state, event) for state, event, *_ in TIMER} == armed
