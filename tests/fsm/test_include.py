"""One definition out of several files: what is nearer goes first, and every finding stands in its own file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from scxlife.fsm.definition import Definition
from scxlife.fsm.events import Event
from scxlife.fsm.include import MAX_FILES
from scxlife.fsm.lint import Report, check
from scxlife.fsm.loader import load, loads
from scxlife.fsm.problems import DefinitionError
from scxlife.fsm.runtime import Runtime
from scxlife.fsm.show import show

HEAD = "format: 1\nmachine: lamp\nversion: 1\ninitial: dark\n"
EVENTS = "events: {press: {source: caller}}\n"
STATES = "states:\n  dark: {no-deadline: light is not needed}\n  lit: {no-deadline: somebody reads}\n"
ROWS = "rows:\n  - {in: dark, on: press, to: lit}\n  - {in: lit, on: press, to: dark}\n"
LAMP = HEAD + EVENTS + STATES + ROWS
PROFILES = Path(__file__).parent / "profiles"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes files by their names without `.yaml`, and goes where they are; the path of `machine`."""
    monkeypatch.chdir(tmp_path)

    def files(**texts: str) -> Path:
        for name, text in texts.items():
            Path(f"{name}.yaml").write_text(text)
        return Path("machine.yaml")

    return files


def codes(report: Report) -> list[str]:
    return [problem.code for problem in report.problems]


def sound(path: Path) -> Definition:
    report = check(path)
    assert report.problems == ()
    return load(path)


def told(path: Path) -> list[str]:
    """The code and the quoted place of each finding."""
    report = check(path)
    lines = list(show(report.problems, report.texts))
    return [f"{problem.code} {problem.place}" for problem in report.problems] + [
        line.split("|", 1)[1].strip() for line in lines if line.lstrip()[:1].isdigit() and " | " in line
    ]


# -- joining -------------------------------------------------------------------------------------------------------


def test_a_definition_may_be_made_of_fragments(write: Write) -> None:
    machine = write(machine=HEAD + "include: [events.yaml, parts/states.yaml, rows.yaml]\n", events=EVENTS, rows=ROWS)
    Path("parts").mkdir()
    Path("parts/states.yaml").write_text(STATES)
    assert sound(machine).cells == loads(LAMP).cells


def test_a_fragment_includes_what_is_beside_itself(write: Write) -> None:
    machine = write(machine=HEAD + "include: parts/all.yaml\n")
    Path("parts").mkdir()
    Path("parts/all.yaml").write_text("include: [rest.yaml]\n" + EVENTS)
    Path("parts/rest.yaml").write_text(STATES + ROWS)
    assert sound(machine).cells == loads(LAMP).cells


def test_the_nearer_file_changes_a_setting_and_leaves_the_rest(write: Write) -> None:
    machine = write(
        machine=LAMP + "include: base.yaml\nsettings: {bulb: {value: led}}\n",
        base="settings: {bulb: {value: neon, doc: what glows}, watts: {value: 5}}\n",
    )
    assert sound(machine).settings == {"bulb": "led", "watts": 5}


def test_the_nearer_file_changes_one_key_of_a_state(write: Write) -> None:
    machine = write(
        machine=HEAD + "include: base.yaml\nstates: {lit: {doc: bright}}\n",
        base=EVENTS + STATES.replace("lit: {", "lit: {doc: dim, phase: evening, ") + ROWS,
    )
    lit = sound(machine).states["lit"]
    assert (lit.doc, lit.phase, lit.no_deadline) == ("bright", "evening", "somebody reads")


def test_a_row_of_the_nearer_file_goes_before_included_ones_however_wide_it_is(write: Write) -> None:
    machine = write(
        machine=HEAD + "include: base.yaml\nrows: [{in: '*', on: press, if: broken}]\nguards: {broken: no power}\n",
        base=EVENTS + STATES + ROWS,
    )
    cell = sound(machine).cells["dark", "press"]
    assert [(branch.guards, branch.decision.target) for branch in cell] == [((("broken", True),), "dark"), ((), "lit")]


def test_an_included_row_that_nearer_ones_settle_is_no_mistake(write: Write) -> None:
    """What a spine says for everyone, one machine may say otherwise."""
    rows = "rows: [{in: lit, on: press, to: lit}, {in: lit, on: hold, to: dark}, {in: dark, on: hold, to: dark}]\n"
    machine = write(
        machine=HEAD + "include: base.yaml\nevents: {hold: {source: caller}}\n" + rows, base=EVENTS + STATES + ROWS
    )
    assert sound(machine).cells["lit", "press"][0].decision.target == "lit"


def test_a_reason_of_an_outcome_may_be_told_anew(write: Write) -> None:
    lamp = LAMP.replace("states:", "states:\n  gone: {final: over/old}").replace(
        "press: {", "cut: {source: caller}, press: {"
    )
    own = "  - {in: '*', on: cut, to: gone}\ninclude: base.yaml\noutcomes: {over: {reasons: {old: worn out}}}\n"
    machine = write(machine=lamp + own, base="outcomes: {over: {doc: it ended, reasons: {old: age}}}\n")
    assert sound(machine).outcomes == {"over": "it ended", "over/old": "worn out"}


def test_a_profile_may_be_changed_in_part(write: Write) -> None:
    machine = write(
        machine=LAMP + "include: base.yaml\nprofiles: {night: {settings: {bulb: red}}}\n",
        base="settings: {bulb: {value: led}, watts: {value: 5}}\n"
        "profiles: {night: {doc: dim, settings: {bulb: blue, watts: 1}}}\n",
    )
    night = sound(machine).profiles["night"]
    assert (night.doc, night.settings) == ("dim", {"bulb": "red", "watts": 1})


# -- at odds -------------------------------------------------------------------------------------------------------

TWO_BULBS = {"one": "settings:\n  bulb: {value: led}\n", "two": "settings:\n  bulb: {value: neon}\n"}


def test_two_files_side_by_side_may_not_disagree(write: Write) -> None:
    machine = write(machine=LAMP + "include: [one.yaml, two.yaml]\n", **TWO_BULBS)
    (found,) = check(machine).problems
    assert (found.code, str(found.place)) == ("include", "two.yaml:2:10")
    assert "one.yaml:2:10" in found.message


def test_the_file_that_includes_them_settles_it(write: Write) -> None:
    machine = write(machine=LAMP + "include: [one.yaml, two.yaml]\nsettings: {bulb: {value: candle}}\n", **TWO_BULBS)
    assert sound(machine).settings == {"bulb": "candle"}


def test_two_files_side_by_side_may_say_the_same(write: Write) -> None:
    machine = write(machine=LAMP + "include: [one.yaml, two.yaml]\n", one=TWO_BULBS["one"], two=TWO_BULBS["one"])
    assert sound(machine).settings == {"bulb": "led"}


def test_rows_side_by_side_that_disagree_are_told_where_the_second_stands(write: Write) -> None:
    lamp = HEAD + EVENTS + STATES + "include: [one.yaml, two.yaml]\n"
    machine = write(machine=lamp, one=ROWS, two="rows:\n  - {in: lit, on: press}\n")
    (found,) = check(machine).problems
    assert (found.code, str(found.place)) == ("overlapping-rows", "two.yaml:2:5")
    assert "one.yaml" in found.message


@pytest.mark.parametrize("order", ["one.yaml, two.yaml", "two.yaml, one.yaml"])
def test_a_file_that_is_included_twice_counts_where_it_is_nearest(write: Write, order: str) -> None:
    """`one` includes `two` as well; that `two` is included directly puts both side by side, in either order."""
    machine = write(
        machine=LAMP + f"include: [{order}]\n", one="include: two.yaml\n" + TWO_BULBS["one"], two=TWO_BULBS["two"]
    )
    assert codes(check(machine)) == ["include"]


def test_a_diamond_reads_its_foot_once(write: Write) -> None:
    machine = write(
        machine=HEAD + "include: [left.yaml, right.yaml]\n",
        left="include: foot.yaml\n" + EVENTS,
        right="include: foot.yaml\n" + STATES,
        foot=ROWS,
    )
    assert sound(machine).cells == loads(LAMP).cells


# -- what can't be included ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/etc/passwd", "../other.yaml", "parts/../../other.yaml"])
def test_only_what_is_beside_or_below_may_be_included(write: Write, target: str) -> None:
    machine = write(machine=LAMP + f"include: [{target}]\n")
    Path("../other.yaml").write_text("guards: {g: x}\n")
    assert told(machine) == ["include machine.yaml:12:11", f"include: [{target}]"]


def test_a_file_that_is_missing_is_told_at_the_line_that_wants_it(write: Write) -> None:
    machine = write(machine=LAMP + "include: base.yaml\n", base="include:\n  - gone.yaml\n")
    assert told(machine) == ["unreadable base.yaml:2:5", "- gone.yaml"]


@pytest.mark.parametrize("name", ["machine.yaml", "./machine.yaml"])
def test_a_file_that_includes_itself_is_told_once(write: Write, name: str) -> None:
    write(machine=LAMP + "include: ./machine.yaml\n")
    assert codes(check(name)) == ["include"]


def test_a_circle_of_files_is_shown_from_its_beginning(write: Write) -> None:
    machine = write(machine=LAMP + "include: one.yaml\n", one="include: two.yaml\n", two="include: machine.yaml\n")
    (found,) = check(machine).problems
    assert str(found.place) == "two.yaml:1:10"
    assert "machine.yaml → one.yaml → two.yaml → machine.yaml" in found.message


def test_text_that_is_no_file_has_nothing_beside_it() -> None:
    with pytest.raises(DefinitionError) as caught:
        loads(LAMP + "include: more.yaml\n")
    (found,) = caught.value.problems
    assert (found.code, found.place.line, found.place.column) == ("include", 12, 10)


def test_a_directory_can_not_be_included(write: Write) -> None:
    assert codes(check(write(machine=LAMP + "include: .\n"))) == ["unreadable"]


def test_no_name_of_a_file_is_too_odd_to_be_told(write: Write) -> None:
    for name in ('"a\\0b"', '"\\e[31m"', f'"{"x" * 5000}"', '""'):
        assert codes(check(write(machine=LAMP + f"include: {name}\n"))) == ["unreadable"], name


@pytest.mark.parametrize(("included", "found"), [(MAX_FILES - 1, []), (MAX_FILES, ["include"])])
def test_the_bound_is_on_all_files_of_a_definition(write: Write, included: int, found: list[str]) -> None:
    names = [f"part{number}" for number in range(included)]
    parts = dict.fromkeys(names, "guards: {}\n")
    machine = write(machine=LAMP + f"include: [{', '.join(f'{name}.yaml' for name in names)}]\n", **parts)
    assert codes(check(machine)) == found


def test_hundreds_of_files_are_refused(write: Write) -> None:
    chain = {f"f{number}": f"include: f{number + 1}.yaml\n" for number in range(200)}
    machine = write(machine=LAMP + "include: f0.yaml\n", f200="guards: {}\n", **chain)
    assert codes(check(machine)) == ["include"]


# -- places --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\n\nstates: [\n", ["yaml-syntax base.yaml:3:10", "states: ["]),
        ("guards: {g: x}\nguards: {h: x}\n", ["duplicate-key base.yaml:2:1", "guards: {h: x}"]),
        ("guard: {g: x}\n", ["unknown-key base.yaml:1:1", "guard: {g: x}"]),
        ("guards: [g]\n", ["wrong-type base.yaml:1:9", "guards: [g]"]),
        ("states: 5\n", ["wrong-type base.yaml:1:9", "states: 5"]),
        ("rows: {}\n", ["wrong-type base.yaml:1:7", "rows: {}"]),
        ("include: 5\n", ["wrong-type base.yaml:1:10", "include: 5"]),
        ("format: 2\n", ["include base.yaml:1:9", "format: 2"]),
        ("- a list\n", ["wrong-type base.yaml:1:1", "- a list"]),
        ("# nothing\n", ["empty base.yaml:1:1", "# nothing"]),
        ("# caf\u00e9\n\u00e9t\u00e9: !!x y\n",
         ["yaml-tag base.yaml:2:6", "\u00e9t\u00e9: !!x y"]),
        ("rows:\n  - {in: lit, on: press, to: drak}\n",
         ["unknown-state base.yaml:2:30", "- {in: lit, on: press, to: drak}"]),
        ("states:\n  lit: {entri: beep}\n",
         ["unknown-key base.yaml:2:9", "unknown-action base.yaml:2:16", "lit: {entri: beep}", "lit: {entri: beep}"]),
        ("states:\n  lit: {entry: beep}\n", ["unknown-action base.yaml:2:16", "lit: {entry: beep}"]),
    ],
)  # fmt: skip
def test_a_mistake_in_an_included_file_is_quoted_from_it(write: Write, text: str, expected: list[str]) -> None:
    lamp = LAMP.replace("  - {in: lit, on: press, to: dark}\n", "") if "drak" in text else LAMP
    assert told(write(machine=lamp + "include: base.yaml\n", base=text)) == expected


def test_a_syntax_error_at_a_line_is_quoted_from_the_included_file(write: Write) -> None:
    machine = write(machine=LAMP + "include: base.yaml\n", base="guards: {g: x}\nstates: ]\n")
    assert told(machine) == ["yaml-syntax base.yaml:2:9", "states: ]"]


# -- three machines on one spine -----------------------------------------------------------------------------------


@attrs.define
class Life:
    """A machine on the spine and what its actions did."""

    runtime: Runtime
    done: list[str]
    clock: list[float]

    def tell(self, *events: str) -> str:
        for event in events:
            self.runtime.handle(Event(event))
        return self.runtime.state

    def wait(self, seconds: float) -> str:
        self.clock[0] += seconds
        self.runtime.expire(self.clock[0])
        self.runtime.deliver()
        return self.runtime.state

    @property
    def outcome(self) -> str | None:
        return None if self.runtime.ending is None else self.runtime.ending.outcome


def live(name: str, **guards: bool) -> Life:
    definition = load(PROFILES / f"{name}.yaml")
    done: list[str] = []
    clock = [0.0]

    def act(action: str) -> Callable[[Event], None]:
        return lambda _: done.append(action)

    def answer(value: bool) -> Callable[[Event], bool]:
        return lambda _: value

    runtime = Runtime(
        definition,
        actions={action: act(action) for action in definition.actions},
        guards={guard: answer(value) for guard, value in guards.items()},
        clock=lambda: clock[0],
    )
    runtime.start()
    return Life(runtime, done, clock)


def test_the_three_share_every_cell_that_they_do_not_change() -> None:
    machines = [load(PROFILES / f"{name}.yaml") for name in ("boot", "operation", "foreground")]
    assert [machine.name for machine in machines] == ["boot", "operation", "foreground"]
    differing = {key for key in machines[0].cells if len({repr(machine.cells[key]) for machine in machines}) > 1}
    assert differing == {
        ("starting", "exited"), ("running", "exited"), ("running", "fault"), ("stopping", "stop")
    }  # fmt: skip


def test_at_boot_an_early_death_is_forgiven_once() -> None:
    life = live("boot", first_try=True)
    assert life.tell("start", "exited") == "starting"
    assert life.done == ["spawn", "spawn"]
    life = live("boot", first_try=False)
    assert (life.tell("start", "exited"), life.outcome) == ("over", "failed")


def test_at_boot_there_is_a_minute_and_elsewhere_ten_seconds() -> None:
    boot, operation = live("boot", first_try=True), live("operation")
    for life in (boot, operation):
        life.tell("start")
    assert (boot.wait(10), operation.wait(10)) == ("starting", "stopping")
    assert boot.wait(50) == "stopping"


def test_in_operation_somebody_is_woken() -> None:
    life = live("operation")
    assert (life.tell("start", "ready", "exited"), life.outcome) == ("over", "failed")
    assert life.done == ["spawn", "page_someone"]


def test_in_the_foreground_the_second_stop_kills() -> None:
    life = live("foreground")
    assert (life.tell("start", "ready", "stop", "stop"), life.outcome) == ("over", "stopped")
    assert life.done == ["spawn", "signal_stop", "kill"]
    assert live("operation").tell("start", "ready", "stop", "stop") == "stopping"


def test_only_the_foreground_assumes_that_it_is_ready() -> None:
    kinds = {name: load(PROFILES / f"{name}.yaml").sources["readiness"] for name in ("boot", "operation", "foreground")}
    assert kinds == {"boot": "file", "operation": "file", "foreground": "assume"}
