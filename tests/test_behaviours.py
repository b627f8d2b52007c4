"""The table of what is shown: complete, true to the tests that there are, and its page as it would be made now."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.behaviours import (
    COMMAND,
    LIST,
    PAGE,
    ROOT,
    SERIES,
    TITLES,
    Behaviour,
    collect,
    ids_of,
    listed,
    page,
    problems,
    where,
)

TEST = "tests/vm/test_x.py::test_A1_it_is_seen"
OTHER = "tests/fsm/test_y.py::test_it_is_heard"


def test_every_id_stands_in_the_list_once_and_in_order() -> None:
    """Read as YAML's own nodes: a mapping would keep the last of two alike."""
    root = yaml.compose(LIST.read_text())
    assert root is not None
    ids = [key.value for key, _ in root.value]
    assert ids == [f"{series}{number}" for series, numbers in SERIES.items() for number in numbers]
    assert list(TITLES) == list(SERIES)


def test_every_id_is_shown_or_says_why_not() -> None:
    found = problems(listed(LIST.read_text()), collect(ROOT))
    assert not found, "in tests/behaviours.yaml:\n" + "\n".join(found)


def test_the_page_is_as_it_would_be_made_now() -> None:
    fresh = page(listed(LIST.read_text()), collect(ROOT)) == PAGE.read_text()
    assert fresh, f"{PAGE.relative_to(ROOT)} is out of date; renew it with: {COMMAND}"


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("test_A3_F2_an_enable_comes_to_nothing", ("A3", "F2")),
        ("test_row_7_defect_12_B10_it_waits", ("contract-7", "defect-12", "B10")),
        ("test_a_defect_12_is_told", ()),
        ("test_143_and_SIGTERM_stay_distinct", ()),
        ("test_it_is_heard_A3_and_more", ()),
        ("test_A_3_it_is_seen", ()),
        ("test_rows_7_it_is_seen", ()),
    ],
)
def test_a_name_bears_the_ids_that_it_begins_with(name: str, ids: tuple[str, ...]) -> None:
    assert ids_of(name) == ids


@pytest.mark.parametrize(
    ("behaviour", "tests", "said"),
    [
        (Behaviour("x"), (TEST,), []),
        (Behaviour("x", shown=(OTHER,), lacks="more"), (OTHER,), []),
        (Behaviour("x", waits="operations"), (OTHER,), []),
        (Behaviour("x", not_ours="no such thing"), (), []),
        (Behaviour("x"), (OTHER,), ["A1: no test shows it: say what it `waits` for, or why it is `not ours`"]),
        (
            Behaviour("x", waits="operations"),
            (TEST,),
            [f"A1: remove its `waits: operations`, it is shown by {TEST}"],
        ),
        (
            Behaviour("x", not_ours="no such thing"),
            (TEST,),
            [f"A1: remove its `not ours: no such thing`, it is shown by {TEST}"],
        ),
        (
            Behaviour("x", shown=(OTHER,), waits="real kernel"),
            (OTHER,),
            [f"A1: remove its `waits: real kernel`, it is shown by {OTHER}"],
        ),
        (
            Behaviour("x", waits="real kernel", not_ours="no such thing"),
            (),
            ["A1: remove `waits` or `not ours`, it can't be both"],
        ),
        (
            Behaviour("x", waits="real kernel", lacks="more"),
            (),
            ["A1: remove its `lacks`, nothing of it is shown"],
        ),
        (Behaviour("x", shown=(OTHER,)), (TEST,), [f"A1: there is no {OTHER}: mend or remove it"]),
        (Behaviour("x", shown=(OTHER, OTHER)), (OTHER,), [f"A1: {OTHER} is listed twice"]),
        (
            Behaviour("x", shown=(TEST,)),
            (TEST,),
            [f"A1: {TEST} bears the id in its name: remove it from `shown`"],
        ),
        (
            Behaviour("x"),
            (TEST, "tests/test_z.py::test_A99_it_is_seen"),
            ["tests/test_z.py::test_A99_it_is_seen: its name bears A99, which is no known id: mend the name"],
        ),
    ],
)
def test_each_disagreement_is_a_line_that_says_what_to_do(
    behaviour: Behaviour, tests: tuple[str, ...], said: list[str]
) -> None:
    assert problems({"A1": behaviour}, tests) == said


@pytest.mark.parametrize("text", ["A1: {wat: x}", "A1: {what: x, waits: someday}", "A1: {}"])
def test_a_key_or_a_wait_that_is_unknown_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"A1|behaviours\.yaml"):
        listed(text)


def test_tests_are_found_without_being_imported(tmp_path: Path) -> None:
    (tmp_path / "tests/deep").mkdir(parents=True)
    (tmp_path / "tests/deep/test_b.py").write_text(
        "raise SystemExit\ndef test_A1_one(): ...\nasync def test_two(): ...\n"
        "def helper():\n    def test_three(): ...\n"
    )
    (tmp_path / "tests/deep/other.py").write_text("def test_four(): ...\n")
    assert collect(tmp_path) == ("tests/deep/test_b.py::test_A1_one", "tests/deep/test_b.py::test_two")


def test_the_place_of_a_test_says_on_which_kernel_it_runs() -> None:
    places = [TEST, "tests/lifecycle/test_x.py::test_x", "tests/platform/test_linux_kernel_more.py::test_x", OTHER]
    assert [where(test) for test in places] == ["guest's kernel", "host's kernel", "host's kernel", "in process"]
