"""A payload's output, collected, and an input that is given at once."""

from __future__ import annotations

import os

from scxlife.platform.vm import frames
from scxlife.platform.vm.payload_link import NoPayload


class Collected(NoPayload):
    """`input` is the payload's standard input, all of it unless it `stays` open."""

    def __init__(self, input: bytes = b"", *, stays: bool = False) -> None:
        self.stays = stays
        self._never = os.eventfd(0)
        self.streams = {frames.STDOUT: bytearray(), frames.STDERR: bytearray()}
        self.ended: list[int] = []
        self._rest = input
        self._ready = os.eventfd(1)

    def take(self, stream: int, data: bytes) -> None:
        self.streams[stream] += data
        if not data:
            self.ended.append(stream)

    def input_fileno(self) -> int | None:
        return self._ready if self._rest else self._never if self.stays else None

    def read_input(self) -> bytes | None:
        data, self._rest = self._rest[: 1 << 16], self._rest[1 << 16 :]
        return data

    @property
    def output(self) -> str:
        return self.streams[frames.STDOUT].decode()

    @property
    def error(self) -> str:
        return self.streams[frames.STDERR].decode()
