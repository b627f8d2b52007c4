"""Which groups become boxes, and what is in them."""

from __future__ import annotations

from scxlife.diagrams.identifiers import coded
from scxlife.diagrams.nesting import Box, nest

from .rings import HOSTILE


def test_groups_within_groups_are_boxes_within_boxes() -> None:
    groups = {"inner": ("b", "c"), "outer": ("d", "b", "c"), "apart": ("e",)}
    assert nest("abcdef", groups) == Box(
        "",
        ("a", "f"),
        (Box("outer", ("d",), (Box("inner", ("b", "c"), ()),)), Box("apart", ("e",), ())),
    )


def test_a_group_that_cuts_across_one_before_it_or_is_the_same_is_left_out() -> None:
    groups = {"first": ("a", "b"), "across": ("b", "c"), "same": ("b", "a"), "second": ("c",)}
    assert nest("abc", groups) == Box("", (), (Box("first", ("a", "b"), ()), Box("second", ("c",), ())))


def test_different_names_are_different_identifiers() -> None:
    names = [*HOSTILE, "", "a_b", "a b", "a_x20_b", "a_x5F_x20_b", "_x20_", " "]
    codes = [coded(name) for name in names]
    assert len(set(codes)) == len(names)
    assert all(code.replace("_", "").isalnum() or not code for code in codes)
    assert coded("left_running") == "left_running"
