"""Staged schedulers: commands under names, and where each life's log goes."""

from __future__ import annotations

import shlex
from pathlib import Path

import attrs

from scxlife.lifecycle.control.protocol import check_name
from scxlife.lifecycle.search_path import found
from scxlife.lifecycle.usage import UsageError

from .staging_slots import ARGUMENTS, BINARY


@attrs.frozen
class Staged:
    """A command that can be attached by its name. `arguments_file` is read at each start."""

    name: str
    command: str
    arguments: tuple[str, ...] = ()
    arguments_file: str | None = None


def staged(text: str) -> Staged:
    """What `NAME=COMMAND [ARG…]` stages, split as a shell would; a folder is a slot, with the files `scheduler` and
    `sched_args`. Raises UsageError."""
    name, equals, rest = text.partition("=")
    try:
        check_name(name)
        words = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"--stage {text!r}: {str(error).lower()}") from None
    if not equals or not words:
        raise UsageError(f"--stage {text!r}: use NAME=PATH, NAME='PATH ARG…' or NAME=FOLDER")
    path = Path(words[0])
    if not path.is_dir():
        return Staged(name, found(words[0]), tuple(words[1:]))
    if len(words) > 1:
        raise UsageError(f"--stage {text!r}: the arguments of a slot stand in its file {ARGUMENTS}")
    return Staged(name, str(path / BINARY), (), str(path / ARGUMENTS))


def all_staged(texts: list[str], *, first: Staged | None) -> dict[str, Staged]:
    """By name. Raises UsageError for a name that is there twice."""
    found: dict[str, Staged] = {}
    for each in (*(() if first is None else (first,)), *map(staged, texts)):
        if each.name in found:
            raise UsageError(f"--stage {each.name}: there is another one of that name")
        found[each.name] = each
    return found
