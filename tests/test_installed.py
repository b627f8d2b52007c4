"""The wheel in a fresh environment without extras: every command works or says what to install."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

from scxlife.lifecycle.cli import COMMANDS
from scxlife.lifecycle.missing_modules import EXTRAS, report

ROOT = Path(__file__).parent.parent
#: Seconds, for pip to build and to fetch; a hang guard.
PATIENCE = 600
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
ACTIONS = (["vm", "run"], ["kernel", "fetch"], ["kernel", "build"], ["kernel", "list"], ["schedulers", "build"])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `bin` of an environment that `pip install scxlife` has made."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home / "venv", symlinks=True)
    subprocess.run([*PIP, "wheel", "--no-deps", "--wheel-dir", home, ROOT], check=True, timeout=PATIENCE)
    (wheel,) = home.glob("*.whl")
    python = home / "venv" / "bin" / "python"
    subprocess.run([*PIP, "--python", python, "install", wheel], check=True, timeout=PATIENCE)
    return python.parent


def scxlife(environment: Path, *words: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [environment / "scxlife", *words], capture_output=True, text=True, timeout=PATIENCE, cwd=folder, env={}
    )
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("words", [[name] for name in COMMANDS] + list(ACTIONS), ids=" ".join)
def test_help_works_without_extras(environment: Path, words: list[str]) -> None:
    done = scxlife(environment, *words, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: scxlife ")


def test_a_run_works_without_extras(environment: Path) -> None:
    done = scxlife(environment, "run", "--ready", "none", "--for", "10ms", "--", "/bin/sleep", "60")
    assert done.returncode == 0, done.stderr
    assert "outcome    stopped" in done.stdout


def test_the_image_builder_works_without_extras(environment: Path) -> None:
    code = (
        "from pathlib import Path; from scxlife.platform.vm.elf import closure\n"
        "print(*(each.guest for each in closure(Path('/bin/sh'), '/bin/sh')))"
    )
    done = subprocess.run([environment / "python", "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.startswith("/bin/sh"), done.stderr


def test_a_missing_extra_says_what_to_install(environment: Path) -> None:
    done = scxlife(environment, "fuzz", "--examples", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "scxlife: error: the Python module hypothesis is not installed\nhint: pip install 'scxlife[fuzz]'\n"
    )


@pytest.mark.parametrize(
    ("hidden", "words", "hint"),
    [
        ("hypothesis", ["fuzz", "--examples", "1"], "pip install 'scxlife[fuzz]'"),
        ("redis", ["fuzz", "--database", "redis://127.0.0.1:1", "--examples", "1"], "pip install 'scxlife[redis]'"),
        ("elftools", ["vm", "run", "--scheduler", "scx_simple"], "pip install --force-reinstall scxlife"),
        ("cattrs", ["check", "scheduler"], "pip install --force-reinstall scxlife"),
    ],
)
def test_a_module_that_is_gone_is_named(hidden: str, words: list[str], hint: str) -> None:
    """In this environment, where all are installed: the import system is told that it has no such module."""
    code = (
        "import importlib.abc, sys\n"
        "class Hidden(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {hidden!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        "from scxlife.lifecycle.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"scxlife: error: the Python module {hidden} is not installed\nhint: {hint}\n"


def test_a_module_of_our_own_that_is_gone_is_a_defect() -> None:
    with pytest.raises(ModuleNotFoundError):
        report(ModuleNotFoundError("No module named 'scxlife.nothing'", name="scxlife.nothing"))


def test_each_extra_that_is_named_exists() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    for module, extra in EXTRAS.items():
        assert any(module in each for each in project["optional-dependencies"][extra])
