"""A probe's product on its way to whoever listens, and the end of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scxlife.fsm.events import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from scxlife.platform.probe import Probe

    Sink = Callable[[str, bytes], object]

_CHUNK = 65536
# A probe that produces faster than we forward must not keep the driver here.
_CHUNKS_AT_ONCE = 16


class ProbeSource:
    """Hands what the probe produces to `sink` and tells how much that was: `dumped` with `{"probe", "bytes"}`; and
    `drained`, once, when nothing more will come. The probe is opened, stopped and closed by others."""

    degraded: str | None = None

    def __init__(self, probe: Probe, sink: Sink) -> None:
        self._probe = probe
        self._sink = sink
        self._over = False

    def open(self) -> None:
        self._over = False

    def fileno(self) -> int | None:
        return None if self._over else self._probe.fileno()

    def next_deadline(self) -> float | None:
        return None

    def drain(self) -> list[Event]:
        if self._over:
            return []
        size = self._forward()
        name = self._probe.name
        told = [Event("dumped", {"probe": name, "bytes": size}, f"{name}: {size} bytes")] if size else []
        return [*told, Event("drained", {"probe": name}, f"{name} has ended")] if self._over else told

    def close(self) -> None:
        """Nothing is ours."""

    def _forward(self) -> int:
        size = 0
        for _ in range(_CHUNKS_AT_ONCE):
            chunk = self._probe.read(_CHUNK)
            if chunk is None:
                self._over = True
            if not chunk:
                break
            self._sink(self._probe.name, chunk)
            size += len(chunk)
        return size
