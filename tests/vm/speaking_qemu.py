"""In place of QEMU: a program that speaks the port's protocol as a guest's PID 1 does. FAKE says what it does.

FAKE_SEEN names a file that gets what it was given: its pid, the start of the initrd, and later what it hears.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

from scxlife.lifecycle.outcomes import Stopped, as_json
from scxlife.platform.vm import frames

OUTCOME = {**as_json(Stopped(reason="as asked"), "scheduler 1", "0"), "kernel": {"state": "disabled"}}


def step(number: int) -> bytes:
    record = {"kind": "step", "cell": "go", "t": number * 1.0, "state": "running", "to": "running"}
    record |= {"event": "kernel_says", "verdict": None, "cause": "x" * 2000, "data": {}}
    return json.dumps(record).encode()


def main() -> None:
    line = " ".join(sys.argv)
    if "--version" in sys.argv:
        print("QEMU emulator version 8.2.0")
        return
    if "isa-debug-exit" in line:
        seen(f"probe {os.getpid()}")
        signal.pause()
    port = os.fdopen(int(re.search(r"id=port,fd=(\d+)", line)[1]), "r+b", buffering=0)  # type: ignore[index]
    initrd = Path(sys.argv[sys.argv.index("-initrd") + 1])
    seen(f"pid {os.getpid()}", f"initrd {initrd.read_bytes()[:6].decode()} {os.path.realpath(initrd)}")
    what = os.environ["FAKE"]
    sent = 0

    def send(kind: int, payload: bytes) -> None:
        nonlocal sent
        rest = memoryview(frames.encode(kind, sent, payload))
        while rest:
            rest = rest[port.write(rest) or 0 :]
        sent += 1

    decoder = frames.Decoder()

    def hear() -> frames.Frame:
        while True:
            for frame in decoder.feed(port.read(4096)):
                seen(f"heard {frames.TYPE_NAMES[frame.type]} {frame.payload.hex()}")
                return frame

    if what == "late":
        # Not up before the test says so.
        Path(os.environ["FAKE_GO"]).read_text()
    if what != "silent":
        send(frames.HELLO, b"{}")
        send(frames.TAPE, step(0))
    if what in ("silent", "ignores"):
        signal.pause()
    if what == "talks":
        for number in range(1, 1 << 30):
            send(frames.TAPE, step(number))
    if what in ("obeys", "late"):
        while hear().type != frames.INTERRUPT:
            pass
    send(frames.LOG, b"the log\n")
    send(frames.OUTCOME, json.dumps(OUTCOME).encode())
    send(frames.EXIT, b'{"status": 0}')
    hear()


def seen(*lines: str) -> None:
    with Path(os.environ["FAKE_SEEN"]).open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


main()
