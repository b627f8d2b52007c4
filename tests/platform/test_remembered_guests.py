"""What a guest is made of is found once, and again as soon as something that it was found from has changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from tests.platform.test_remembered import LIMIT, replaced, rewritten

from scxlife.fsm.frozen import FORMAT
from scxlife.fsm.problems import DefinitionError
from scxlife.lifecycle import options
from scxlife.platform.vm import elf, image, remembered
from scxlife.platform.vm.cache import cache_root
from scxlife.platform.vm.remembered import Sources, remember

cc = shutil.which("cc")
needs_cc = pytest.mark.skipif(cc is None, reason="no C compiler")
ENTRY = "entry_of_the_remembered_test"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # Who has just edited the package would wait for ever: this process never remembers what its own code has found.
    monkeypatch.setattr(remembered, "_LOADING", 0)
    return tmp_path


def records() -> dict[str, int]:
    """The records by their inodes: one that is written again has another."""
    return {file.name: file.stat().st_ino for file in (cache_root() / "answers").glob("*.json")}


def until_remembered(find: Callable[[], object]) -> object:
    """The answer, once nothing of it is so new that it could still change unseen."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        before = records()
        answer = find()
        if before and records() == before:
            return answer
    raise AssertionError("it is never remembered")


@attrs.frozen
class Program:
    """A program that says `applet`, with a library that is looked for in two folders, and another in the second."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / "program"

    def build(self, says: str = "applet", library: str = "libone.so") -> None:
        (self.folder / "first").mkdir(exist_ok=True)
        self.library(f"second/{library}")
        source = f'#include <stdio.h>\nint main(void) {{ puts("{says}"); return 0; }}\n'
        folders = f"{self.folder}/first:{self.folder}/second"
        linked = (f"{self.folder}/second/{library}", f"-Wl,--no-as-needed,--enable-new-dtags,-rpath,{folders}")
        self._compile("program", source, *linked[1:], linked[0])

    def needing_another(self) -> None:
        self.build(library="libtwo.so")

    def library(self, name: str, *linked: str) -> None:
        function = Path(name).stem.removeprefix("lib")
        options = ("-shared", "-fPIC", f"-Wl,-soname,{Path(name).name}", "-Wl,--no-as-needed")
        self._compile(name, f"int {function}(void) {{ return 0; }}\n", *options, *linked)

    def needing_more(self) -> None:
        """The library is upgraded: it needs another one now."""
        self.library("second/libtwo.so")
        self.library("second/libone.so", f"{self.folder}/second/libtwo.so", f"-Wl,-rpath,{self.folder}/second")

    def _compile(self, name: str, source: str, *options: str) -> None:
        target = self.folder / name
        target.parent.mkdir(exist_ok=True)
        text = self.folder / "source.c"
        text.write_text(source)
        new = target.with_name("new")
        assert cc is not None
        subprocess.run([cc, "-o", new, text, *options], check=True, capture_output=True, timeout=LIMIT)
        new.replace(target)


@pytest.fixture
def program(tmp_path: Path) -> Program:
    made = Program(tmp_path / "built")
    made.folder.mkdir()
    made.build()
    return made


CHANGES: dict[str, Callable[[Program], object]] = {
    "scheduler rebuilt": Program.needing_another,
    "library upgraded": Program.needing_more,
    "library found earlier": lambda program: program.library("first/libone.so"),
    "scheduler is a script": lambda program: (program.path.unlink(), program.path.write_text("#!/bin/sh\n")),
    "library is gone": lambda program: (program.folder / "second" / "libone.so").unlink(),
    "library is another architecture's": lambda program: foreign(program.folder / "second" / "libone.so"),
}


def foreign(library: Path) -> None:
    data = bytearray(library.read_bytes())
    data[18] = 243  # e_machine: RISC-V
    library.write_bytes(data)


def outcome(find: Callable[[], object]) -> object:
    try:
        return find()
    except elf.ElfError as error:
        return type(error), str(error)


@needs_cc
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_program_needs_is_found_again_after_a_change(
    program: Program, change: Callable[[Program], object]
) -> None:
    before = until_remembered(lambda: elf.closure(program.path, "/scheduler"))
    change(program)
    found = outcome(lambda: elf.closure(program.path, "/scheduler"))
    assert found == outcome(lambda: elf.traced(program.path, "/scheduler", Sources()))
    assert found != before


@needs_cc
def test_a_library_that_was_missing_is_found_once_it_is_there(program: Program) -> None:
    library = program.folder / "second" / "libone.so"
    library.rename(library.with_suffix(".away"))
    for _ in range(2):
        with pytest.raises(elf.MissingLibraryError):
            elf.closure(program.path, "/scheduler")
    library.with_suffix(".away").rename(library)
    assert library in [each.host for each in elf.closure(program.path, "/scheduler")]


def test_a_scripts_interpreter_is_looked_for_again_in_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    monkeypatch.setenv("PATH", f"{first}:{second}:{os.environ['PATH']}")
    (second / "interpreter").symlink_to("/bin/true")
    script = tmp_path / "script"
    script.write_text("#!/usr/bin/env interpreter\n")
    found = until_remembered(lambda: elf.closure(script, "/script"))
    assert second / "interpreter" in [each.host for each in found]  # type: ignore[attr-defined]
    (first / "interpreter").symlink_to("/bin/true")
    assert first / "interpreter" in [each.host for each in elf.closure(script, "/script")]
    monkeypatch.setenv("PATH", f"{second}:{first}:{os.environ['PATH']}")
    assert second / "interpreter" in [each.host for each in elf.closure(script, "/script")]


def test_a_relative_program_is_that_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, interpreter in (("one", "/bin/sh"), ("two", "/bin/cat")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "script").write_text(f"#!{interpreter}\n")
    for name, interpreter in (("one", "/bin/sh"), ("two", "/bin/cat")):
        monkeypatch.chdir(tmp_path / name)
        found = until_remembered(lambda: elf.closure(Path("script"), "/script"))
        assert interpreter in [each.guest for each in found]  # type: ignore[attr-defined]


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An entry that imports a module of a package; `front` is looked into before where they are."""
    for name in ("behind", "front"):
        (tmp_path / name).mkdir()
        monkeypatch.syspath_prepend(str(tmp_path / name))
    package = tmp_path / "behind" / "package_of_the_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text("content = 1\n")
    (tmp_path / "behind" / f"{ENTRY}.py").write_text("import package_of_the_test.inner\n")
    return tmp_path


INNER = "behind/package_of_the_test/inner.py"
EDITS: dict[str, Callable[[Path], object]] = {
    "edited": lambda root: (root / INNER).write_text("content = 12\n"),
    "as long and as old": lambda root: rewritten(root / INNER, "content = 2\n"),
    "replaced": lambda root: replaced(root / INNER, "content = 2\n"),
    "imports more": lambda root: (root / INNER).write_text("import colorsys\n"),
    "a package goes before it": lambda root: (
        (root / INNER).with_suffix("").mkdir(),
        (root / INNER).with_suffix("").joinpath("__init__.py").write_text("content = 3\n"),
    ),
    "found earlier": lambda root: (root / "front" / f"{ENTRY}.py").write_text("content = 4\n"),
    "a package found earlier": lambda root: shutil.copytree(
        root / "behind" / "package_of_the_test", root / "front" / "package_of_the_test", copy_function=longer
    ),
}


def longer(source: str, target: str) -> None:
    Path(target).write_text(Path(source).read_text() + "# a copy\n")


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edited_module_gives_another_base(
    modules: Path, edit: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = until_remembered(lambda: image.build_base(entry=ENTRY))
    edit(modules)
    after = image.build_base(entry=ENTRY)
    assert after != before
    monkeypatch.setenv("XDG_CACHE_HOME", str(modules / "another"))
    assert image.build_base(entry=ENTRY).archive.read_bytes() == after.archive.read_bytes()


@needs_cc
@pytest.mark.parametrize(
    "change",
    [lambda program: program.build("another"), Program.needing_more],
    ids=["busybox rebuilt", "a library upgraded"],
)
def test_a_changed_program_gives_another_base(
    modules: Path, program: Program, change: Callable[[Program], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = until_remembered(lambda: image.build_base(entry=ENTRY, busybox=program.path))
    change(program)
    after = image.build_base(entry=ENTRY, busybox=program.path)
    assert after != before
    monkeypatch.setenv("XDG_CACHE_HOME", str(modules / "another"))
    fresh = image.build_base(entry=ENTRY, busybox=program.path)
    assert (fresh.archive.read_bytes(), fresh.holds) == (after.archive.read_bytes(), after.holds)


def test_a_remembered_base_that_is_gone_is_built_again(modules: Path) -> None:
    base = until_remembered(lambda: image.build_base(entry=ENTRY))
    assert isinstance(base, image.Base)
    shutil.rmtree(base.archive.parent)
    assert image.build_base(entry=ENTRY) == base
    assert base.archive.exists()


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    """A copy of the shipped definitions."""
    folder = tmp_path / "definitions"
    folder.mkdir()
    for file in options.DEFINITION.parent.glob("*.yaml"):
        shutil.copy(file, folder)
    return folder / options.DEFINITION.name


#: A setting of the definition, and another value.
LONGER = ("stop_grace:      {value: 10s", "stop_grace:      {value: 11s")


def loaded(path: Path) -> object:
    return options._loaded.__wrapped__(path)


def test_a_remembered_definition_is_the_one_of_the_yaml(definition: Path) -> None:
    for path in (options.DEFINITION, options.BOOT, options.OPERATIONS):
        copy = definition.with_name(path.name)
        first = loaded(copy)
        assert until_remembered(lambda copy=copy: loaded(copy)) == first  # type: ignore[misc]


def test_an_edited_definition_is_loaded_again(definition: Path) -> None:
    before = until_remembered(lambda: loaded(definition))
    text = definition.read_text()
    definition.write_text(text.replace(*LONGER))
    assert loaded(definition) != before
    definition.write_text(text.replace("initial: ", "initial: no", 1))
    for _ in range(2):
        with pytest.raises(DefinitionError, match=rf"{definition}:22:\d+"):
            loaded(definition)


def test_an_edited_include_is_loaded_again(definition: Path) -> None:
    outer = definition.with_name("outer.yaml")
    outer.write_text(f"format: 1\ninclude: {definition.name}\n")
    before = until_remembered(lambda: loaded(outer))
    definition.write_text(definition.read_text().replace(*LONGER))
    assert loaded(outer) != before


def test_a_remembered_definition_that_makes_no_sense_is_loaded(definition: Path) -> None:
    before = until_remembered(lambda: loaded(definition))
    for answer in ("{}", "[]", "no JSON", '{"format": 5}', 42, None):
        sources = Sources()
        sources.add(definition)
        remember(("definition", FORMAT, str(definition)), sources, answer)
        assert loaded(definition) == before
