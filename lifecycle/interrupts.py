"""Ctrl-C and SIGTERM on the command line: one clean end with one line, at whatever moment they come.

What the signal does depends on what is under way:

- While modules are loaded, and behind the last line of a command, the process ends at once.
- While a command runs, KeyboardInterrupt unwinds it. What a finaliser swallows is raised again behind it.
- In `noted()` nothing is raised. The command looks at `came()` between two of its steps and ends by itself.

A second signal ends the process at once in any case. A signal that was ignored from the start stays ignored.

This module is loaded before all others, so it imports only what the interpreter has loaded already.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself takes milliseconds, in which nothing is handled yet
import os
import sys

# mypy and ruff know it by its name; the module `typing` is not loaded yet.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

_WORDS = {_signal.SIGINT: "interrupted", _signal.SIGTERM: "terminated"}
# Seconds until a finaliser that has swallowed the interrupt is over.
_AGAIN = 0.001

_LEAVES, _UNWINDS, _NOTED = "leaves", "unwinds", "noted"


class _State:
    """What has come, and what is to be done: `owner` is the process that does it, not its forked children."""

    def __init__(self) -> None:
        self.number = 0
        self.how = _LEAVES
        self.owner = 0
        self.hook: Callable[[int], object] | None = None


_state = _State()


def came() -> int:
    """The first signal that has come, 0 for none. A forked child has its own."""
    return _state.number


def install() -> dict[int, Any]:
    """Handle both signals; what handled them before is returned, for `restore`. Nothing outside the main thread."""
    former = {number: _signal.getsignal(number) for number in _WORDS}
    _state.number, _state.how, _state.owner, _state.hook = 0, _LEAVES, os.getpid(), None
    try:
        for number, handler in former.items():
            if handler != _signal.SIG_IGN:
                _signal.signal(number, _come)
    except ValueError:
        return {}
    sys.unraisablehook = _swallowed
    return former


def restore(former: dict[int, Any]) -> None:
    """Put back what `install` has replaced."""
    for number, handler in former.items():
        _signal.signal(number, _signal.SIG_DFL if handler is None else handler)
    sys.unraisablehook = sys.__unraisablehook__


def unwind() -> None:
    """From now on a signal raises KeyboardInterrupt."""
    _state.how = _UNWINDS


def leave() -> None:
    """From now on a signal ends the process at once."""
    _state.how = _LEAVES


class _Within:
    """While its `with` lasts, a signal does something else."""

    def __init__(self, how: str, hook: Callable[[int], object] | None = None) -> None:
        self._now = how, hook

    def __enter__(self) -> None:
        self._former = _state.how, _state.hook
        _state.how, _state.hook = self._now

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _state.how, _state.hook = self._former


def noted(hook: Callable[[int], object] | None = None) -> _Within:
    """For `with`: a signal is noted and raises nothing. `hook` hears the first one, in the handler: it must only do
    what a handler may, such as kill(2)."""
    return _Within(_NOTED, hook)


def leaving() -> _Within:
    """For `with`: a signal ends the process at once. For what would take KeyboardInterrupt for its own, and has
    nothing to clear away."""
    return _Within(_LEAVES)


def told(number: int = 0) -> int:
    """Print the line, for `number` or else what came, and return the exit code: 128 and the signal's number. Other
    signals than the two have no line, as none is printed where they end a process."""
    number = number or _state.number or int(_signal.SIGINT)
    try:
        import select

        # A reader that has stalled does not keep us here.
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        if number in _WORDS and poll.poll(0):
            # On a terminal a line may be half drawn.
            start = "\r\033[K" if os.isatty(2) else ""
            os.write(2, f"{start}scxlife: {_WORDS[number]}\n".encode())
    except OSError:
        pass  # nobody hears it; the exit code says the same
    return 128 + int(number)


def _come(number: int, frame: FrameType | None) -> None:
    first = not _state.number
    _state.number = _state.number or number
    if os.getpid() != _state.owner:
        return  # a forked child: its parent decides
    if not first or _state.how == _LEAVES:
        os._exit(told(number))
    if _state.how == _UNWINDS:
        raise KeyboardInterrupt
    if _state.hook is not None:
        _state.hook(number)


def _swallowed(unraisable: sys.UnraisableHookArgs) -> None:
    """A finaliser or a callback got the exception, and the interpreter is about to drop it."""
    if _state.number and _state.how == _UNWINDS and isinstance(unraisable.exc_value, KeyboardInterrupt):
        _signal.signal(_signal.SIGALRM, _raise_again)
        _signal.setitimer(_signal.ITIMER_REAL, _AGAIN)
    else:
        sys.__unraisablehook__(unraisable)


def _raise_again(number: int, frame: FrameType | None) -> None:
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    if _state.how == _UNWINDS:
        raise KeyboardInterrupt
