"""The rooms and who may enter which."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "fsm": {"fsm"},
    "platform": {"platform", "fsm"},
    "diagrams": {"diagrams", "fsm"},
    "lifecycle": {"lifecycle", "platform", "fsm", "diagrams"},
}


def test_the_standard_platform_module_is_not_shadowed_from_the_root() -> None:
    code = "import platform; print(platform.system())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "Linux\n")


def rooms_entered(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {name.split(".")[1] for name in names if name.startswith("scxlife.")}
    return found & set(ALLOWED)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = list((ROOT / room).rglob("*.py"))
    assert files
    assert {
        str(file): rooms_entered(file) - ALLOWED[room] for file in files if rooms_entered(file) - ALLOWED[room]
    } == {}


def test_only_yaml_loading_needs_yaml_and_cattrs() -> None:
    """What PID 1 imports must not pay for them."""
    code = "import sys, scxlife.lifecycle.init; print({'yaml', 'cattrs', 'subprocess', 'argparse'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"
