"""The help of each command of the command line, as it is printed on 80 columns."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from scxlife.lifecycle.cli import COMMANDS, _parser


@contextmanager
def _columns(number: int) -> Iterator[None]:
    """argparse asks the environment how wide it may write."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(number)
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


def helps() -> Mapping[str, str]:
    """The help of `scxlife`, of each command, and of each action of one, by what is typed."""
    with _columns(80):
        found = {"scxlife": _parser(None).format_help()}
        for command in COMMANDS:
            parser = _actions(_parser(command))[command]
            found[f"scxlife {command}"] = parser.format_help()
            found |= {f"scxlife {command} {name}": sub.format_help() for name, sub in _actions(parser).items()}
    return found


def _actions(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return {
        name: sub
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, sub in action.choices.items()
    }


def region(name: str) -> str:
    """The one region of the page: all of it."""
    if name != "every command":
        raise KeyError(name)
    return "\n".join(f"## {typed}\n\n```text\n{text.rstrip()}\n```\n" for typed, text in helps().items())
