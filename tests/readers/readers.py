"""Each reader: some right files, and what reads one. Whatever is read, a command ends with an exit code that it has."""

from __future__ import annotations

import contextlib
import io
import json
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from scxlife.diagrams.dot_run import dot_run
from scxlife.diagrams.path import NotOfThis, path_of
from scxlife.diagrams.timeline.html import html
from scxlife.diagrams.timeline.perfetto import perfetto
from scxlife.diagrams.timeline.reading import read as read_chart
from scxlife.diagrams.timeline.svg import svg
from scxlife.fsm.replay import replay
from scxlife.fsm.tape_reader import NotATape, TapeReader, lines_of
from scxlife.lifecycle.cli import main
from scxlife.lifecycle.commands import ctl
from scxlife.lifecycle.control import told
from scxlife.lifecycle.options import shipped
from scxlife.lifecycle.simulated.run import run
from scxlife.lifecycle.simulated.scenario import parse

ROOT = Path(__file__).parents[2]


@attrs.frozen
class Reader:
    """`form` is what its files look like to a mutation."""

    form: str
    samples: Callable[[], list[bytes]]
    read: Callable[[bytes], None]


def command(*words: str) -> None:
    """Raises AssertionError for an exit code that no command has, and whatever the command raises."""
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(words))
    assert code in (0, 1, 2, 3), (code, err.getvalue())
    assert code != 2 or err.getvalue() or words[0] == "check", words
    assert "\x1b" not in err.getvalue()


@contextmanager
def tape(folder: Path) -> Iterator[Reader]:
    file = folder / "run.tape"

    def read(data: bytes) -> None:
        match zlib.crc32(data) % 8:
            case 0:
                file.write_bytes(data)
                command("replay", "--json", str(file))
                command("timeline", str(file), "--format", "svg")
            case 1:
                with contextlib.suppress(NotATape, NotOfThis):
                    dot_run(shipped(), path_of(shipped(), lines(data)))
            case 2 | 3 | 4:
                with contextlib.suppress(NotATape):
                    str(replay(shipped(), TapeReader(lines(data))).difference)
            case _:
                with contextlib.suppress(NotATape):
                    chart = read_chart("a tape", TapeReader(lines(data)), shipped())
                    for form in (svg, html, perfetto):
                        form([chart]).encode("utf-8", "backslashreplace")

    def lines(data: bytes) -> list[bytes]:
        return list(lines_of(io.BytesIO(data)))

    def samples() -> list[bytes]:
        texts = ("ready: none\n", "program: {steps: [{do: attach}, {do: serve}]}\n", "program: null\n")
        return ["".join(f"{line}\n" for line in run(parse(text)).lines).encode() for text in texts]

    yield Reader("lines", samples, read)


@contextmanager
def scenario(folder: Path) -> Iterator[Reader]:
    file = folder / "run.yaml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        command("timeline", str(file), "--format", "svg")

    def samples() -> list[bytes]:
        return [path.read_bytes() for path in sorted((ROOT / "tests" / "regressions").glob("*.yaml"))]

    yield Reader("yaml", samples, read)


@contextmanager
def definition(folder: Path) -> Iterator[Reader]:
    file = folder / "machine.yaml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        words = ("check", "{}"), ("diagram", "{}", "--format", "dot"), ("explore", "--definition", "{}", "--depth", "1")
        command(*(word.format(file) for word in words[zlib.crc32(data) % 3]))

    def samples() -> list[bytes]:
        return [path.read_bytes() for path in sorted((ROOT / "tests" / "machines").glob("[dt]*.yaml"))]

    yield Reader("yaml", samples, read)


@contextmanager
def manifest(folder: Path) -> Iterator[Reader]:
    """Of the cache's entries."""
    os.environ["XDG_CACHE_HOME"] = str(folder)
    files = [folder / "scxlife" / kind / "7.2.1" / "manifest.json" for kind in ("kernels", "schedulers")]
    for file in files:
        file.parent.mkdir(parents=True, mode=0o700)
    (files[0].parent / "vmlinuz").write_bytes(b"no kernel")

    def read(data: bytes) -> None:
        for file in files:
            file.write_bytes(data)
        for kind in ("kernel", "schedulers"):
            command(kind, "list")
            command(kind, "list", "--json")

    def samples() -> list[bytes]:
        kernel = {"format": 1, "version": "7.2.1", "suite": "sid", "fetched_at": "2026-01-01T00:00:00Z", "size": 1}
        kernel |= {"package": "linux-image", "sha256": "0" * 64, "url": "http://x", "config": {}, "built": False}
        schedulers = {
            "format": 1,
            "version": "7.2.1",
            "suite": "sid",
            "clang": "19",
            "built_at": "2026-01-01T00:00:00Z",
        }
        schedulers |= {"sha256": {"scx_simple": "0" * 64}, "schedulers": ["scx_simple"], "names": ["scx_simple"]}
        return [json.dumps(data).encode() for data in (kernel, schedulers)]

    yield Reader("json", samples, read)


@contextmanager
def answer(folder: Path) -> Iterator[Reader]:
    """Of a supervisor."""

    def read(data: bytes) -> None:
        with contextlib.suppress(told.Malformed):
            message = told.message(data)
            for do, shown in (("attach", ctl._said), ("status", ctl._status)):
                with contextlib.suppress(told.Malformed):
                    "\n".join(shown(told.answer(message, do)))
            ctl._event(told.event(message))

    def samples() -> list[bytes]:
        life = {"name": "a", "number": 1, "state": "running", "pid": 5, "log": "/tmp/log"}
        status = {"state": "running", "desired": "a", "attached": "a", "drift": False, "kernel": {"state": "enabled"}}
        status |= {"run": life, "runs": 1, "restarts": 0, "last": {"outcome": "x", "reason": "y"}, "restart_in": 0.5}
        failed = {
            "result": "failed",
            "done": False,
            "name": "a",
            "reason": "x",
            "outcome": {"outcome": "x", "hint": "y"},
        }
        event = {"event": "state", "t": 1.0, "from": "a", "state": "b", "cause": "c", "name": "a"}
        bodies = [{"status": status}, {"answer": failed}, {"event": event}]
        return [json.dumps({"version": 1, "id": 1, **body}).encode() for body in bodies]

    yield Reader("json", samples, read)


READERS = {"tape": tape, "scenario": scenario, "definition": definition, "manifest": manifest, "answer": answer}
