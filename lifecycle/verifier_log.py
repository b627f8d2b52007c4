"""What libbpf logs of a program that the BPF verifier rejects: its name, the source line, the verifier's last message.

libbpf writes the verifier's log as one message, between BEGIN PROG LOAD LOG and END PROG LOAD LOG. Schedulers in C
print it to stderr; those in Rust pass it to a logger, which puts a time, a level and its own name in front (scx_utils).
The log may have megabytes, so only what is next to those marks is read. All of it is foreign: every field is bounded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

#: In lower case, as they are searched for.
LOAD_FAILED = b"bpf program load failed: "
END = b"-- end prog load log --"

_NEAR = 2048  # bytes that hold libbpf's own lines
_BEFORE = 512  # bytes of such a line before its mark
_LAST_LINES = 8 * 1024  # bytes before END that have the verifier's message
_BLOCK, _BLOCKS = 32 * 1024, 8  # read backwards for the last source line
_LONGEST_LINE = 1024
_LONGEST_FIELD = 300
_MESSAGE_LINES = 3

_FAILED = re.compile(r"prog '([^'\n]{1,200})': (?:BPF program load failed|failed to load): ([^\n]{1,100})")
_BEGIN = re.compile(rb"-- BEGIN PROG LOAD LOG --[^\n]{0,80}\n")
_PAINT = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]")
_LOGGER = re.compile(
    r"\W?(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?[\s\[\]:-]{0,4}"
    r"(?:(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR)\b[\s\]:-]{0,3})?(?:ThreadId\(\d{1,9}\) )?"
    r"(?:\w{1,60}(?:::\w{1,60}){1,8}: )?(?:\S{1,200}\.rs:\d{1,9}: )?"
)
_PLACE = re.compile(r"[^\s@]{1,200}:\d{1,9}")
_INSTRUCTION = re.compile(r"\d{1,9}: ")
# The verifier's figures, and its account of states and of the way there: no message.
_FIGURES = ("processed ", "verification time ", "stack depth ")
_ACCOUNT = re.compile(
    r";|\d{1,9}: |from \d|R\d{1,2}(?:_w)?=|frame\d|mark_precise|regs=|last_idx |parent |func '|caller|callee"
)


@attrs.frozen
class Rejection:
    """What the log has of it: a field is empty when that is not there.

    `program` is the BPF program's name, `source` the line it was rejected at (`file.bpf.c:12: code`) and `message` the
    verifier's last one.
    """

    program: str
    source: str
    message: str


def rejection(
    read: Callable[[int, int], bytes], size: int, failed: int | None, end: int | None, *, whole: bool
) -> Rejection | None:
    """The rejection that a log of `size` bytes has, None when it has none.

    `read` gives as many bytes from an offset. `failed` and `end` are the offsets of the last LOAD_FAILED and END, None
    when they were not found, which says nothing of what is between them unless the log was searched `whole`. libbpf
    gives up at the first program that fails, so the last one is what ended it.
    """
    if failed is None:
        # The beginning was given up or not searched. What follows END has the name too, unless it was accepted.
        head, begin = _FAILED.search(_text(read(end or 0, _NEAR))), 0
        if head is None or end is None:
            return None
    else:
        before = min(failed, _BEFORE)
        line = failed - before + read(failed - before, before).rfind(b"\n") + 1
        near = read(line, _NEAR)
        head, start = _FAILED.search(_text(near)), _BEGIN.search(near)
        if head is None or start is None:
            # It failed without a verifier's log: there was no permission, or no memory.
            return None
        begin = line + start.end()
        if end is None or end < begin:
            if not whole:
                return Rejection(_short(head[1]), "", _short(head[2]))
            # A torn log: what it ends with is the last that the verifier said.
            end = size
    first = max(begin, end - _LAST_LINES)
    lines = [_bare(line) for line in read(first, end - first).split(b"\n")]
    return Rejection(_short(head[1]), _short(_source(read, begin, end)), _short(_message(lines, head[2].strip())))


def _message(lines: list[str], error: str) -> str:
    """The lines after the last instruction. Where there are none, the error of bpf(2) and that instruction."""
    said: list[str] = []
    for line in reversed(lines):
        if not line.strip() or line.startswith(_FIGURES):
            continue
        if _ACCOUNT.match(line.lstrip()):
            if said:
                break
            return f"{error} at {line}" if _INSTRUCTION.match(line) else error
        said.insert(0, line.strip())
        if len(said) == _MESSAGE_LINES:
            break
    return "; ".join(said) or error


def _source(read: Callable[[int, int], bytes], begin: int, end: int) -> str:
    """The last source line before `end`: since Linux 6.10 with its place, before that the code alone."""
    rest = b""
    for _ in range(_BLOCKS):
        first = max(begin, end - _BLOCK)
        lines = (read(first, end - first) + rest).split(b"\n")
        # The first has its beginning in the block before.
        rest = lines[0][:_LONGEST_LINE] if first > begin else b""
        for line in reversed(lines if first == begin else lines[1:]):
            text = _bare(line)
            if text.startswith(";") and text[1:].strip():
                code, _, place = text[1:].strip().rpartition(" @ ")
                return f"{place}: {code}" if _PLACE.fullmatch(place) else text[1:].strip()
        if first == begin:
            break
        end = first
    return ""


def _bare(line: bytes) -> str:
    """A line without what a logger puts in front of it, and without colours."""
    text = _PAINT.sub("", _text(line[:_LONGEST_LINE]))
    stamp = _LOGGER.match(text)
    return text[0 if stamp is None else stamp.end() :].rstrip()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_FIELD else text[: _LONGEST_FIELD - 1] + "…"
