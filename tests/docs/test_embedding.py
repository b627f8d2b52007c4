"""docs/embedding.md: its programs run as they stand on the page, and leave no child behind when they are cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.pages import Session, play, sessions, write_files

PAGE = Path(__file__).parents[2] / "docs" / "embedding.md"
PLAYED = sessions(PAGE)

# Cancels `supervise` when its child has said its number, and asks whether that child is still there. The child would
# wait for ever for somebody to write into a FIFO.
CHILD = """\
import os

os.mkfifo("said")
os.mkfifo("never")
COMMAND = ("sh", "-c", "echo $$ > said; read line < never")


def hear():
    with open("said") as said:
        return int(said.read())


def judge(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        print("gone and reaped")
    else:
        print("left behind")
"""

CANCELLED = {
    "with_asyncio": """\
import asyncio, contextlib, child, with_asyncio

async def main():
    task = asyncio.create_task(with_asyncio.supervise(3600.0, *child.COMMAND))
    pid = await asyncio.to_thread(child.hear)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    child.judge(pid)

asyncio.run(main())
""",
    "with_trio": """\
import trio, child, with_trio

async def main():
    async with trio.open_nursery() as nursery:
        nursery.start_soon(with_trio.supervise, 3600.0, *child.COMMAND)
        pid = await trio.to_thread.run_sync(child.hear)
        nursery.cancel_scope.cancel()
    child.judge(pid)

trio.run(main)
""",
}


@pytest.mark.parametrize("session", PLAYED, ids=[session.commands[0] for session in PLAYED])
def test_the_page_prints_what_it_says(session: Session, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    assert play(session, tmp_path) == session.output, f"{PAGE.name}:{session.line}"


def test_the_page_shows_the_three_ways_and_a_rest() -> None:
    assert [session.commands for session in PLAYED] == [
        ("python plain.py",),
        ("python with_asyncio.py",),
        ("python with_trio.py",),
        ("python rest.py",),
    ]


@pytest.mark.parametrize("loop", CANCELLED)
def test_a_cancelled_loop_leaves_no_child_behind(loop: str, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    (tmp_path / "child.py").write_text(CHILD)
    (tmp_path / "cancel.py").write_text(CANCELLED[loop])
    assert play(Session(("python cancel.py",), "", 0), tmp_path) == "gone and reaped\n"


STUBBORN = """\
import signal, sys
from importlib import import_module

page = import_module(sys.argv[1])
# A child is executed with what its parent ignores: there is no moment in which it would heed SIGTERM.
signal.signal(signal.SIGTERM, signal.SIG_IGN)

async def main():
    ending = await page.supervise(0.05, "sleep", "1000")
    print(ending.noted_in, ending.outcome)

import_module(sys.argv[1].removeprefix("with_")).run(main() if sys.argv[1] == "with_asyncio" else main)
"""


@pytest.mark.parametrize("loop", CANCELLED)
def test_a_child_that_ignores_sigterm_is_killed(loop: str, tmp_path: Path) -> None:
    write_files(PAGE, tmp_path)
    job = tmp_path / "job.yaml"
    job.write_text(job.read_text().replace("{value: 5s,", "{value: 50ms,"))
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    assert play(Session((f"python stubborn.py {loop}",), "", 0), tmp_path) == "killing overdue\n"
