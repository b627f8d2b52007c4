"""Sends 20 MB as frames of every awkward size, then EXIT with their number and checksum."""

import json
from binascii import crc32

from inits.base import open_port, reboot
from scxlife.platform.vm import frames

TOTAL = 20_000_000
SIZES = (1, 4096, 32767, 32768, 100_000, frames.MAX_PAYLOAD)


def main() -> None:
    port = open_port()
    sent = count = checksum = 0
    while sent < TOTAL:
        size = min(SIZES[count % len(SIZES)], TOTAL - sent)
        payload = (count.to_bytes(4, "little") * (size // 4 + 1))[:size]
        port.send(frames.LOG, payload)
        checksum = crc32(payload, checksum)
        sent += size
        count += 1
    port.send(frames.EXIT, json.dumps({"count": count, "crc": checksum}).encode())
    port.finish(20.0)
    reboot()
