"""The fixture scheduler is built from its sources, once. What needs no kernel is shown here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.schedulers import build

from scxlife.platform.vm import schedulers
from scxlife.platform.vm.cache import NotInstalled

LIMIT = 120


@pytest.fixture(scope="module")
def program() -> Path:
    try:
        return build.fault_scheduler()
    except NotInstalled as error:
        pytest.skip(f"{error}; {error.hint}")


def run(program: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=LIMIT)


def test_what_was_built_once_is_taken_from_the_cache(program: Path) -> None:
    before = program.stat()
    assert build.fault_scheduler() == program
    assert program.stat() == before


def test_a_changed_source_is_another_entry(program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in build.SOURCES:
        shutil.copy(source, tmp_path)
    (tmp_path / "fault.c").write_text((tmp_path / "fault.c").read_text() + "/* changed */\n")
    toolkit = schedulers.toolkit()
    before = build._key(toolkit)
    monkeypatch.setattr(build, "SOURCES", tuple(tmp_path / source.name for source in build.SOURCES))
    assert build._key(toolkit) != before
    assert before == program.parent.name


def test_the_script_prints_where_it_is(program: Path) -> None:
    done = subprocess.run([sys.executable, build.__file__], capture_output=True, text=True, timeout=LIMIT, check=True)
    assert done.stdout == f"{program}\n"


def test_without_a_toolkit_it_says_what_to_run(tmp_path: Path) -> None:
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, build.__file__], capture_output=True, text=True, timeout=LIMIT, env=env)
    assert done.returncode == 1
    assert "scxlife schedulers build" in done.stderr
    assert "Traceback" not in done.stderr


def test_source_that_does_not_compile_fails_with_the_compilers_words_and_publishes_nothing(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for source in build.SOURCES:
        shutil.copy(source, tmp_path)
    (tmp_path / "fault.bpf.c").write_text("not a program\n")
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "SOURCES", tuple(tmp_path / source.name for source in build.SOURCES))
    with pytest.raises(build.CompileError, match="unknown type name 'not'"):
        build.fault_scheduler()
    assert not (program.parent.parent / build._key(schedulers.toolkit())).exists()


def test_every_option_of_the_program_is_in_the_readme_and_the_other_way_round(program: Path) -> None:
    def options(text: str) -> set[str]:
        words = text.replace("[", " ").replace("`", " ").replace(",", " ").replace('"', " ").split()
        return {word for word in words if word.startswith("--") and len(word) > 2}

    table = [line for line in (build.HERE / "README.md").read_text().splitlines() if line.startswith("| `--")]
    assert options(run(program, "--help").stdout) == options("\n".join(table))


@pytest.mark.parametrize("words", [("--no-such",), ("--stall", "3"), ("--slow-init", "x"), ("--fail-init", "22:1-")])
def test_bad_arguments_are_2_with_the_usage(program: Path, words: tuple[str, ...]) -> None:
    done = run(program, *words)
    assert done.returncode == 2
    assert "Usage: fault" in done.stderr


def test_it_dies_before_it_attaches_with_the_code_or_the_signal_that_was_asked_for(program: Path) -> None:
    assert run(program, "--die-before-attach", "0").returncode == 1
    assert run(program, "--die-before-attach", "0:7").returncode == 7
    died = run(program, "--die-before-attach", "0", "--exit-signal", "15")
    assert (died.returncode, died.stdout) == (-15, "started\nending by signal 15\n")


def test_garbage_is_not_utf_8(program: Path) -> None:
    done = subprocess.run([program, "--garbage", "--die-before-attach", "0"], capture_output=True, timeout=LIMIT)
    with pytest.raises(UnicodeDecodeError):
        done.stdout.decode()
    assert done.stdout.endswith(b"ending with code 1\n")


def test_a_flood_is_as_large_as_was_asked_for(program: Path) -> None:
    done = run(program, "--flood", "1000000", "--die-before-attach", "500")
    assert len(done.stdout) > 400_000


def test_without_stdio_nothing_is_printed(program: Path) -> None:
    done = run(program, "--close-stdio", "--die-before-attach", "0:7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
