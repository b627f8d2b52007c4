"""Takes the scheduler through its whole life again and again, as our PID 1 does, beside a poll of the kernel's state.

For tests/bench/attach.py. Each life's tape goes to the host, and then a LIFECYCLE frame with the moments, in seconds of
CLOCK_MONOTONIC, at which the kernel logged `enabled` and the poll saw it, and how far the clock of the kernel's log has
strayed in this life.
"""

import errno
import json
import os
from collections.abc import Iterator

from inits.base import DEFINITION, reboot
from scxlife.fsm.frozen import thaw
from scxlife.fsm.tape import Tape
from scxlife.lifecycle.init import ENVIRONMENT, MOUNTS, SCHEDULER, SCHEDULER_LOG
from scxlife.lifecycle.init_kernel import InitKernel
from scxlife.lifecycle.orders import CONFIG
from scxlife.lifecycle.plan import Plan, scheduler_environment
from scxlife.lifecycle.realtime import take_precedence
from scxlife.lifecycle.supervision import Supervision
from scxlife.platform.vm import frames
from scxlife.platform.vm.port import GuestPort

POLLED = "/tmp/polled"
_RECORD = 8192
_MARK = "scxlife: what time is it?"


class KernelLog:
    """The records of /dev/kmsg, whose clock is not CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._fd = os.open("/dev/kmsg", os.O_RDWR | os.O_NONBLOCK)

    def records(self) -> Iterator[tuple[float, str]]:
        """Those not read yet: when, in seconds of the log's clock, and what."""
        while True:
            try:
                record = os.read(self._fd, _RECORD).decode("utf-8", "replace")
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                continue
            head, _, text = record.partition(";")
            yield int(head.split(",")[2]) / 1e6, text.partition("\n")[0]

    def offset(self, kernel: InitKernel) -> float:
        """What is to be added to the log's clock to make it CLOCK_MONOTONIC."""
        before = kernel.monotonic()
        # Without the end of the line the kernel would wait for more of it.
        os.write(self._fd, f"<6>{_MARK}\n".encode())
        after = kernel.monotonic()
        (logged,) = [at for at, text in self.records() if text == _MARK]
        return (before + after) / 2 - logged


def start_poll(kernel: InitKernel, microseconds: int) -> None:
    """Set state_poll.c to work until the reboot."""
    null = kernel.open("/dev/null", os.O_RDWR)
    kernel.spawn("/state_poll", ("state_poll", str(microseconds), POLLED), ENVIRONMENT, stdin=null, stdout=2, stderr=2)
    kernel.close(null)


def polled() -> list[float]:
    """The moments that the poll has written down, once each."""
    with open(POLLED, "r+b") as file:
        moments = [int(line) / 1e9 for line in file]
        file.truncate(0)
    return moments


def main() -> None:
    kernel = InitKernel()
    kernel.keep_signals()
    for kind, where in MOUNTS:
        kernel.mount(kind, where, kind, 0, "")
    kernel.bury_orphans()
    degraded = take_precedence(kernel)
    port = GuestPort.open()
    with open(CONFIG, "rb") as file:
        config = json.loads(file.read())
    port.send(frames.HELLO, json.dumps({"release": os.uname().release, "degraded": degraded}).encode())
    log = KernelLog()
    start_poll(kernel, config["interval_us"])
    for seconds in config["lives"]:
        moments = live(kernel, port, log, seconds)
        port.send(frames.LIFECYCLE, json.dumps({**moments, "polled": polled()}).encode())
    port.send(frames.EXIT, b"{}")
    port.finish(20.0)
    reboot()


def live(kernel: InitKernel, port: GuestPort, log: KernelLog, seconds: float) -> dict[str, object]:
    """One life, of which it runs for so many seconds."""
    with open(DEFINITION, "rb") as file:
        definition = thaw(file.read()).with_settings(run_for=seconds)
    before = log.offset(kernel)
    plan = Plan(command=SCHEDULER, environment=scheduler_environment(ENVIRONMENT), log_path=SCHEDULER_LOG)
    tape = Tape(definition, kernel.monotonic, lambda line: port.send(frames.TAPE, line.encode()))
    run = Supervision(kernel, definition, plan, observer=tape)
    kernel.owned = run.pids
    outcome = run.run()
    logged = [at for at, text in log.records() if text.startswith("sched_ext: ") and text.endswith('" enabled')]
    after = log.offset(kernel)
    return {
        "outcome": outcome.name,
        "enabled": [at + (before + after) / 2 for at in logged],
        "strayed": abs(after - before),
    }
