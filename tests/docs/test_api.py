"""docs/api.md has every public name, and each has words of its own."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import scxlife.fsm
from scxlife.lifecycle.control.client import AsyncControl, Control, ControlError

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
SHOWN = re.findall(r"^\.\. auto\w+:: (?:[\w.]*\.)?(\w+)$", PAGE, re.MULTILINE)
# A type alias has no docstring at run time; its comment is what is shown.
ALIASES = {"SourceFactory", "SourceMaker"}


def test_every_name_of_the_engine_and_of_the_client_is_shown() -> None:
    wanted = {*scxlife.fsm.__all__, "Control", "AsyncControl", "ControlError"}
    assert wanted - {*SHOWN} == set()


@pytest.mark.parametrize("name", sorted({*scxlife.fsm.__all__} - ALIASES))
def test_a_name_of_the_engine_has_words_of_its_own(name: str) -> None:
    described(getattr(scxlife.fsm, name))


@pytest.mark.parametrize("cls", [Control, AsyncControl, ControlError])
def test_the_client_has_words_of_its_own(cls: type) -> None:
    described(cls)


def described(thing: object) -> None:
    """It and each of its public methods have a docstring that nobody generated."""
    named = {getattr(thing, "__name__", ""): thing}
    if isinstance(thing, type):
        named |= {
            f"{thing.__name__}.{name}": member
            for name, member in vars(thing).items()
            if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
        }
    mute = [name for name, one in named.items() if not one.__doc__ or one.__doc__.startswith("Method generated")]
    assert mute == []
