"""The control protocol: JSON objects, one a line, over a unix socket. docs/control.md has every field."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

import attrs

from scxlife.fsm.json_text import json_text

VERSION = 1
# Bytes of a line, its newline aside: of a request, a hundred times the longest one that makes sense.
LONGEST = 65_536
LONGEST_NAME = 128
# Names of the files of a slot: a scheduler can't be called so.
RESERVED = ("scheduler", "sched_args")

OPERATIONS = ("attach", "detach", "restart", "replace", "stop")
NAMED = ("attach", "replace")
QUESTIONS = ("status", "watch")


class BadRequest(Exception):
    """What can't be asked. `code` is for programs, the text for people; `id` is the request's, if it could be read."""

    def __init__(self, code: str, text: str, id: object = None) -> None:
        super().__init__(text)
        self.code = code
        self.id = id


@attrs.frozen
class Asked:
    """One request. `id` is whatever the client calls it, and stands in every line that answers it."""

    do: str
    name: str | None = None
    id: object = None


def parse(line: bytes, staged: Container[str]) -> Asked:
    """The request in a line. Raises BadRequest."""
    if len(line) > LONGEST:
        raise BadRequest("too-long", f"a line has at most {LONGEST} bytes")
    try:
        data = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise BadRequest("not-json", f"a line is one JSON object: {error or type(error).__name__}") from None
    if not isinstance(data, dict):
        raise BadRequest("not-json", f"a line is one JSON object, not {_kind(data)}")
    id = data.get("id")
    if id is not None and (isinstance(id, bool) or not isinstance(id, (int, str))):
        raise BadRequest("wrong-type", f"id is text or a whole number, not {_kind(id)}")
    if data.get("version") != VERSION:
        told = data.get("version", "none")
        raise BadRequest("wrong-version", f"version is {VERSION} here, not {told!r}", id)
    do = data.get("do")
    if do not in (*OPERATIONS, *QUESTIONS):
        raise BadRequest("unknown-request", f"do is one of {', '.join((*OPERATIONS, *QUESTIONS))}, not {do!r}", id)
    unknown = data.keys() - {"version", "id", "do", "name"}
    if unknown:
        raise BadRequest("unknown-key", f"there is no key {min(unknown)!r}", id)
    name = data.get("name")
    if do not in NAMED:
        if name is not None:
            raise BadRequest("unknown-key", f"{do} takes no name", id)
        return Asked(do, None, id)
    if not isinstance(name, str):
        raise BadRequest("wrong-type", f"{do} needs a name, which is text, not {_kind(name)}", id)
    try:
        check_name(name)
    except ValueError as error:
        raise BadRequest("bad-name", str(error), id) from None
    if name not in staged:
        raise BadRequest("unknown-name", f"no scheduler is staged as {name!r}", id)
    return Asked(do, name, id)


def check_name(name: str) -> None:
    """Raises ValueError for what can't be the name of a staged scheduler: it becomes part of paths."""
    size = len(name.encode("utf-8", "surrogatepass"))
    if not 1 <= size <= LONGEST_NAME:
        raise ValueError(f"a name has 1 to {LONGEST_NAME} bytes, not {size}")
    for letter, called in (("/", "a slash"), ("\\", "a backslash"), ("\0", "a NUL")):
        if letter in name:
            raise ValueError(f"a name has no {called.removeprefix('a ')}: {name!r}")
    if name.startswith("."):
        raise ValueError(f"a name does not begin with a dot: {name!r}")
    if name in RESERVED:
        raise ValueError(f"{name!r} is the name of a file beside every scheduler, and no scheduler's")


def encode(message: Mapping[str, Any]) -> bytes:
    """A line that any client can read."""
    return json_text({"version": VERSION, **message}, default=str).encode() + b"\n"


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return kinds.get(type(value), "a number")
