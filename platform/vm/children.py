"""Runs one program to its end and tells its output line by line.

Whatever ends the caller ends the program: an exception (Ctrl-C is one) stops its whole process group, and when the
caller is killed the kernel sends the program SIGTERM (`tied`).
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

Line = Callable[[str], None]

#: In an argument: replaced by the number of the descriptor that ``status`` reads.
STATUS_FD = "{status-fd}"

_TICK_S = 0.5
_GRACE_S = 5.0


def tied(argv: Sequence[str], number: str) -> list[str]:
    """A command line that runs ``argv`` for no longer than the thread that starts it lives.

    When that thread ends, in whatever way, the kernel sends the program the signal ``number``, such as "KILL"
    (PR_SET_PDEATHSIG, by way of setpriv(1)). A parent that ended before the kernel was asked to do so is noticed by
    the shell, which then starts nothing.
    """
    alone = '[ "$PPID" = "$0" ] && exec "$@"'
    return ["setpriv", "--pdeathsig", number, "--", "sh", "-c", alone, str(os.getpid()), *argv]


class Overdue(Exception):
    """The program was stopped because its time was up."""


class _Pipe:
    """The read end of a pipe, cut into lines."""

    def __init__(self, descriptor: int, tell: Line) -> None:
        self.descriptor = descriptor
        self._tell = tell
        self._rest = b""

    def drain(self) -> bool:
        """Reads what is there. False at the end of the stream."""
        data = os.read(self.descriptor, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if not data and self._rest:
            lines, self._rest = [self._rest], b""
        for line in lines:
            self._tell(line.decode("utf-8", "replace"))
        return bool(data)


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    out: Line,
    err: Line | None = None,
    status: Line | None = None,
    tick: Callable[[], None] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
) -> int:
    """The exit status of ``argv``, negative for a signal. Without ``err``, standard error goes where ``out`` goes.

    ``timeout`` in seconds; then Overdue is raised. ``tick`` is called at least twice a second. setpriv's own failure to
    start the program is an exit status of 126 or 127, with its words on standard error.
    """
    deadline = time.monotonic() + timeout
    with ExitStack() as stack:
        passed: tuple[int, ...] = ()
        pipes: list[_Pipe] = []
        if status is not None:
            read_end, write_end = os.pipe()
            stack.callback(os.close, read_end)
            pipes.append(_Pipe(read_end, status))
            passed = (write_end,)
            argv = [word.replace(STATUS_FD, str(write_end)) for word in argv]
        try:
            child = subprocess.Popen(
                tied(argv, "TERM"),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if err is None else subprocess.PIPE,
                cwd=cwd,
                env=env,
                pass_fds=passed,
                process_group=0,
                bufsize=0,
            )
        finally:
            for descriptor in passed:
                os.close(descriptor)
        assert child.stdout is not None
        stack.enter_context(child.stdout)
        pipes.append(_Pipe(child.stdout.fileno(), out))
        if err is not None and child.stderr is not None:
            stack.enter_context(child.stderr)
            pipes.append(_Pipe(child.stderr.fileno(), err))
        selector = stack.enter_context(selectors.DefaultSelector())
        for pipe in pipes:
            selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)
        # Undone first: who ends may have something to say, and a pipe that nobody reads would be the end of it.
        stack.callback(_end, child, selector)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Overdue(f"{argv[0]} did not end within {timeout:.0f} s")
            for key, _ in selector.select(min(left, _TICK_S)):
                if not key.data.drain():
                    selector.unregister(key.fd)
            if tick is not None:
                tick()
        try:
            return child.wait(max(deadline - time.monotonic(), _GRACE_S))
        except subprocess.TimeoutExpired:
            raise Overdue(f"{argv[0]} did not end within {timeout:.0f} s") from None


def _end(child: subprocess.Popen[bytes], output: selectors.BaseSelector) -> None:
    """Ends the process group. SIGTERM first: make(1) passes it on and removes the targets it had begun. What is said
    meanwhile is read from ``output``, and told to nobody."""
    if child.returncode is not None:
        return
    # Nothing is reaped before the last signal: until then the number of the group can't become another's.
    os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    pidfd = os.pidfd_open(child.pid)
    try:
        output.register(pidfd, selectors.EVENT_READ)
        ready: set[int] = set()
        while pidfd not in ready and (left := deadline - time.monotonic()) > 0:
            ready = {key.fd for key, _ in output.select(left)}
            for descriptor in ready - {pidfd}:
                if not os.read(descriptor, 65536):
                    output.unregister(descriptor)
    finally:
        os.close(pidfd)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
