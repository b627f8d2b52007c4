"""Where the makers of event sources are found: in the program, else in installed distributions, real ones on disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import pytest

from scxlife.fsm.definition import Definition
from scxlife.fsm.driver import Driver
from scxlife.fsm.events import Event
from scxlife.fsm.frozen import freeze
from scxlife.fsm.loader import loads
from scxlife.fsm.registry import DeclaredSource, SourceError, sources_for
from scxlife.fsm.runtime import Runtime
from scxlife.fsm.sources import SourceFactory
from scxlife.fsm.waiter import SelectWaiter

DOOR = """\
format: 1
machine: door
version: 1
initial: shut
settings:
  bell_path: {value: /run/bell}
  bell_pause: {value: 50ms}
  bell_count: {value: 2}
  bell_loud: {value: true}
  bell_tone: {value: null}
sources: {bell: ringer, knocker: null}
outcomes: {opened: {}}
events:
  rung: {source: bell}
  pulled: {source: bell}
  knocked: {source: knocker}
states:
  shut: {sources: [bell, knocker], no-deadline: it waits for a guest}
  open: {final: opened}
rows:
  - {in: shut, on: [rung, pulled, knocked], to: open}
"""

RINGER = """\
from scxlife.fsm.events import Event

class Ringer:
    def open(self): pass
    def fileno(self): return None
    def next_deadline(self): return 0.0
    def drain(self): return [Event("rung")]
    def close(self): pass

def ringer(declared):
    return Ringer
"""


def door(kind: str = "ringer") -> Definition:
    return loads(DOOR.replace("bell: ringer", f"bell: {kind}"))


@attrs.frozen
class Site:
    """A directory on Python's path, into which distributions are installed."""

    path: Path

    def install(self, name: str, code: str, entry: str, kind: str = "ringer") -> None:
        """A distribution `name` 1.0 with a module that holds `code`, and `kind = <module>:<entry>` registered."""
        module = name.replace("-", "_")
        (self.path / f"{module}.py").write_text(code)
        info = self.path / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[scxlife.sources]\n{kind} = {module}:{entry}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Site]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Site(tmp_path)
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


def run(definition: Definition, sources: dict[str, SourceFactory]) -> str:
    waiter = SelectWaiter()
    runtime = Runtime(definition, actions={}, guards={}, clock=waiter.monotonic)
    return Driver(runtime, sources, waiter).run().outcome


def told_by(name: str) -> Callable[[DeclaredSource], SourceFactory]:
    """A maker of the program's own; its source tells the event `name`."""

    class Told:
        def open(self) -> None: ...
        def fileno(self) -> int | None: ...
        def next_deadline(self) -> float | None: ...
        def drain(self) -> list[Event]:
            return [Event(name)]

        def close(self) -> None: ...

    return lambda declared: Told


def declared_by(definition: Definition) -> DeclaredSource:
    """What a maker of the kind `ringer` is given."""
    given: list[DeclaredSource] = []

    def maker(declared: DeclaredSource) -> SourceFactory:
        given.append(declared)
        return lambda: None

    sources_for(definition, {"ringer": maker}, clock=lambda: 7.0)
    (declared,) = given
    return declared


def complaint(definition: Definition) -> SourceError:
    with pytest.raises(SourceError) as raised:
        sources_for(definition)
    return raised.value


# -- who makes it ----------------------------------------------------------------------------------------------------


def test_an_installed_distribution_makes_a_source_that_a_machine_runs_on(site: Site) -> None:
    site.install("door-ringer", RINGER, "ringer")
    definition = door()
    sources = sources_for(definition)
    assert list(sources) == ["bell"]
    assert run(definition, sources) == "opened"


def test_the_programs_own_kind_goes_before_an_installed_one(site: Site) -> None:
    site.install("door-ringer", "raise AssertionError('was not wanted')", "ringer")
    definition = door()
    assert run(definition, sources_for(definition, {"ringer": told_by("pulled")})) == "opened"


def test_a_kind_of_null_needs_nobody() -> None:
    assert sources_for(door("null")) == {}


def test_a_distribution_that_stands_twice_on_the_path_is_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("door-ringer", RINGER, "ringer")
    again = Site(site.path / "again")
    again.path.mkdir()
    again.install("door-ringer", RINGER, "ringer")
    monkeypatch.syspath_prepend(str(again.path))
    assert list(sources_for(door())) == ["bell"]


def test_a_program_with_its_own_kinds_does_not_pay_for_the_metadata_of_others() -> None:
    code = """\
import sys
from scxlife.fsm.frozen import thaw
from scxlife.fsm.registry import sources_for
made = sources_for(thaw(sys.stdin.buffer.read()), {"ringer": lambda declared: lambda: None})
print(list(made), {"importlib.metadata", "difflib", "email"} & set(sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], input=freeze(door()), stdout=subprocess.PIPE, timeout=60, check=True
    )
    assert done.stdout == b"['bell'] set()\n"


# -- what a maker is given -------------------------------------------------------------------------------------------


def test_a_maker_is_told_its_name_its_events_and_the_drivers_clock_and_not_the_table() -> None:
    declared = declared_by(door())
    assert (declared.name, declared.kind, declared.machine) == ("bell", "ringer", "door")
    assert declared.events == ("rung", "pulled")
    assert declared.clock() == 7.0
    assert not hasattr(declared, "definition")


def test_a_setting_of_a_source_bears_its_name_and_has_a_type() -> None:
    declared = declared_by(door())
    assert declared.setting("path", str) == "/run/bell"
    assert declared.setting("pause", float) == 0.05
    assert declared.setting("count", int) == 2
    assert repr(declared.setting("count", float)) == "2.0"
    assert declared.setting("loud", bool) is True


def test_a_changed_setting_is_the_one_that_a_maker_sees() -> None:
    assert declared_by(door().with_settings(bell_path="/elsewhere")).setting("path", str) == "/elsewhere"


@pytest.mark.parametrize(
    ("option", "wanted", "said"),
    [
        ("colour", str, "it needs the setting 'bell_colour' (text): declare it under `settings:`"),
        ("path", float, "its setting 'bell_path' must be a duration or a number, not '/run/bell'"),
        ("loud", int, "its setting 'bell_loud' must be a whole number, not True"),
        ("loud", float, "its setting 'bell_loud' must be a duration or a number, not True"),
        ("tone", str, "its setting 'bell_tone' must be text, not None"),
    ],
)
def test_a_setting_that_does_not_serve_is_named(option: str, wanted: type[str], said: str) -> None:
    with pytest.raises(SourceError) as raised:
        declared_by(door()).setting(option, wanted)
    assert str(raised.value) == f"source 'bell' of machine 'door', kind 'ringer': {said}"


# -- what can be wrong with it ---------------------------------------------------------------------------------------


def test_a_kind_that_nobody_makes_is_named_with_those_that_are_known(site: Site) -> None:
    site.install("door-ringer", RINGER, "ringer")
    with pytest.raises(SourceError) as raised:
        sources_for(door("rigner"), {"wheel": told_by("rung")})
    first, known, way_out = str(raised.value).splitlines()
    assert first == ("source 'bell' of machine 'door', kind 'rigner': nobody makes that kind; did you mean 'ringer'?")
    assert "ringer (door-ringer 1.0 (door_ringer:ringer))" in known
    assert "wheel (the program's own)" in known
    assert "'scxlife.sources'" in way_out


def test_two_distributions_with_one_kind_are_both_named(site: Site) -> None:
    site.install("door-ringer", RINGER, "ringer")
    site.install("other-ringer", RINGER, "ringer")
    said = str(complaint(door()))
    assert "door-ringer 1.0 (door_ringer:ringer)" in said
    assert "other-ringer 1.0 (other_ringer:ringer)" in said


def test_two_distributions_with_one_kind_disturb_nobody_who_does_not_want_it(site: Site) -> None:
    site.install("door-ringer", RINGER, "ringer")
    site.install("one-gong", RINGER, "ringer", kind="gong")
    site.install("other-gong", RINGER, "ringer", kind="gong")
    assert list(sources_for(door())) == ["bell"]


@pytest.mark.parametrize(
    ("code", "entry", "cause", "said"),
    [
        (
            "import no_such_module_here",
            "ringer",
            ModuleNotFoundError,
            "can't be loaded: ModuleNotFoundError",
        ),
        ("def ringer(:", "ringer", SyntaxError, "can't be loaded: SyntaxError"),
        (RINGER, "rigner", AttributeError, "can't be loaded: AttributeError"),
        ("def ringer(declared): return {}['a']", "ringer", KeyError, "failed to make it: KeyError: 'a'"),
        ("def ringer(): pass", "ringer", TypeError, "failed to make it: TypeError"),
        ("ringer = 5", "ringer", None, "is no maker of sources: 5 can't be called"),
        ("def ringer(declared): return 5", "ringer", None, "must give a callable that makes the source, not 5"),
    ],
)
def test_a_maker_that_cant_be_used_is_named_with_its_distribution_and_the_cause(
    site: Site, code: str, entry: str, cause: type[Exception] | None, said: str
) -> None:
    site.install("door-ringer", code, entry)
    error = complaint(door())
    origin = f"source 'bell' of machine 'door', kind 'ringer': door-ringer 1.0 (door_ringer:{entry}) {said}"
    assert str(error).startswith(origin)
    assert type(error.__cause__) is (cause or type(None))


def test_what_a_maker_says_of_its_settings_is_passed_on_as_it_stands(site: Site) -> None:
    site.install("door-ringer", "def ringer(declared): raise declared.error('too loud')", "ringer")
    error = complaint(door())
    assert str(error) == "source 'bell' of machine 'door', kind 'ringer': too loud"
    assert error.__cause__ is None


def test_a_source_without_all_methods_is_refused_before_it_is_opened(site: Site) -> None:
    site.install("door-ringer", RINGER.replace("def drain", "def dry").replace("def close", "def shut"), "ringer")
    definition = door()
    with pytest.raises(SourceError, match=r"Ringer from door-ringer 1\.0 .* is no event source: .* drain, close"):
        run(definition, sources_for(definition))


def test_a_factory_may_say_that_there_is_nothing_to_listen_to(site: Site) -> None:
    site.install("door-ringer", "def ringer(declared): return lambda: None", "ringer")
    assert sources_for(door())["bell"]() is None
