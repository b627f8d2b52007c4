"""What comes of a request: one closed union, the same in the Python API, on the control socket and in the guest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class Answer:
    """What every answer carries: the scheduler's name, where there is one, and in words what came of it."""

    name: str | None = None
    reason: str = ""

    result = "answer"
    done = False

    def as_json(self) -> dict[str, Any]:
        return {"result": self.result, "done": self.done, **attrs.asdict(self)}


@attrs.frozen(kw_only=True)
class Attached(Answer):
    """It is attached, as the life `run`; `instance` and `enable_seq` are the kernel's."""

    run: int
    instance: int | None = None
    enable_seq: int | None = None

    result = "attached"
    done = True


@attrs.frozen(kw_only=True)
class Detached(Answer):
    """None of ours is attached. `outcome` is how the last one ended."""

    outcome: Mapping[str, Any] | None = None

    result = "detached"
    done = True


@attrs.frozen(kw_only=True)
class Failed(Answer):
    """It came to nothing, as `outcome` says."""

    outcome: Mapping[str, Any] | None = None

    result = "failed"


@attrs.frozen(kw_only=True)
class Busy(Answer):
    """The kernel runs somebody else's scheduler, and nothing was started."""

    owner: Mapping[str, Any] | None = None

    result = "busy"


@attrs.frozen(kw_only=True)
class Cancelled(Answer):
    """Another request, or a signal, ended what was under way."""

    result = "cancelled"


@attrs.frozen(kw_only=True)
class Refused(Answer):
    """It can't be done in this state; nothing has changed."""

    result = "refused"


@attrs.frozen(kw_only=True)
class Closed(Answer):
    """All has ended, and nobody will answer any more. `done` for who asked for it."""

    result = "closed"
    done = True


Reply = Callable[[Answer], object]


class Desk:
    """The requests that wait for their answer: each gets exactly one, when it is handed out."""

    def __init__(self) -> None:
        self._waiting: dict[int, Reply] = {}
        self._answered: list[tuple[Reply, Answer]] = []
        self._numbers = 0

    def take(self, reply: Reply) -> int:
        """The number of a new request."""
        self._numbers += 1
        self._waiting[self._numbers] = reply
        return self._numbers

    def answer(self, number: int, answer: Answer) -> None:
        """KeyError for a request that has its answer already."""
        self._answered.append((self._waiting.pop(number), answer))

    def hand_out(self) -> None:
        """Give each its answer."""
        answered, self._answered = self._answered, []
        for reply, answer in answered:
            reply(answer)

    @property
    def waiting(self) -> tuple[int, ...]:
        return tuple(self._waiting)
