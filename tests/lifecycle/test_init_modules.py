"""What PID 1 imports only when it comes to it has to be in the image: there is nowhere else to get it from."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from scxlife.lifecycle.guest_recipe import ENTRY, LAZY
from scxlife.platform.vm import interpreter

#: Who imports what, and why it never does in a guest.
NEVER = {
    ("scxlife.fsm.problems", "difflib"): "the host has read the definition before, and found nothing wrong",
    ("scxlife.fsm.registry", "importlib.metadata"): "for a kind of source that nobody knows: the same",
    ("scxlife.lifecycle.commands.ctl", "scxlife.lifecycle.duration_option"): "for the help of the command line",
}


def lazily(source: str, package: str) -> Iterator[str]:
    """The modules that its functions import."""
    functions = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef))
    for node in (node for function in functions for node in ast.walk(function)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            # What is imported may be a module itself, or stand in one.
            yield from (name if _is_module(name := f"{base}.{alias.name}") else base for alias in node.names)


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def test_all_that_pid_1_imports_late_is_in_the_image() -> None:
    held = {module.name: module for module in interpreter.measure((ENTRY, *LAZY))}
    ours = [module for name, module in held.items() if name.startswith("scxlife.")]
    assert len(ours) > 50
    missing = {
        (module.name, late)
        for module in ours
        for late in lazily(module.origin.read_text(), module.name if module.package else module.name.rpartition(".")[0])
        if late not in held and late not in sys.builtin_module_names
    }
    assert missing == set(NEVER)
