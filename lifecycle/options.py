"""Options that `run` and `vm run` share, and how they become a definition's settings."""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path
from typing import Any

from scxlife.fsm.definition import Definition
from scxlife.fsm.frozen import FORMAT, freeze, thaw
from scxlife.platform.vm.remembered import Sources, recall, remember

from .duration_option import duration

DEFINITION = Path(__file__).with_name("scheduler.yaml")
BOOT = Path(__file__).with_name("boot.yaml")
OPERATIONS = Path(__file__).with_name("operations.yaml")


SETTINGS = {
    "liveness": "it must live this long before it counts as started",
    "attach_timeout": "it must be ready within this, after the liveness window, or make progress",
    "attach_at_most": "however much it progresses, it must be ready within this",
    "reattach_grace": "once the kernel has detached it, it may attach again within this",
    "stop_grace": "from the stop signal until SIGKILL",
    "run_for": "stop it after this long",
}


def add_settings(parser: argparse.ArgumentParser, definition: Definition) -> None:
    """`--liveness`, `--attach-timeout`, `--stop-grace` and `--for`, with the definition's defaults in the help."""
    for name, words in SETTINGS.items():
        option = "--for" if name == "run_for" else f"--{name.replace('_', '-')}"
        value = definition.settings[name]
        default = "without bound" if value is None else f"{value:g}s"
        parser.add_argument(option, dest=name, type=duration, metavar="DURATION", help=f"{words} (default: {default})")


def chosen(parsed: argparse.Namespace, definition: Definition) -> Definition:
    """The definition with the settings that the command line gave."""
    given: dict[str, Any] = {name: value for name in SETTINGS if (value := getattr(parsed, name)) is not None}
    return definition.with_settings(**given)


@cache
def _loaded(path: Path) -> Definition:
    """A definition of this package: checked once, then remembered as PID 1 gets it."""
    question = ("definition", FORMAT, str(path))
    answer = recall(question)
    if isinstance(answer, str):
        try:
            return thaw(answer.encode())
        except (ValueError, KeyError, TypeError):
            pass  # made by a freeze() that was not this one's
    from scxlife.fsm.lint import check
    from scxlife.fsm.loader import sound

    sources = Sources()
    report = check(path)
    definition = sound(report)
    sources.add(*report.texts)
    sources.add_code("scxlife.fsm", "attr", "cattrs", "yaml")
    remember(question, sources, freeze(definition).decode())
    return definition


def boot_ending() -> Definition:
    """What a guest's PID 1 does when the scheduler's run is over."""
    return _loaded(BOOT)


def operations() -> Definition:
    """What a supervisor does that can be asked for several schedulers, one after the other."""
    return _loaded(OPERATIONS)


def shipped() -> Definition:
    """The lifecycle that comes with this package."""
    return _loaded(DEFINITION)
