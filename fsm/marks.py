"""Where a part of a definition stands in its file: found in YAML's own tree when somebody asks, not kept for each."""

from __future__ import annotations

from typing import Protocol

import yaml

from .problems import Path, Place

# Behind a path that ends in a key: the value that stands there. A key and its value have a place each.
VALUE = "\0"


class Marks(Protocol):
    """The places of all parts of a definition, by their paths of keys and indices."""

    def place(self, path: Path) -> Place:
        """The place of `path`, or of the closest part around it that the file has: a key's own place, or its
        value's with `(*path, VALUE)`."""

    def has(self, path: Path) -> bool:
        """Whether the file has exactly this part."""

    def take_for(self, path: Path, key: str, meant: str) -> None:
        """From now on the key `meant` below `path` is the one that is spelt `key`."""


class Tree:
    """The marks of one file."""

    def __init__(self, file: str, root: yaml.Node) -> None:
        self.file = file
        self.root = root
        self._meant: dict[Path, str] = {}
        self._keys: dict[int, dict[str, tuple[yaml.Node, yaml.Node]]] = {}

    def place(self, path: Path) -> Place:
        return place_of(self._walk(path)[0], self.file)

    def has(self, path: Path) -> bool:
        return self._walk(path)[1]

    def take_for(self, path: Path, key: str, meant: str) -> None:
        self._meant[*path, meant] = key

    def _pairs(self, node: yaml.MappingNode) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The pairs of a mapping by their keys, of a key that stands twice the first one."""
        if id(node) not in self._keys:
            self._keys[id(node)] = {pair[0].value: pair for pair in reversed(node.value) if _is_text(pair[0])}
        return self._keys[id(node)]

    def _walk(self, path: Path) -> tuple[yaml.Node, bool]:
        """The node that stands for the path, and whether that is the whole of it."""
        found = node = self.root
        for index, part in enumerate(path):
            if part == VALUE:
                found = node
            elif isinstance(node, yaml.MappingNode):
                key = self._meant.get(path[: index + 1], part)
                pair = self._pairs(node).get(str(key))
                if pair is None:
                    return found, False
                found, node = pair
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                found = node = node.value[part]
            elif isinstance(part, int):
                found = node  # one name without a list around it
            else:
                return found, False
        return found, True


class Joined:
    """The marks of several files as one. `routes` tells for the paths at which they were joined where they stand."""

    def __init__(self, first: Marks) -> None:
        self._first = first
        self.routes: dict[Path, tuple[Marks, Path]] = {}

    def _local(self, path: Path) -> tuple[Marks, Path]:
        for size in range(len(path), 0, -1):
            route = self.routes.get(path[:size])
            if route is not None:
                return route[0], (*route[1], *path[size:])
        return self._first, path

    def place(self, path: Path) -> Place:
        marks, local = self._local(path)
        return marks.place(local)

    def has(self, path: Path) -> bool:
        marks, local = self._local(path)
        return marks.has(local)

    def take_for(self, path: Path, key: str, meant: str) -> None:
        marks, local = self._local((*path, key))
        marks.take_for(local[:-1], key, meant)
        self.routes[*path, meant] = (marks, (*local[:-1], meant))


def _is_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode)


def place_of(node: yaml.Node, file: str) -> Place:
    """Where a node of YAML's tree begins, and how much of its line it takes."""
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Place(file, start.line + 1, start.column + 1, max(1, width))
