"""Says hello with what it was given, sends an EXIT frame, waits for its acknowledgement, reboots."""

import json
import os
import subprocess
import time

from inits.base import open_port, reboot
from scxlife.platform.vm import frames


def main() -> None:
    port = open_port()
    with open("/scxlife/config.json", "rb") as file:
        config = json.loads(file.read())
    shell = subprocess.run(["/bin/sh", "-c", "echo $((6 * 7))"], capture_output=True).stdout.decode()
    hello = {"version": "0", "kernel": os.uname().release, "t": time.monotonic(), "degraded": []}
    hello |= {"config": config, "shell": shell, "pid": os.getpid()}
    port.send(frames.HELLO, json.dumps(hello).encode())
    port.send(frames.EXIT, b'{"status": 7}')
    print("acknowledged:", port.finish(20.0), flush=True)
    reboot()
