"""Guests whose PID 1 is ours, and waits for its orders."""

from __future__ import annotations

import tempfile
from typing import Any

import attrs

from scxlife.platform.vm import guest, image, warm
from scxlife.platform.vm.frames import ORDERED, Frame
from scxlife.platform.vm.qemu import OnFrame, run_guest


def run_ordered(
    spec: guest.GuestSpec, base: image.Base, run: image.Run, on_frame: OnFrame, *, cold: bool = False, **told: Any
) -> guest.GuestResult:
    """As `run_guest` does, with `run` as the orders of a guest that has this base: one that was saved, unless `cold`.
    `on_frame` gets those that tell something."""

    def hear(frame: Frame) -> None:
        if frame.type != ORDERED:
            on_frame(frame)

    with tempfile.TemporaryFile() as orders:
        image.write_run(base, run, orders)
        orders.seek(0)
        spec = attrs.evolve(spec, initrd=base.archive, orders=orders.fileno())
        if cold:
            return run_guest(spec, on_frame=hear, **told)
        entry = warm.entry_of(spec)
        if not warm.is_saved(entry):
            failed = warm.make(spec, entry, lambda _: None)
            assert failed is None, failed
        with warm.restored(spec, entry) as going:
            return run_guest(going, on_frame=hear, **told)
