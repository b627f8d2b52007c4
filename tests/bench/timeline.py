"""How long the timeline of a tape of 100,000 lines takes to make, beside reading that tape with `json.loads` alone, and
how usable its page is in headless Chromium: until it is painted, and each frame of zooming and moving.

python tests/bench/timeline.py
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from scxlife.diagrams.timeline.chart import Chart
from scxlife.diagrams.timeline.html import html
from scxlife.diagrams.timeline.perfetto import perfetto
from scxlife.diagrams.timeline.reading import read
from scxlife.diagrams.timeline.svg import svg
from scxlife.fsm.definition import Definition
from scxlife.fsm.events import Event
from scxlife.fsm.loader import load
from scxlife.fsm.runtime import Runtime
from scxlife.fsm.tape import Tape
from scxlife.fsm.tape_reader import TapeReader, lines_of

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.diagrams.timeline.browser import FOUND, Page, browser  # noqa: E402
from tests.docs.pages import write_files  # noqa: E402

LINES = 100_000
ROUNDS = 3

# Wheels and drags, one a frame. A frame's cost is what its callback takes, the drawing with it; its distance is when it
# came behind the one before, which the window's own rate bounds.
FRAMES = """
new Promise((done) => {
  const canvas = document.getElementById("chart"), box = canvas.getBoundingClientRect();
  const came = [], cost = [], before = window.requestAnimationFrame;
  let n = 0, last = 0;
  window.requestAnimationFrame = (act) => before((t) => {
    const begin = performance.now(); act(t); cost.push(performance.now() - begin); });
  function next(t) {
    if (last) came.push(t - last);
    last = t;
    if (n++ === 180) { window.requestAnimationFrame = before; return done([came, cost]); }
    const x = box.left + box.width * (0.3 + 0.4 * ((n * 7) % 10) / 10), y = box.top + 60;
    const turn = n % 90 < 45 ? -60 : 60;
    const words = { clientX: x, clientY: y, bubbles: true, cancelable: true };
    canvas.dispatchEvent(n % 3 === 0 ? new WheelEvent("wheel", { ...words, deltaX: turn })
      : new WheelEvent("wheel", { ...words, deltaY: turn }));
    before(next);
  }
  before(next);
})
"""
PAINT = """
new Promise((done) => new PerformanceObserver((list) => {
  const entry = list.getEntries().find((each) => each.name === "first-contentful-paint");
  if (entry) done(entry.startTime);
}).observe({ type: "paint", buffered: true }))
"""
DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(() => done(performance.now()))))"


def write_tape(path: Path) -> Definition:
    """The kettle of docs/tape.md, pressed as chance has it, for LINES lines. The tape has no end."""
    write_files(ROOT / "docs" / "tape.md", path.parent)
    definition, chance, now = load(path.parent / "kettle.yaml"), random.Random(7), 0.0
    with path.open("w") as file:
        written = 0

        def write(line: str) -> None:
            nonlocal written
            written += 1
            file.write(f"{line}\n")

        runtime = Runtime(
            definition,
            actions=dict.fromkeys(definition.actions, lambda event: None),
            guards={"filled": lambda event: chance.random() < 0.8},
            clock=lambda: now,
            observer=Tape(definition, lambda: now, write),
        )
        runtime.start()
        while written < LINES:
            now += chance.expovariate(20)
            runtime.expire(now)
            runtime.deliver()
            if runtime.state == "heating" and chance.random() < 0.5:
                runtime.handle(Event("boils", {"celsius": chance.randint(900, 1000) / 10}, "thermometer readable"))
            else:
                runtime.handle(Event("press", {"finger": chance.choice(("left", "right"))}, "button down"))
    return definition


def best(what: Callable[[], object]) -> float:
    took = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        what()
        took.append(time.perf_counter() - begun)
    return min(took)


def chart(path: Path, definition: Definition) -> Chart:
    with path.open("rb") as file:
        return read(path.name, TapeReader(lines_of(file)), definition)


def only_read(path: Path) -> None:
    with path.open("rb") as file:
        for _ in TapeReader(lines_of(file)):
            pass


def loads(path: Path) -> None:
    with path.open("rb") as file:
        for line in file:
            json.loads(line)


def opened(page: Page, file: Path) -> None:
    begun = time.perf_counter()
    page.open(file)
    loaded = time.perf_counter() - begun
    painted, drawn = page.value(PAINT), page.value(DRAWN)
    print(f"  first contentful paint {painted:.0f} ms, drawn by {drawn:.0f} ms, load event {loaded * 1e3:.0f} ms")
    came, cost = page.value(FRAMES)
    for name, times in (("a frame's distance", came), ("a frame's drawing", cost)):
        times.sort()
        late = times[int(len(times) * 0.95)]
        print(f"  {name}: median {statistics.median(times):.1f} ms, 95 % {late:.1f}, worst {times[-1]:.1f}")


def main() -> None:
    print(f"{datetime.date.today()}, {os.cpu_count()} CPUs, {platform.machine()}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "long.tape"
        definition = write_tape(tape)
        print(f"{LINES} lines, {tape.stat().st_size / 1e6:.1f} MB; best of {ROUNDS}, seconds")
        print(f"  json.loads of each line  {best(lambda: loads(tape)):.2f}")
        print(f"  TapeReader alone         {best(lambda: only_read(tape)):.2f}")
        print(f"  read into lanes          {best(lambda: chart(tape, definition)):.2f}")
        lanes = chart(tape, definition)
        for name, make in (("html", html), ("svg", svg), ("perfetto", perfetto)):
            size = len(make([lanes]).encode())
            print(f"  {name:9} of those lanes  {best(lambda make=make: make([lanes])):.2f}  ({size / 1e6:.1f} MB)")
        if FOUND is None:
            print("no Chromium here: apt-get install chromium")
            return
        file = Path(folder) / "long.html"
        file.write_text(html([lanes]), "utf-8", "backslashreplace")
        with browser() as page:
            print(page.ask("Browser.getVersion")["product"])
            opened(page, file)


if __name__ == "__main__":
    main()
