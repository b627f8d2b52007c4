"""What the words of a `vm run` line mean: a scheduler with its arguments, and after `--` a payload."""

from __future__ import annotations

import mmap
import shlex
from collections.abc import Container, Sequence
from pathlib import Path

import attrs

from .usage import UsageError

DEFAULT_SCHEDULER = "scx_simple"
#: The type of a BPF scheduler's operations: it stands in the type information of each program that has one.
_STRUCT_OPS = b"sched_ext_ops"


@attrs.frozen
class Words:
    """`scheduler` is a name or a path, None for none; `arguments` is written as for a shell."""

    scheduler: str | None
    arguments: str
    payload: tuple[str, ...]


def understood(
    words: Sequence[str],
    options: Container[str],
    *,
    scheduler: str | None,
    arguments: str | None,
    no_scheduler: bool,
) -> Words:
    """`words` is everything from the first word that is no option. `options` are those of the command; the rest is
    what --scheduler, --sched-args and --no-scheduler gave. Raises UsageError for a line that can be read in two ways.
    """
    end = words.index("--") if "--" in words else len(words)
    named, payload = list(words[:end]), tuple(words[end + 1 :])
    given = scheduler is not None or no_scheduler
    if not named:
        if payload and not given and _is_scheduler(payload[0]):
            raise UsageError(
                f"{payload[0]} is a scheduler, and what follows -- is the payload",
                f"as the scheduler: scxlife vm run {shlex.join(payload)}\n"
                f"hint: as the payload:   scxlife vm run --scheduler {DEFAULT_SCHEDULER} -- {shlex.join(payload)}",
            )
        if no_scheduler and (scheduler is not None or arguments):
            raise UsageError("--no-scheduler, and there is a scheduler too", "leave one of them out")
        chosen = None if no_scheduler else scheduler or DEFAULT_SCHEDULER
        return Words(chosen, "" if no_scheduler else checked("--sched-args", arguments or ""), payload)
    if given:
        option = "--no-scheduler" if no_scheduler else "--scheduler"
        raise UsageError(f"{named[0]} is the scheduler, and there is {option} too", "a payload comes after --")
    if len(named) > 1 and arguments is not None:
        raise UsageError(f"{named[0]} has arguments, and there is --sched-args too", "use one of them")
    for word in named[1:]:
        if word.startswith("--") and word.partition("=")[0] in options:
            raise UsageError(
                f"{word} comes after the scheduler, so it is an argument of {named[0]}",
                f"put options before it: scxlife vm run {word} … {named[0]}; or use --sched-args={shlex.quote(word)}",
            )
    text = shlex.join(named[1:]) if len(named) > 1 else arguments or ""
    return Words(named[0], checked("the scheduler's arguments", text), payload)


def checked(what: str, text: str) -> str:
    """A scheduler's arguments, as they are. Raises UsageError where the guest could not split them."""
    try:
        text.encode()
        shlex.split(text)
    except UnicodeEncodeError:
        raise UsageError(f"{what} {text!r}: it is not UTF-8", "write it in UTF-8") from None
    except ValueError as error:
        # "No closing quotation", "No escaped character"
        raise UsageError(f"{what} {text!r}: {str(error).lower()}", "write it as on a shell's command line") from None
    return text


def _is_scheduler(program: str) -> bool:
    """Whether it has the name of one, or is a program with a BPF scheduler in it."""
    path = Path(program)
    if path.name.startswith("scx_"):
        return True
    if "/" not in program or not path.is_file():
        return False
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content[:4] == b"\x7fELF" and content.find(_STRUCT_OPS) >= 0
    except (OSError, ValueError):
        return False
