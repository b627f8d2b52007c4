"""In place of QEMU: a program that speaks the port's protocol as a guest's PID 1 does. FAKE says what it does.

FAKE_SEEN names a file that gets what it was given: its pid, the start of the initrd, and later what it hears.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

# It is started as a program, so its own folder is where modules are looked for.
import scripts

from scxlife.platform.vm import frames


def step(number: int) -> bytes:
    told = {"state": "running", "event": "kernel_says", "to": "running", "t": number * 1.0, "cause": "x" * 2000}
    return scripts.encoded(scripts.tape_step(**told))


class Streams:
    """The payload's port."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self._sent = 0
        self._decoder = frames.Decoder()

    def send(self, kind: int, data: bytes = b"") -> None:
        rest = memoryview(frames.encode(kind, self._sent, data))
        while rest:
            rest = rest[self._port.write(rest) or 0 :]
        self._sent += 1

    def echo(self) -> None:
        """Gives back the standard input, until its end or an x in it."""
        while True:
            for frame in self._decoder.feed(self._port.read(1 << 16)):
                if frame.type == frames.WINDOW:
                    seen(f"window {frame.payload.hex()}")
                if frame.type != frames.STDIN:
                    continue
                if frame.payload:
                    seen(f"input {frame.payload[:8].hex()}")
                    self.send(frames.STDOUT, frame.payload)
                    acknowledgement = frames.encode_ack(0, frame.sequence)[18:]
                    self.send(frames.ACK, acknowledgement)
                if not frame.payload or b"x" in frame.payload:
                    seen("end of input")
                    return


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

    if what.startswith("payload-"):
        streams = Streams(os.fdopen(int(re.search(r"id=payload,fd=(\d+)", line)[1]), "r+b", buffering=0))  # type: ignore[index]
        send(frames.HELLO, scripts.encoded(scripts.HELLO))
        send(frames.TAPE, scripts.encoded(scripts.tape_header()))
        streams.send(frames.STARTED)
        send(frames.TAPE, step(0))
        send(frames.LOG, b"logged before the end\n")
        match what.removeprefix("payload-"):
            case "speaks":
                streams.send(frames.STDOUT, b"\0\xff\x1b[1mno newline")
                streams.send(frames.STDERR, b"an error\n")
            case "echoes":
                streams.echo()
            case "floods":
                while True:
                    streams.send(frames.STDOUT, bytes(1 << 16))
            case "is-killed":
                streams.send(frames.STDOUT, b"before the end\n")
                os.kill(os.getpid(), signal.SIGKILL)
            case "waits":
                streams.send(frames.STDOUT, b"ready")
                seen("waits")
                streams.echo()
            case "lies":
                streams.send(frames.STDOUT, b"before the lie\n")
                streams.send(frames.WINDOW, b"")
                signal.pause()
        streams.send(frames.STDOUT)
        streams.send(frames.STDERR)
        what = "completes"

    decoder = frames.Decoder()
    came: list[frames.Frame] = []

    def hear() -> frames.Frame:
        while not came:
            came.extend(decoder.feed(port.read(4096)))
        frame = came.pop(0)
        if frame.type not in (frames.ORDERS, frames.BEGIN):
            seen(f"heard {frames.TYPE_NAMES[frame.type]} {frame.payload.hex()}")
        return frame

    if what == "late":
        # Not up before the test says so.
        Path(os.environ["FAKE_GO"]).read_text()
    if what != "silent" and not sent:
        send(frames.HELLO, scripts.encoded(scripts.HELLO))
        send(frames.TAPE, scripts.encoded(scripts.tape_header()))
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
    send(frames.OUTCOME, scripts.encoded(scripts.outcome_content()))
    send(frames.EXIT, scripts.encoded({"status": 0, "payload": None, "fault": None}))
    while hear().type != frames.ACK:
        pass


def seen(*lines: str) -> None:
    with Path(os.environ["FAKE_SEEN"]).open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))


main()
