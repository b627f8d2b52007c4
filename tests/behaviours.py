"""Which test shows which behaviour: read from tests/behaviours.yaml and from the names of the tests.

The page docs/behaviours.md is made from both:

    python -m tests.behaviours > docs/behaviours.md

Tests are found by reading their files, nothing is imported.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs
import cattrs
import yaml
from cattrs.gen import make_dict_structure_fn, override

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tests" / "behaviours.yaml"
PAGE = ROOT / "docs" / "behaviours.md"
COMMAND = "python -m tests.behaviours > docs/behaviours.md"

#: Every id there is, series by series, in the order of the list.
SERIES: Mapping[str, tuple[int, ...]] = {
    "contract-": tuple(range(1, 25)),
    "defect-": tuple(range(1, 23)),
    "A": tuple(range(1, 31)),
    "B": tuple(range(1, 11)),
    "C": tuple(range(1, 21)),
    "D": tuple(range(1, 13)),
    "E": tuple(range(1, 8)),
    "F": (1, 2, 3, 4, 5, 6, 7, 9, 11, 13),
    "Q": tuple(range(1, 13)),
    "G": tuple(range(1, 7)),
    "H": tuple(range(1, 6)),
    "I": tuple(range(1, 10)),
    "J": tuple(range(1, 7)),
    "K": tuple(range(1, 13)),
    "L": tuple(range(1, 18)),
}
TITLES = {
    "contract-": "The contract",
    "defect-": "Defects that must not come back",
    "A": "sched_ext in the kernel",
    "B": "Event sources",
    "C": "Processes and pidfds",
    "D": "PID 1",
    "E": "What a child inherits",
    "F": "Facts of the kernel",
    "Q": "Stopping",
    "G": "Spawning",
    "H": "Time",
    "I": "Logs and channels",
    "J": "Results from a guest",
    "K": "The supervisor's own state",
    "L": "Attacks, and what other tools' users reported",
}

GUEST, HOST, SCRIPTED = "guest's kernel", "host's kernel", "in process"
#: Where the tests on a real kernel live, the first that fits; the rest runs on what it scripts itself, or on none.
PLACES = (
    ("tests/vm/", GUEST),
    ("tests/systemd/test_systemd_in_guest.py", GUEST),
    ("tests/lifecycle/test_init_output_markers.py", SCRIPTED),
    ("tests/lifecycle/", HOST),
    ("tests/platform/test_linux_kernel", HOST),
    ("tests/platform/test_uevents.py", HOST),
    ("tests/platform/test_signal_source.py", HOST),
    ("tests/fsm/test_waiter.py", HOST),
)
_NAMED = re.compile(r"test_((?:(?:[A-Z]|row_|defect_)[0-9]+_)+)")
_WORDS = {"row_": "contract-", "defect_": "defect-"}
_ID = re.compile(r"([A-Z]|row_|defect_)([0-9]+)_")


@attrs.frozen
class Behaviour:
    """One line of the list. `shown` are the tests that are named there, beside those that bear the id in their name."""

    what: str
    shown: tuple[str, ...] = ()
    lacks: str = ""
    waits: Literal["", "simulated kernel", "operations", "real kernel", "an ordinary guest"] = ""
    not_ours: str = ""


def ids_of(name: str) -> tuple[str, ...]:
    """The ids that a test's name begins with: A3 and F2 for `test_A3_F2_…`, contract-7 for `test_row_7_…`."""
    named = _NAMED.match(name)
    if named is None:
        return ()
    return tuple(f"{_WORDS.get(word, word)}{number}" for word, number in _ID.findall(named[1]))


def collect(root: Path) -> tuple[str, ...]:
    """Every test function under `root`/tests as `path::name`, sorted by file, in the order of the file."""
    return tuple(
        f"{file.relative_to(root).as_posix()}::{node.name}"
        for file in sorted((root / "tests").rglob("test_*.py"))
        for node in ast.parse(file.read_bytes()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def where(test: str) -> str:
    """The kernel that a test runs on, by the place where it lives."""
    return next((kernel for place, kernel in PLACES if test.startswith(place)), SCRIPTED)


def listed(text: str) -> dict[str, Behaviour]:
    """The list. Raises ValueError, a line for each key or value that it does not know."""
    converter = cattrs.Converter(forbid_extra_keys=True)
    converter.register_structure_hook(
        Behaviour, make_dict_structure_fn(Behaviour, converter, not_ours=override(rename="not ours"))
    )
    try:
        return converter.structure(yaml.safe_load(text), dict[str, Behaviour])
    except cattrs.BaseValidationError as error:
        raise ValueError("\n".join(cattrs.transform_error(error, path="behaviours.yaml"))) from None


def shown_by(behaviours: Mapping[str, Behaviour], tests: tuple[str, ...]) -> dict[str, list[str]]:
    """The tests for each id: by name first, then as the list names them."""
    shown: dict[str, list[str]] = {id: [] for id in behaviours}
    for test in tests:
        for id in ids_of(test.partition("::")[2]):
            shown.setdefault(id, []).append(test)
    for id, behaviour in behaviours.items():
        shown[id] += [test for test in behaviour.shown if test not in shown[id]]
    return shown


def problems(behaviours: Mapping[str, Behaviour], tests: tuple[str, ...]) -> list[str]:
    """What is wrong with the list beside these tests, a line each that says what to do."""
    said = []
    shown = shown_by(behaviours, tests)
    for id, by in shown.items():
        behaviour = behaviours.get(id)
        if behaviour is None:
            said.append(f"{by[0]}: its name bears {id}, which is no known id: mend the name")
            continue
        for key, text in (("waits", behaviour.waits), ("not ours", behaviour.not_ours)):
            if by and text:
                said.append(f"{id}: remove its `{key}: {text}`, it is shown by {by[0]}")
        if behaviour.waits and behaviour.not_ours:
            said.append(f"{id}: remove `waits` or `not ours`, it can't be both")
        if not (by or behaviour.waits or behaviour.not_ours):
            said.append(f"{id}: no test shows it: say what it `waits` for, or why it is `not ours`")
        if behaviour.lacks and not by:
            said.append(f"{id}: remove its `lacks`, nothing of it is shown")
        said += [f"{id}: there is no {test}: mend or remove it" for test in behaviour.shown if test not in tests]
        said += [f"{id}: {test} is listed twice" for test, times in Counter(behaviour.shown).items() if times > 1]
        said += [
            f"{id}: {test} bears the id in its name: remove it from `shown`"
            for test in behaviour.shown
            if id in ids_of(test.partition("::")[2])
        ]
    return said


def page(behaviours: Mapping[str, Behaviour], tests: tuple[str, ...]) -> str:
    """docs/behaviours.md."""
    shown = shown_by(behaviours, tests)
    lines = [
        "# What is shown, and by which test",
        "",
        "Made from [tests/behaviours.yaml](../tests/behaviours.yaml) and the names of the tests; renew it with",
        f"`{COMMAND}`. It has the rows of the contract, the defects that",
        f"must not come back, and the edges that real systems hit. *{GUEST.capitalize()}* is a real one in QEMU,",
        f"*{HOST}* the one that the tests run on, *{SCRIPTED}* what a test scripts itself, or no kernel.",
        "",
        *_counts(behaviours, shown),
    ]
    for series, numbers in SERIES.items():
        lines += ["", f"## {TITLES[series]}", "", "| id | what | shown by | on |", "|---|---|---|---|"]
        lines += [_row(id, behaviours[id], shown[id]) for id in (f"{series}{number}" for number in numbers)]
    return "\n".join(lines) + "\n"


def _counts(behaviours: Mapping[str, Behaviour], shown: Mapping[str, list[str]]) -> list[str]:
    part = sum(bool(shown[id] and behaviour.lacks) for id, behaviour in behaviours.items())
    by_any = sum(bool(shown[id]) for id in behaviours)
    waiting = Counter(behaviour.waits for behaviour in behaviours.values() if behaviour.waits)
    on = Counter(kernel for tests in shown.values() for kernel in {where(test) for test in tests})
    return [
        "| | ids |",
        "|---|---|",
        f"| all | {len(behaviours)} |",
        f"| shown | {by_any - part} |",
        f"| shown in part | {part} |",
        *(f"| waiting for: {what} | {number} |" for what, number in sorted(waiting.items())),
        f"| not ours | {sum(bool(behaviour.not_ours) for behaviour in behaviours.values())} |",
        "",
        "Of those shown, whole or in part, "
        + ", ".join(f"{on[kernel]} on {_article(kernel)}" for kernel in (GUEST, HOST))
        + f" and {on[SCRIPTED]} {SCRIPTED}; an id may be in more than one.",
    ]


def _article(kernel: str) -> str:
    return f"a {kernel}" if kernel == GUEST else f"the {kernel}"


def _row(id: str, behaviour: Behaviour, tests: list[str]) -> str:
    if behaviour.waits:
        return f"| {id} | {behaviour.what} | waits for: {behaviour.waits} | |"
    if behaviour.not_ours:
        return f"| {id} | {behaviour.what} | not ours: {behaviour.not_ours} | |"
    files: dict[str, list[str]] = {}
    for test in tests:
        file, _, name = test.partition("::")
        files.setdefault(file, []).append(f"`{name}`")
    by = [f"{', '.join(names)} in [{file.removeprefix('tests/')}](../{file})" for file, names in files.items()]
    lacks = [f"lacks: {behaviour.lacks}"] if behaviour.lacks else []
    kernels = [kernel for kernel in (GUEST, HOST, SCRIPTED) if kernel in {where(test) for test in tests}]
    return f"| {id} | {behaviour.what} | {'<br>'.join(by + lacks)} | {', '.join(kernels)} |"


def main() -> int:
    """Print the page, and on stderr what is wrong with the list."""
    try:
        behaviours = listed(LIST.read_text())
    except (ValueError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 2
    tests = collect(ROOT)
    print(page(behaviours, tests), end="")
    if wrong := problems(behaviours, tests):
        print("in tests/behaviours.yaml:", *wrong, sep="\n", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
