"""Changes that keep a file nearly right, so that they get behind the parser: one value, key or line is another."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

# What readers trip over: wrong types, numbers that are none, texts that a terminal or a path obeys.
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**30, 10**400, 0.5, 1e-9, 1e308, float("nan"), float("inf")),
    *("", "\0", "\x1b[31m", "\u202e", "\ud800", "../../x", "on", "1e5", "5s", "x" * 5000, "*", "&a"),
    *([], {}, [[]], [None], {"": ""}, {"x": {"x": {"x": []}}}),
)


def mutated(data: bytes, seed: int, form: str, otherwise: Callable[[bytes, int], bytes]) -> bytes:
    """Another file of the same `form`: `lines` of JSON, one `json` object, or `yaml`. Half the time the bytes are
    changed as `otherwise` does it."""
    random = Random(seed)
    if random.random() < 0.3:
        return otherwise(data, len(data) + 64)
    try:
        if form == "lines":
            return _lines(data, random)
        tree = yaml.safe_load(data) if form == "yaml" else json.loads(data)
        return json.dumps(_tree(tree, random)).encode()
    except (ValueError, yaml.YAMLError, RecursionError, TypeError):
        return otherwise(data, len(data) + 64)


def _lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b"{}\n"]
    at = random.randrange(len(lines))
    match random.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(random.randrange(len(lines)), lines[at])
        case 2:
            lines[at : at + 2] = reversed(lines[at : at + 2])
        case 3:
            lines = lines[:at]
        case _:
            lines[at] = json.dumps(_tree(json.loads(lines[at]), random)).encode() + b"\n"
    return b"".join(lines)


def _tree(tree: Any, random: Random) -> Any:
    """The same but for one or two places."""
    for _ in range(random.randrange(1, 3)):
        places = list(_places(tree, 0))
        if not places:
            return random.choice(NASTY)
        parent, key = random.choice(places)
        match random.randrange(6):
            case 0:
                del parent[key]
            case 1:
                parent[key] = [parent[key]] * random.choice((1, 2, 50))
            case 2 if isinstance(parent, dict):
                parent[str(random.choice(NASTY))[:50]] = parent.pop(key)
            case 3:
                other, there = random.choice(places)
                parent[key] = json.loads(json.dumps(other[there]))
            case _:
                parent[key] = random.choice(NASTY)
    return tree


def _places(tree: Any, depth: int) -> Any:
    if depth > 20 or not isinstance(tree, (dict, list)):
        return
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        yield from _places(tree[key], depth + 1)
