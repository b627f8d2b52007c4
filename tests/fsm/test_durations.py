"""Durations are read as they are written, and written as short as they are exact."""

from __future__ import annotations

import pytest

from scxlife.fsm.durations import LONGEST, format_duration, parse_duration

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}


@pytest.mark.parametrize("unit", UNITS)
def test_a_number_with_its_unit_is_seconds_and_comes_back(unit: str) -> None:
    for text in ("1", "7"):
        seconds = parse_duration(text + unit)
        assert seconds == pytest.approx(float(text) * UNITS[unit])
        assert format_duration(seconds) == text + unit


def test_a_fraction_and_blanks_around_the_unit_are_read() -> None:
    assert parse_duration(" 1.5 s ") == 1.5


@pytest.mark.parametrize(
    "text", ["", "s", "5 parsecs", "1.s", "1s2", "30m1h", "1s1s", "1h30", "1m s", "²s", "1_0s", "0x5", "9" * 400]
)
def test_what_is_no_duration_says_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write a number and a unit, such as 50ms"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h30m", 5400),
        ("2m30s", 150),
        ("1s500ms", 1.5),
        ("1d 12h", 36 * 3600),
        ("1h 0m 5.5s", 3605.5),
        ("1ms1us", 0.001001),
        ("5m5ms", 300.005),
    ],
)
def test_L4_several_units_add_up(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("5", "it has no unit; write 5s, or 5ms"),
        ("0", "it has no unit; write 0s, or 0ms"),
        (" 1.5 ", "it has no unit; write 1.5s, or 1.5ms"),
        ("-5", "it is less than no time and has no unit; write 5s, or 5ms"),
        ("-1s", "it is less than no time; write 1s"),
        ("5min", "did you mean 5m?"),
        ("2 Hours 30 min", "did you mean 2h30m?"),
        ("500msec", "did you mean 500ms?"),
        ("1,5s", "did you mean 1.5s?"),
        ("30S", "did you mean 30s?"),
    ],
)
def test_L4_a_wrong_unit_or_sign_is_named_with_the_right_one(text: str, hint: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_duration(text)
    assert str(raised.value) == f"{text!r} is not a duration: {hint}"


@pytest.mark.parametrize(
    "text", ["366.001d", "9999h", "99999999999999999999s", "9" * 400 + "us", "1d" + "0" * 99 + "99999h"]
)
def test_a_year_is_the_longest_however_it_is_written(text: str) -> None:
    assert parse_duration("366d") == LONGEST
    with pytest.raises(ValueError, match="longer than a year"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "90s"), (1.5, "1500ms"), (0.0015, "1500us"), (3600, "1h"), (5400, "90m")]
)
def test_the_spelling_has_one_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
