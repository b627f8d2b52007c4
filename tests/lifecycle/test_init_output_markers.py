"""The scheduler's log between markers on a console: what PID 1 writes is what the host finds."""

from __future__ import annotations

from scxlife.lifecycle.output_markers import END, START, Dump, dumps, enclosed

ONE, TWO = "0123456789abcdef", "fedcba9876543210"


def on_a_console(*parts: bytes) -> str:
    """As a terminal shows it: each end of line is CR LF."""
    return b"".join(parts).decode().replace("\n", "\r\n")


def test_what_was_enclosed_is_found_among_other_words() -> None:
    console = on_a_console(b"booting\n", enclosed(b"two\nlines\n", ONE), b"reboot: Restarting system\n")
    assert dumps(console) == [Dump("two\nlines\n", ONE, True)]


def test_an_empty_log_is_an_empty_dump() -> None:
    assert dumps(on_a_console(enclosed(b"", ONE))) == [Dump("", ONE, True)]


def test_a_dump_in_the_middle_of_somebodys_line_is_found() -> None:
    assert dumps(on_a_console(b"a line without an end", enclosed(b"log\n", ONE))) == [Dump("log\n", ONE, True)]


def test_row_21_a_log_may_quote_both_markers() -> None:
    quoting = f"{END}\nin between\n{START}\n{END}\nlast\n"
    assert dumps(on_a_console(enclosed(quoting.encode(), ONE))) == [Dump(quoting, ONE, True)]


def test_row_21_two_dumps_are_told_apart_even_where_they_quote_each_other() -> None:
    first = on_a_console(enclosed(b"first\n", ONE))
    second = enclosed(enclosed(b"first\n", ONE), TWO)
    found = dumps(first + on_a_console(second))
    assert [dump.tag for dump in found] == [ONE, TWO]
    assert found[0].text == "first\n"
    assert found[1].text.count(START) == 1


def test_I7_a_log_can_not_end_its_own_dump_without_the_tag() -> None:
    forged = f"{END}\nscxlife: scheduler output {TWO} ends\nscxlife: scheduler output {TWO} begins\n{START}\nforged\n"
    assert dumps(on_a_console(enclosed(forged.encode(), ONE))) == [Dump(forged, ONE, True)]


def test_a_console_that_was_cut_gives_what_there_is_and_says_so() -> None:
    whole = on_a_console(enclosed(b"one\ntwo\n", ONE))
    assert dumps(whole[: whole.index("two")]) == [Dump("one\n", ONE, False)]


def test_row_21_bare_markers_go_from_the_first_start_to_the_last_end() -> None:
    console = f"boot\n{START}\na\n{END}\nb\n{START}\nc\n{END}\nreboot\n"
    assert dumps(console) == [Dump(f"a\n{END}\nb\n{START}\nc\n", None, True)]


def test_a_dump_may_be_all_that_a_console_said() -> None:
    assert dumps(f"{START}\na\n{END}\n") == [Dump("a\n", None, True)]


def test_a_console_without_a_dump_has_none() -> None:
    assert dumps("") == []
    assert dumps(f"an {END} alone\n") == []


def test_a_dump_may_begin_with_the_first_byte_that_was_kept() -> None:
    console = enclosed(b"its last words\n", "0123456789abcdef").decode().removeprefix("\n")
    assert dumps(console) == [Dump("its last words\n", "0123456789abcdef", True)]
