"""A QEMU that is none: it sends what a script says over the console, the port and standard error.

    PYTHON fake_qemu.py --version
    PYTHON fake_qemu.py … -chardev socket,id=console,fd=N … -chardev socket,id=port,fd=M …

The script is the file SCRIPT next to the executable that runs this: JSON, a list of steps, each a list of which the
first element names it. Bytes are written in base64.

    ["frame", type, payload, times]         a sound frame, as often as that
    ["numbered", type, payload, times]      the same, `%d` in the payload replaced by 1, 2, 3 …
    ["filled", type, prefix, size, times]   the same, the prefix filled up with zeros to `size` bytes
    ["port" | "console" | "stderr", bytes, times]
    ["leave"]                               leave a process that holds the console open and writes to it
    ["hang"]                                wait for the end
    ["exit", status]
"""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import sys
from pathlib import Path

from scxlife.platform.vm import frames


def main(argv: list[str]) -> int:
    if "--version" in argv:
        print("QEMU emulator version 8.2.0")
        return 0
    given = " ".join(argv)
    console, port = (int(re.search(rf"id={name},fd=(\d+)", given)[1]) for name in ("console", "port"))  # type: ignore[index]
    script = json.loads(Path(os.environ["FAKE_QEMU_SCRIPT"]).read_text())
    sequence = 0

    def write(descriptor: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    for name, *rest in script:
        if name in ("frame", "numbered", "filled"):
            kind, payload, times = rest[0], base64.b64decode(rest[1]), rest[-1]
            if name == "filled":
                payload += bytes(rest[2] - len(payload))
            batch = bytearray()
            for number in range(1, times + 1):
                content = payload.replace(b"%d", b"%d" % number) if name == "numbered" else payload
                batch += frames.encode(kind, sequence, content)
                sequence += 1
                if len(batch) > 1 << 18:
                    write(port, bytes(batch))
                    batch.clear()
            write(port, bytes(batch))
        elif name in ("port", "console", "stderr"):
            data = base64.b64decode(rest[0])
            for _ in range(rest[1]):
                write({"port": port, "console": console, "stderr": 2}[name], data)
        elif name == "leave":
            if os.fork() == 0:
                while True:  # until the host has closed its end
                    write(console, (b"still here" * 400 + b"\n") * 16)
        elif name == "hang":
            signal.pause()
        elif name == "exit":
            return int(rest[0])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)
