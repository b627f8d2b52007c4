"""Mutants of a file: one operator of cosmic-ray, applied once."""

from __future__ import annotations

import ast
import difflib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

from .settings import ROOT, Settings


@attrs.frozen
class Change:
    """The `occurrence`th place of `file`, on `line`, where `operator` can be applied."""

    file: str
    operator: str
    occurrence: int
    line: int

    def applied(self, text: str) -> str:
        mutated: str = mutate_code(text, _operator(self.operator), self.occurrence)
        return mutated

    def shown(self, text: str) -> tuple[str, str]:
        """The lines that differ, before and after."""
        before, after = text.splitlines(), self.applied(text).splitlines()
        parts = [
            part for part in difflib.SequenceMatcher(None, before, after, False).get_opcodes() if part[0] != "equal"
        ]
        return (
            " ".join(line.strip() for _, start, end, _, _ in parts for line in before[start:end]),
            " ".join(line.strip() for _, _, _, start, end in parts for line in after[start:end]),
        )


def changes(settings: Settings, package: str) -> list[Change]:
    """All there are, those that change nothing included."""
    return [change for file in settings.files(package) for change in _of_file(file, settings.operators)]


def sample(found: Sequence[Change], count: int, seed: int) -> Iterator[Change]:
    """`count` of them at random, without those that are the same program or none."""
    texts = {file: (ROOT / file).read_text() for file in {change.file for change in found}}
    for change in random.Random(seed).sample(found, len(found)):
        if count and _is_mutant(change, texts[change.file]):
            count -= 1
            yield change


def _of_file(file: str, operators: Sequence[str]) -> Iterator[Change]:
    nodes = list(ast_nodes(get_ast((ROOT / file).read_text())))
    for name in operators:
        operator = _operator(name)
        places = (start for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, (line, _) in enumerate(places):
            yield Change(file, name, occurrence, line)


def _operator(name: str) -> Any:
    return get_operator(f"core/{name}")()


def _is_mutant(change: Change, text: str) -> bool:
    """Whether it differs in what is ever evaluated, beyond annotations and what is for mypy only."""
    try:
        return ast.dump(_Bare().visit(ast.parse(text))) != ast.dump(_Bare().visit(ast.parse(change.applied(text))))
    except (SyntaxError, AttributeError):
        # `{**given}` is no power, and ExceptionReplacer knows no name with a dot in it.
        return False


class _Bare(ast.NodeTransformer):
    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        # Those of variables within a function are never looked at; those of a class are, by attrs and cattrs.
        for child in ast.walk(node):
            if isinstance(child, ast.AnnAssign):
                child.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        names = [name.id for name in ast.walk(node.test) if isinstance(name, ast.Name)]
        return None if names == ["TYPE_CHECKING"] else self.generic_visit(node)
