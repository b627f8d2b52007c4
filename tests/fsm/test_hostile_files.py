"""Whatever a file holds, reading it ends: in a sound definition, or in problems that lie within the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scxlife.fsm.lint import check, check_text
from scxlife.fsm.loader import load, loads
from scxlife.fsm.problems import DefinitionError, Problem
from scxlife.fsm.show import show

ROOT = Path(__file__).parents[2]
SCHEDULER = (ROOT / "lifecycle" / "scheduler.yaml").read_text()
LAMP = """\
format: 1
machine: lamp
version: 1
initial: dark
events: {press: {source: caller}}
states:
  dark: {no-deadline: light is not needed}
  lit: {no-deadline: somebody reads}
rows:
  - {in: dark, on: press, to: lit}
  - {in: lit, on: press, to: dark}
"""
# Generous: a file that takes this long hangs.
PATIENCE_S = 120

Told = tuple[str, int, int]


def told(text: str | bytes) -> list[Told]:
    """Code, line and column of each finding. All of them can be shown."""
    report = check_text(text)
    assert all(line.isprintable() for line in show(report.problems, report.texts))
    return [(problem.code, problem.place.line, problem.place.column) for problem in report.problems]


def lines_of(text: bytes) -> list[str]:
    """The lines as YAML counts them: other ends of line than Python's."""
    plain = text.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n")
    for end in "\r\x85\u2028\u2029":
        plain = plain.replace(end, "\n")
    return plain.split("\n")


def within(problem: Problem, lines: list[str]) -> bool:
    """Whether the place is a character of the file or the end of one of its lines."""
    place = problem.place
    return 1 <= place.line <= len(lines) and 1 <= place.column <= len(lines[place.line - 1]) + 1 and place.width >= 1


def judged(text: str | bytes) -> None:
    """Loads the text; what comes of it keeps what is promised of every text."""
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    try:
        definition = loads(text)
    except DefinitionError as error:
        assert error.problems
        lines = lines_of(raw)
        assert [problem for problem in error.problems if not within(problem, lines)] == []
    else:
        assert definition.cells.keys() == {(s, e) for s in definition.states for e in definition.events}
        assert all(cell and not cell[-1].guards for cell in definition.cells.values())


# -- nesting and aliases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "{a: " * 100_000, "[" * 40 + "]" * 40, "- " * 100_000, "? " * 100_000,
     "\n".join(" " * depth + "a:" for depth in range(2000)), "\n".join(" " * depth + "a:" for depth in range(40))],
    ids=["lists", "mappings", "forty lists", "dashes", "keys of keys", "blocks", "forty blocks"],
)  # fmt: skip
def test_what_is_nested_too_deep_is_refused(text: str) -> None:
    ((code, _, _),) = told(text)
    assert code == "too-deep"


@pytest.mark.parametrize(
    "text",
    [LAMP + "settings: &it {x: {value: *it}}\n", LAMP + "groups: {g: &it [*it, *it]}\n", "&it [*it]", "&it {a: *it}",
     "&it {*it : a}"],
    ids=["a setting", "a group", "the whole", "the whole as a mapping", "its own key"],
)  # fmt: skip
def test_an_alias_to_itself_ends(text: str) -> None:
    assert {code for code, *_ in told(text)} <= {"too-deep", "yaml-syntax", "wrong-type", "missing-key"}
    assert told(text) != []


@pytest.mark.parametrize(
    ("first", "each"),
    [("[x, x, x, x, x, x, x, x, x, x]", "[{}]"), ("{a: x}", "{{{}}}"), (f'"{"x" * 1000}"', "[{}]")],
    ids=["lists", "mappings", "long texts"],
)
def test_aliases_of_aliases_cost_no_more_than_their_refusal(first: str, each: str) -> None:
    lines = [f"a0: &a0 {first}"]
    for number in range(1, 12):
        inner = ", ".join(f"k{index}: *a{number - 1}" if "{" in each[:1] else f"*a{number - 1}" for index in range(10))
        lines.append(f"a{number}: &a{number} {each.format(inner)}")
    ((code, _, _),) = told("\n".join(lines))
    assert code == "too-large"


def test_an_alias_is_as_good_as_what_it_stands_for() -> None:
    text = LAMP.replace("no-deadline: light is not needed", "no-deadline: &why nobody reads")
    assert told(text.replace("no-deadline: somebody reads", "no-deadline: *why")) == []


def test_an_alias_to_nothing_is_told() -> None:
    assert told(LAMP + "doc: *nothing\n") == [("yaml-syntax", 12, 6)]


# -- sizes ---------------------------------------------------------------------------------------------------------


def test_a_text_of_ten_million_characters_is_text() -> None:
    assert told(LAMP + f"doc: {'x' * 10_000_000}\n") == []


def test_a_name_of_ten_million_characters_is_told_in_a_few_words() -> None:
    report = check_text(LAMP.replace("to: lit", f"to: {'x' * 10_000_000}"))
    assert [problem.code for problem in report.problems] == ["unknown-state"]
    assert len("\n".join(show(report.problems, report.texts))) < 1000


@pytest.mark.parametrize("number", ["1" * 1_000_000, "0x" + "f" * 1_000_000], ids=["decimal", "hexadecimal"])
def test_a_number_of_a_million_digits_is_no_number(number: str) -> None:
    assert told(LAMP.replace("version: 1", f"version: {number}")) == [("wrong-type", 3, 10)]


TIMED = (
    LAMP.replace("}}", "}, out: {timer: t}}").replace("lit: {no-deadline: somebody reads}", "lit: {deadlines: out}")
    + "  - {in: lit, on: out, to: dark}\n"
)
NO_DURATION = ["1" + "0" * 400, "1e400", ".inf", ".nan", "-5", "-1s", "soon", "true", "2000d"]
NO_DURATION += ["500", "0", "1.5", "99999999999999999999", "9999h", "99999999999999999999s", "'5s'", "PT5S", "5min"]


@pytest.mark.parametrize("value", NO_DURATION)
def test_a_timer_takes_only_what_a_clock_can_wait_for(value: str) -> None:
    assert [code for code, *_ in told(TIMED + f"settings: {{t: {{value: {value}}}}}\n")] == ["wrong-type"]


@pytest.mark.parametrize("value", NO_DURATION)
def test_a_profile_gives_a_timer_only_what_a_clock_can_wait_for(value: str) -> None:
    profile = f"settings: {{t: {{value: 1s}}}}\nprofiles: {{p: {{settings: {{t: {value}}}}}}}\n"
    assert [code for code, *_ in told(TIMED + profile)] == ["wrong-type"]


def test_a_deadline_of_no_time_needs_a_reason() -> None:
    assert told(TIMED + "settings: {t: {value: 0s}}\n") == [("zero-deadline", 13, 23)]
    profile = "settings: {t: {value: 1s}}\nprofiles: {p: {settings: {t: 0ms}}}\n"
    assert told(TIMED + profile) == [("zero-deadline", 14, 30)]
    reasoned = loads(TIMED + "settings: {t: {value: 0s, zero: nobody reads}}\n")
    assert reasoned.settings == {"t": 0.0}
    assert type(reasoned.settings["t"]) is float


def test_a_setting_that_is_no_timers_may_be_any_number() -> None:
    assert loads(LAMP + "settings: {x: {value: 0s}, y: {value: 500}}\n").settings == {"x": 0.0, "y": 500}


@pytest.mark.parametrize("number", ["0755", "010", "007", "0b11", "1_000", "1:30"])
def test_a_number_that_readers_take_differently_is_told(number: str) -> None:
    assert [place for _, *place in told(LAMP + f"settings: {{x: {{value: {number}}}}}\n")] == [[12, 23]]


@pytest.mark.parametrize("text", ["0755", "10.0.0.1", "2001-01-01", "1:30", "5 parsecs", "on", "null", "5"])
def test_what_stands_in_quotes_is_text_whatever_it_looks_like(text: str) -> None:
    assert loads(LAMP + f"settings: {{x: {{value: '{text}'}}}}\n").settings["x"] == text


def many(count: int, called: str = "s") -> str:
    """A sound machine of `count` states in a circle, on two lines each."""
    states = "".join(f"  {called}{number}: {{no-deadline: x}}\n" for number in range(count))
    rows = "".join(f"  - {{in: {called}{n}, on: go, to: {called}{(n + 1) % count}}}\n" for n in range(count))
    head = f"format: 1\nmachine: long\nversion: 1\ninitial: {called}0\nevents: {{go: {{source: caller}}}}\n"
    return f"{head}states:\n{states}rows:\n{rows}"


def test_a_hundred_thousand_lines_are_read() -> None:
    definition = loads(many(50_000))
    assert (len(definition.states), len(definition.cells)) == (50_000, 50_000)


def test_a_mistake_after_a_hundred_thousand_lines_is_found() -> None:
    text = many(50_000)
    assert told(text + "ignore: [{in: s7, on: sneeze, because: x}]\n") == [("unknown-event", 100_008, 23)]
    assert told(text + "]") == [("yaml-syntax", 100_008, 1)]


# -- tags ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch executed']",
        "!!python/object/new:os.system ['touch executed']",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/object:subprocess.Popen {args: [touch, executed]}",
        "!!binary aGVsbG8=",
        "!!set {a, b}",
        "!!omap [a: b]",
        "!!timestamp 2001-01-01",
        "!!str x",
        "!!null ''",
        "!!bool yes",
        "!local x",
        "!local {a: b}",
        "!<tag:example.org,2000:x> y",
    ],
)
def test_a_tag_is_refused_and_nothing_is_executed(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert told(LAMP + f"settings:\n  x:\n    value: {value}\n") == [("yaml-tag", 14, 12)]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("key", ["!!python/name:os.system x", "!!binary eA==", "!local x", "!!str x"])
def test_a_tag_on_a_key_is_refused_as_well(key: str) -> None:
    assert told(LAMP + f"settings:\n  {key} : {{value: 5}}\n") == [("yaml-tag", 13, 3)]


# -- bytes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", ("empty", 1, 1)),
        (b"\xef\xbb\xbf", ("empty", 1, 1)),
        (b"\n \n# only this\n", ("empty", 1, 1)),
        (b"---\n", ("wrong-type", 2, 1)),
        (b"just text", ("wrong-type", 1, 1)),
        (b"[", ("yaml-syntax", 1, 2)),
        (b"\x7fELF\x02\x01\x01\x00", ("yaml-syntax", 1, 1)),
        (b"a: 1\nb: \x00\n", ("yaml-syntax", 2, 4)),
        (b"a: 1\rb: \x00\r", ("yaml-syntax", 2, 4)),
        (b"a: 1\r\nb: \x00\r\n", ("yaml-syntax", 2, 4)),
        (b"\x80", ("not-utf8", 1, 1)),
        ("a: caf\u00e9 \u732b \U0001f600 ".encode() + b"\xff", ("not-utf8", 1, 13)),
        (b"a: 1\nb: \xc3\n", ("not-utf8", 2, 4)),
        (b"a: 1\r\nb: \xc3\r\n", ("not-utf8", 2, 4)),
        (b"a: 1\rb: \xc3\r", ("not-utf8", 2, 4)),
        ("# one\u2028# two ".encode() + b"\xff", ("not-utf8", 2, 7)),
        (b"\xef\xbb\xbfa: \xff", ("not-utf8", 1, 4)),
        ("a: 1".encode("utf-16"), ("not-utf8", 1, 1)),
        ("a: 1".encode("utf-16-le"), ("yaml-syntax", 1, 2)),
        ("a: 1".encode("utf-32"), ("not-utf8", 1, 1)),
        (b"a: \xed\xa0\x80\n", ("not-utf8", 1, 4)),
        (b"a: 1\n\tb: 2\n", ("yaml-syntax", 2, 1)),
        (b"%YAML 9.9\n---\na: 1\n", ("yaml-syntax", 1, 1)),
        (b"a: 1\n---\nb: 2\n", ("several-documents", 2, 1)),
        (b"a: 1\n...\n---\n...\n", ("several-documents", 3, 1)),
    ],
)
def test_bytes_that_are_no_definition_are_told_with_their_place(text: bytes, expected: Told) -> None:
    assert told(text) == [expected]
    judged(text)


def test_a_lone_surrogate_is_no_text() -> None:
    assert told("a: \ud800") == [("not-utf8", 1, 4)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_lines_are_counted_however_they_end(end: str) -> None:
    text = LAMP.replace("to: lit", "to: lti").replace("\n", end)
    assert told(text) == [("unknown-state", 10, 31)]
    report = check_text(text)
    assert "   10 |   - {in: dark, on: press, to: lti}" in list(show(report.problems, report.texts))


def test_a_byte_order_mark_is_not_counted() -> None:
    assert told(b"\xef\xbb\xbf" + LAMP.replace("format: 1", "fromat: 1").encode()) == [("unknown-key", 1, 1)]
    assert loads(b"\xef\xbb\xbf" + LAMP.encode()).name == "lamp"


def test_a_file_with_a_byte_order_mark_is_not_cut_off_where_it_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + LAMP.encode() + b"#" * (32 * 1024 * 1024) + b"\nrows: cut off\n")
    assert [problem.code for problem in check(file).problems] == ["too-large"]


@pytest.mark.parametrize(
    ("key", "code"),
    [("[a, b]", "wrong-type"), ("{a: b}", "wrong-type"), ("? [x]\n", "wrong-type"), ("<<", "unknown-key"),
     ("5", "unknown-key"), ("''", "unknown-key"), ('"\\e[31m"', "unknown-key"), ("null", "yaml-boolean"),
     ("=", "unknown-key"), ('"a\\nb"', "unknown-key")],
)  # fmt: skip
def test_an_odd_key_is_told(key: str, code: str) -> None:
    assert told(LAMP + f"{key}: 1\n") == [(code, 12, 3 if key.startswith("?") else 1)]


@pytest.mark.parametrize("where", ["states:", "rows:", "events:", "settings:", "groups:", "profiles:", "outcomes:"])
@pytest.mark.parametrize(
    "value", ["null", "5", "x", "[x]", "[[x]]", "[null]", "{x: null}", "{x: [[]]}", "{x: {x: {x: {}}}}"]
)
def test_no_shape_of_a_part_is_too_odd_to_be_told(where: str, value: str) -> None:
    kept: list[str] = []
    dropping = False
    for line in LAMP.splitlines():
        dropping = line.startswith(where) or (dropping and line.startswith(" "))
        kept += [] if dropping else [line]
    judged("\n".join(kept) + f"\n{where} {value}\n")


# -- things that are no files --------------------------------------------------------------------------------------

CHECK = """\
import json, sys
from scxlife.fsm.lint import check
print(json.dumps([[problem.code, str(problem.place), problem.message] for problem in check(sys.argv[1]).problems]))
"""


def told_of(path: Path | str) -> list[list[str]]:
    """What another process is told of the file: it may hang, and is not waited for for ever."""
    done = subprocess.run(
        [sys.executable, "-c", CHECK, str(path)], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    problems: list[list[str]] = json.loads(done.stdout)
    return problems


def test_a_directory_is_unreadable(tmp_path: Path) -> None:
    ((code, place, message),) = told_of(tmp_path)
    assert (code, place) == ("unreadable", f"{tmp_path}:1:1")
    assert "a directory" in message


def test_a_pipe_that_nobody_writes_to_is_empty(tmp_path: Path) -> None:
    fifo = tmp_path / "machine.yaml"
    os.mkfifo(fifo)
    ((code, place, _),) = told_of(fifo)
    assert (code, place) == ("empty", f"{fifo}:1:1")


def test_a_pipe_that_somebody_writes_to_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, LAMP.encode())
    os.close(writing)
    assert load(f"/dev/fd/{reading}").name == "lamp"
    os.close(reading)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/urandom", "/dev/null"])
def test_a_device_is_not_read(device: str) -> None:
    assert told_of(device) == [["unreadable", f"{device}:1:1", "it is neither a file nor a pipe"]]


def test_links_that_go_round_are_unreadable(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    ((code, place, _),) = told_of(loop)
    assert (code, place) == ("unreadable", f"{loop}:1:1")


def test_what_could_not_be_read_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (tmp_path, Path("/dev/zero"), tmp_path / "missing"):
        assert check(path).definition is None
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# -- files that would take for ever --------------------------------------------------------------------------------


def ends(tmp_path: Path, text: str) -> list[list[str]]:
    file = tmp_path / "machine.yaml"
    file.write_text(text)
    return told_of(file)


def test_thousands_of_misspelt_names_are_told_in_time(tmp_path: Path) -> None:
    text = many(3000, "state_number_").replace("to: state", "to: stat").replace("in: state", "in: stat")
    assert {code for code, *_ in ends(tmp_path, text)} == {"unknown-state"}


def test_two_long_names_that_are_nearly_the_same_are_compared_in_time(tmp_path: Path) -> None:
    chance = Random(1)
    name = [chr(0x4E00 + chance.randrange(5000)) for _ in range(100_000)]
    other = "".join(character if number % 3 else "x" for number, character in enumerate(name))
    text = LAMP.replace("to: lit", f"to: {other}").replace("states:", f"states:\n  ? {''.join(name)}\n  : {{}}")
    assert {"unknown-state", "bad-name"} <= {code for code, *_ in ends(tmp_path, text)}


def test_thirty_actions_that_each_post_something_are_walked_in_time(tmp_path: Path) -> None:
    names = range(30)
    text = LAMP.replace("dark: {", f"dark: {{entry: [{', '.join(f'a{n}' for n in names)}], ").replace(
        "events: {", f"events: {{fault: {{source: action}}, {', '.join(f'e{n}: {{source: action}}' for n in names)}, "
    )
    text += f"actions: {{{', '.join(f'a{n}: {{posts: e{n}}}' for n in names)}}}\n"
    assert ends(tmp_path, text + "ignore: [{in: '*', on: '*', because: x}]\n") == []


def test_a_table_of_a_hundred_million_cells_is_refused(tmp_path: Path) -> None:
    events = ", ".join(f"e{number}: {{source: caller}}" for number in range(10_000))
    text = many(10_000).replace("events: {", f"events: {{{events}, ") + "ignore: [{in: '*', on: '*', because: x}]\n"
    file = tmp_path / "machine.yaml"
    file.write_text(text)
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30)); {CHECK}"
    done = subprocess.run([sys.executable, "-c", limit, str(file)], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-300:]
    assert [code for code, *_ in json.loads(done.stdout)] == ["too-large"]


# -- anything at all -----------------------------------------------------------------------------------------------

anything = settings(max_examples=300, deadline=None, derandomize=True)
PIECES = st.sampled_from(
    ["format: 1\n", "machine: m\n", "states:\n", "  a: {no-deadline: x}\n", "rows:\n", "  - {in: a, on: e}\n",
     "events: ", "{e: {source: caller}}\n", "initial: a\n", "version: 1\n", "[", "]", "{", "}", ":", ": ", "- ", "? ",
     "&a ", "*a", "!", "!!", "|", ">", "'", '"', "#", "%", "@", "`", "\n", "  ", "\t", "\r", "\x85", "\u2028", "\ufeff",
     "---\n", "...\n", "<<: *a\n", "\u00e9", "\U0001f600", "\x00", "\x1b", "~", "on", "5", "5s", "include: x\n",
     "\\", ","]
)  # fmt: skip


@anything
@given(st.binary(max_size=200))
@example(b"\xff\xfe\x00")
def test_random_bytes_end_in_problems_or_a_definition(text: bytes) -> None:
    judged(text)


@anything
@given(st.text(max_size=100))
@example("\r\u2028\x00")
def test_random_text_ends_in_problems_or_a_definition(text: str) -> None:
    judged(text)


@anything
@given(st.lists(PIECES, max_size=40).map("".join))
def test_random_yaml_ends_in_problems_or_a_definition(text: str) -> None:
    judged(text)


@settings(anything, max_examples=200)
@given(st.data())
def test_a_lifecycle_with_its_lines_in_disorder_is_judged(data: st.DataObject) -> None:
    lines = SCHEDULER.split("\n")
    place = st.integers(0, len(lines) - 1)
    for _ in range(data.draw(st.integers(1, 3))):
        first, second = data.draw(place), data.draw(place)
        match data.draw(st.sampled_from(["delete", "double", "swap", "indent"])):
            case "delete":
                lines[first] = ""
            case "double":
                lines[first] += "\n" + lines[first]
            case "swap":
                lines[first], lines[second] = lines[second], lines[first]
            case _:
                lines[first] = " " + lines[first]
    judged("\n".join(lines))


@settings(anything, max_examples=300)
@given(st.data())
def test_a_lifecycle_with_other_words_is_judged(data: st.DataObject) -> None:
    lines = SCHEDULER.split("\n")
    words = sorted({word.strip("{}[],:") for line in lines if "#" not in line for word in line.split()})
    words += ["*", "5", "xyzzy"]
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.sampled_from([n for n, line in enumerate(lines) if line.strip() and "#" not in line]))
        parts = lines[index].split(" ")
        at = data.draw(st.sampled_from([n for n, part in enumerate(parts) if part]))
        old = parts[at].strip("{}[],:")
        parts[at] = parts[at].replace(old, data.draw(st.sampled_from(words)), 1) if old else parts[at]
        lines[index] = " ".join(parts)
    judged("\n".join(lines))
