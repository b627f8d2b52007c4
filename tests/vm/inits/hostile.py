"""Says hello, fills every channel with more than its host keeps, and names a run so that it would be another file."""

import json

from inits.base import open_port
from scxlife.platform.vm import frames

PAINT = "\x1b[2J\x1b]0;title\x07\x9b31m"
CHUNK = 1 << 18


def main() -> None:
    port = open_port()
    with open("/scxlife/config.json", "rb") as file:
        megabytes = json.loads(file.read())["megabytes"]

    def say(kind: int, content: object) -> None:
        port.send(kind, json.dumps(content).encode())

    say(frames.HELLO, {"version": PAINT, "kernel": PAINT, "t": 0.5, "degraded": [PAINT]})
    say(frames.LIFECYCLE, {"event": "SchedulerBegins", "name": PAINT, "run": 1})
    tape = {"seq": 0, "kind": "tape", "t": 1, "version": 1, "machine": PAINT, "definition": 1, "settings": {}}
    say(frames.TAPE, tape)
    step = {"seq": 1, "kind": "step", "t": 1, "state": PAINT, "event": PAINT, "cell": "go", "to": PAINT, "guards": {}}
    step |= {"do": [], "verdict": PAINT, "because": "", "cause": PAINT, "data": {"line": PAINT}}
    for _ in range(100):
        say(frames.TAPE, step)
    for at in range(megabytes * 4):
        port.send(frames.LOG, PAINT.encode() + bytes(CHUNK))
        port.send(frames.PROBE, b"p%d\0" % at + bytes(CHUNK))
        say(frames.TAPE, {**step, "cause": "x" * (200 << 10)})
        say(frames.OPERATIONS, {**step, "cause": "x" * (20 << 10)})
    for _ in range(100):
        print(PAINT, "Kernel panic - not syncing:", PAINT, flush=True)
    say(frames.LIFECYCLE, {"event": "SchedulerBegins", "name": "a", "run": "d/../passwd"})
    say(frames.OUTCOME, {"outcome": "stopped"})
    say(frames.EXIT, {"status": 0})
    while True:
        port.send(frames.LOG, bytes(CHUNK))
