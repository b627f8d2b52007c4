"""The shipped unit under Debian's systemd, on a real sched_ext kernel, with the fixture scheduler as its services.

One boot does all of it; each test judges its part.
"""

from __future__ import annotations

import re

import pytest
from tests.schedulers.build import fault_scheduler
from tests.systemd.guest import SCXLIFE, Boot, boot, shipped_unit

from scxlife.lifecycle.commands.unit import unit_for
from scxlife.platform.vm import guest, kernels

pytestmark = pytest.mark.guest

STATE = "cat /sys/kernel/sched_ext/state"
ENABLED = "cat /sys/kernel/sched_ext/enable_seq"
SHOWN = "ActiveState SubState Result StatusText NRestarts ExecMainCode ExecMainStatus MainPID"
#: Arguments of the fixture scheduler, options of `scxlife run`, and a drop-in, by the name of the instance.
SERVICES = {
    "late": ("--attach-after 1500", "--metrics /run/scxlife/late/late.prom", ""),
    "ejected": ("--error-after 3600000", "", "Restart=no"),
    "again": ("--error-after 200", "", "RestartSec=200ms"),
    "never": ("--attach-after 3600000", "--liveness 200ms --attach-timeout 500ms", "Restart=no"),
    "hangs": ("", "", "WatchdogSec=4s\nRestart=no"),
    "nothing": ("", "", ""),
    "daemon": ("", "--ready file:/run/scxlife/daemon/ready", ""),
    "odd": ("", "", ""),
    "greedy": ("", "--ready file:/run/scxlife/greedy/ready", "MemoryMax=128M\nRestart=no"),
    "asked": ("", "--control /run/scxlife/asked/control --stage fault=/bin/scx_fault", "WatchdogSec=30s"),
}
COMMANDS = {
    "nothing": "/bin/there-is-no-such-program",
    "daemon": "/bin/daemon",
    "greedy": "/bin/greedy",
    "asked": "\nSCXLIFE_LOG=",
}
DAEMON = "#!/bin/sh\nsleep 0.5\ntouch /run/scxlife/daemon/ready\nexec sleep 1000\n"
#: Takes three times the memory that its unit may have, at once.
GREEDY = "#!/bin/sh\ntouch /run/scxlife/greedy/ready\nsleep 1\nexec dd if=/dev/zero of=/dev/null bs=384M\n"
#: An install path with all that systemd reads as something else.
ODD = "/opt/100% of $HOME ${HOME} $$ ünï;%i/scxlife"


def show(name: str) -> str:
    return f"systemctl show scxlife@{name} {' '.join(f'-p {each}' for each in SHOWN.split())}"


def start(name: str) -> str:
    return f"systemctl start scxlife@{name}; echo returned $?; {STATE}; {show(name)}"


def until(name: str, state: str) -> str:
    return f"until [ $(systemctl show scxlife@{name} -p ActiveState --value) = {state} ]; do sleep 0.2; done"


MAIN = "$(systemctl show scxlife@late -p MainPID --value)"
STEPS = (
    ("late starts", f"echo 1 > /proc/sys/kernel/dmesg_restrict; {start('late')}"),
    ("late runs", "systemctl --no-pager -l status scxlife@late; cat /run/scxlife/late/late.prom"),
    ("late's cgroup", "cat /proc/$(pidof scx_fault)/cgroup; grep Cap /proc/$(pidof scx_fault)/status"),
    ("late's supervisor", f"grep Cap /proc/{MAIN}/status"),
    ("late's oom scores", f"cat /proc/{MAIN}/oom_score_adj /proc/$(pidof scx_fault)/oom_score_adj"),
    ("late's modes", "stat -c '%a %n' /run/scxlife/late /var/log/scxlife /var/log/scxlife/late.log"),
    ("late's journal", "journalctl --no-pager -u scxlife@late -o cat"),
    (
        "late's classes",
        "for pid in $(systemctl show scxlife@late -p MainPID --value) $(pidof scx_fault); do "
        "cut -d' ' -f41 /proc/$pid/stat; done",
    ),
    ("late stops", f"systemctl stop scxlife@late; echo returned $?; {STATE}; {show('late')}"),
    (
        "late is gone",
        "pidof scx_fault; find /sys/fs/cgroup -name 'scxlife@late*' -o -name 'scxlife-*'; ls /run/scxlife",
    ),
    ("ejected starts", start("ejected")),
    ("ejected fails", f"kill -USR1 $(pidof scx_fault); {until('ejected', 'failed')}; {show('ejected')}; {STATE}"),
    ("ejected's status", "systemctl --no-pager -l status scxlife@ejected"),
    ("ejected's errors", "journalctl --no-pager -u scxlife@ejected -p err -o cat"),
    ("again before", ENABLED),
    ("again starts", f"systemctl start scxlife@again; {until('again', 'failed')}; sleep 2; {show('again')}"),
    ("again after", f"{ENABLED}; {STATE}; pidof scx_fault"),
    ("again's journal", "journalctl --no-pager -u scxlife@again -o cat"),
    ("again's logs", "ls /var/log/scxlife | grep again"),
    ("never starts", start("never")),
    ("hangs starts", start("hangs")),
    (
        "hangs hangs",
        f"kill -STOP $(systemctl show scxlife@hangs -p MainPID --value); {until('hangs', 'failed')}; "
        f"{show('hangs')}; {STATE}; pidof scx_fault",
    ),
    ("nothing starts", f"{start('nothing')}; sleep 1; {show('nothing')}"),
    ("daemon starts", f"{start('daemon')}; ls /run/scxlife/daemon"),
    ("daemon stops", f"systemctl stop scxlife@daemon; echo returned $?; {show('daemon')}"),
    ("odd starts", f"systemctl start scxodd@odd; echo returned $?; {STATE}; systemctl stop scxodd@odd; echo $?"),
    ("greedy starts", f"{start('greedy')}; {until('greedy', 'failed')}; {show('greedy')}"),
    ("asked starts", start("asked")),
    ("asked attaches", f"scxlife ctl --control /run/scxlife/asked/control attach fault; echo returned $?; {STATE}"),
    ("asked lives on", f"sleep 40; {show('asked')}; {STATE}"),
    ("asked stops", f"systemctl stop scxlife@asked; echo returned $?; {show('asked')}; {STATE}"),
    ("failed", "systemctl --no-pager --failed --plain --no-legend"),
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Boot:
    kernel = next((kernel for kernel in kernels.installed() if not kernel.built), None)
    if kernel is None:
        pytest.skip("no kernel is here yet: run scxlife kernel fetch")
    odd = {ODD: SCXLIFE, "/etc/systemd/system/scxodd@.service": unit_for((ODD,))}
    texts = {"/bin/daemon": DAEMON, "/bin/greedy": GREEDY, **odd}
    for name, (arguments, options, drop_in) in SERVICES.items():
        command = COMMANDS.get(name, "/bin/scx_fault")
        texts[f"/etc/scxlife/{name}.conf"] = f"COMMAND={command}\nARGUMENTS={arguments}\nSCXLIFE_OPTIONS={options}\n"
        if drop_in:
            texts[f"/etc/systemd/system/scxlife@{name}.service.d/test.conf"] = f"[Service]\n{drop_in}\n"
    folder = tmp_path_factory.mktemp("guest")
    told = boot(
        kernel, STEPS, folder, programs={"/bin/scx_fault": fault_scheduler()}, texts={**shipped_unit(), **texts}
    )
    for step in told.steps.values():
        print(f"$ {step.name}    [{step.code}, {step.seconds:.1f} s]\n{step.output}")
    assert isinstance(told.result, guest.Completed), told.result
    return told


def lines(seen: Boot, step: str) -> list[str]:
    return seen.steps[step].output.splitlines()


def properties(seen: Boot, step: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines(seen, step) if "=" in line)


def test_a_start_returns_when_the_kernel_runs_it(seen: Boot) -> None:
    assert lines(seen, "late starts")[:2] == ["returned 0", "enabled"]
    told = properties(seen, "late starts")
    assert (told["ActiveState"], told["SubState"]) == ("active", "running")
    assert told["StatusText"].startswith("running: ")


def test_the_status_and_the_metrics_say_that_it_runs(seen: Boot) -> None:
    text = seen.steps["late runs"].output
    assert "Active: active (running)" in text
    assert 'Status: "running: ' in text
    assert 'scxlife_state{name="scx_fault",state="running"} 1' in text


def test_it_has_a_cgroup_of_its_own_in_the_delegated_one_and_the_units_capabilities(seen: Boot) -> None:
    cgroup, *capabilities = lines(seen, "late's cgroup")
    unit, _, own = cgroup.removeprefix("0::").rpartition("/")
    assert unit.endswith("/scxlife@late.service")
    assert own.startswith("scxlife-")
    # SYSLOG, PTRACE, PERFMON and BPF of linux/capability.h. The first two are the supervisor's alone.
    units, schedulers = (sum(1 << bit for bit in bits) for bits in ((34, 19, 38, 39), (38, 39)))
    assert f"CapBnd:\t{units:016x}" in capabilities
    assert f"CapPrm:\t{schedulers:016x}" in capabilities
    assert f"CapEff:\t{schedulers:016x}" in capabilities
    assert f"CapEff:\t{units:016x}" in lines(seen, "late's supervisor")


def test_the_scheduler_is_killed_before_its_supervisor(seen: Boot) -> None:
    supervisor, scheduler = map(int, lines(seen, "late's oom scores"))
    assert (supervisor, scheduler) == (-500, 0)
    assert "returned 0" in lines(seen, "greedy starts")
    told = properties(seen, "greedy starts")
    assert (told["ActiveState"], told["Result"]) == ("failed", "exit-code"), "scxlife itself has ended by its own exit"
    assert told["StatusText"].endswith("(signal 9 (SIGKILL))"), "and has reported it"


def test_what_it_writes_is_for_root_alone(seen: Boot) -> None:
    modes = {name: mode for mode, name in (line.split() for line in lines(seen, "late's modes"))}
    assert modes == {"/run/scxlife/late": "700", "/var/log/scxlife": "700", "/var/log/scxlife/late.log": "600"}


def test_the_kernels_log_is_read_where_it_is_restricted(seen: Boot) -> None:
    journal = seen.steps["late's journal"].output
    assert 'sched_ext: BPF scheduler "fault" enabled' in journal
    assert "degraded" not in journal


def test_a_start_keeps_the_logs_before_its_own(seen: Boot) -> None:
    assert lines(seen, "again's logs") == ["again.log", "again.log.1", "again.log.2"]


def test_the_unit_of_an_odd_install_path_starts(seen: Boot) -> None:
    assert lines(seen, "odd starts") == ["returned 0", "enabled", "0"]


def test_the_judge_is_real_time_and_the_judged_is_not(seen: Boot) -> None:
    fifo, other = "1", "0"
    assert lines(seen, "late's classes") == [fifo, other]


def test_a_stop_is_clean(seen: Boot) -> None:
    assert lines(seen, "late stops")[:2] == ["returned 0", "disabled"]
    told = properties(seen, "late stops")
    assert (told["ActiveState"], told["Result"], told["ExecMainStatus"]) == ("inactive", "success", "0")
    assert lines(seen, "late is gone") == [], "no process, no cgroup, no runtime directory"


def test_an_ejection_is_a_failure_with_the_kernels_reason(seen: Boot) -> None:
    assert "returned 0" in lines(seen, "ejected starts")
    assert lines(seen, "ejected fails")[-1] == "disabled"
    text = seen.steps["ejected's status"].output
    assert "Active: failed" in text
    assert "status=12" in text
    told = r"ejected: the kernel threw it out \(attached for \d+\.\d s; scx_bpf_error\)"
    assert re.search(f'Status: "{told}"', text)
    errors = lines(seen, "ejected's errors")
    assert [line for line in errors if re.fullmatch(f"outcome    {told}", line)]
    assert [line for line in errors if "the fixture was asked to fail" in line]


def test_what_fails_each_time_is_started_three_times(seen: Boot) -> None:
    (before,) = lines(seen, "again before")
    after, state, *processes = lines(seen, "again after")
    assert int(after) - int(before) == 3
    assert (state, processes) == ("disabled", [])
    assert properties(seen, "again starts")["ActiveState"] == "failed"
    # Who fails 200 ms after the attach may be gone before anybody has seen that it was attached.
    journal = lines(seen, "again's journal")
    assert len([line for line in journal if line.startswith(("outcome    ejected", "outcome    not-attached"))]) == 3
    assert [line for line in journal if "Start request repeated too quickly" in line]


def test_a_start_fails_when_it_does_not_attach(seen: Boot) -> None:
    assert "returned 1" in lines(seen, "never starts")
    assert "enabled" not in lines(seen, "never starts")
    told = properties(seen, "never starts")
    assert (told["ActiveState"], told["ExecMainStatus"]) == ("failed", "11")
    assert told["StatusText"].startswith("not-attached: ")


def test_a_supervisor_that_hangs_is_ended_with_its_scheduler(seen: Boot) -> None:
    assert lines(seen, "hangs starts")[:2] == ["returned 0", "enabled"]
    *_, state = lines(seen, "hangs hangs")
    told = properties(seen, "hangs hangs")
    assert (told["ActiveState"], told["Result"]) == ("failed", "watchdog")
    assert state == "disabled", "and no process of it is left"


def test_what_is_not_there_is_not_tried_again(seen: Boot) -> None:
    told = properties(seen, "nothing starts")
    assert (told["ActiveState"], told["ExecMainStatus"], told["NRestarts"]) == ("failed", "127", "0")
    assert told["StatusText"].startswith("not-configured: ")


def test_a_daemon_that_makes_a_file_is_a_service_too(seen: Boot) -> None:
    assert "returned 0" in lines(seen, "daemon starts")
    assert lines(seen, "daemon starts")[-1] == "ready"
    assert properties(seen, "daemon starts")["ActiveState"] == "active"
    told = properties(seen, "daemon stops")
    assert (told["ActiveState"], told["Result"]) == ("inactive", "success")


def test_what_is_asked_at_its_socket_is_done_and_signs_of_life_go_on(seen: Boot) -> None:
    assert lines(seen, "asked starts")[:2] == ["returned 0", "disabled"]
    assert lines(seen, "asked attaches")[-2:] == ["returned 0", "enabled"]
    assert lines(seen, "asked lives on")[-1] == "enabled"
    assert properties(seen, "asked lives on")["ActiveState"] == "active", "longer than the watchdog waits"
    assert "returned 0" in lines(seen, "asked stops")
    assert lines(seen, "asked stops")[-1] == "disabled"
    told = properties(seen, "asked stops")
    assert (told["ActiveState"], told["Result"]) == ("inactive", "success")


def test_only_what_failed_is_failed(seen: Boot) -> None:
    failed = {line.split()[0] for line in lines(seen, "failed")}
    assert failed == {f"scxlife@{name}.service" for name in ("ejected", "again", "never", "hangs", "nothing", "greedy")}
