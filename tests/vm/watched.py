"""A guest with our PID 1 in it, and all that it let be seen: every frame in its order, the tape, the console."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from tests.vm.ordered import run_ordered

from scxlife.fsm.frozen import freeze
from scxlife.lifecycle.guest_recipe import ENTRY, LAZY
from scxlife.lifecycle.options import boot_ending, shipped
from scxlife.platform.vm import accel, frames, guest, image, kernels
from scxlife.platform.vm.cache import NotInstalled

#: Seconds; a guest takes a tenth of it.
BOUND = 120.0
_BYTES = (frames.LOG, frames.PAYLOAD_OUTPUT, frames.PROBE)


@attrs.frozen
class Seen:
    """`told` are the frames in the order in which they came, JSON as what it says."""

    told: list[tuple[int, Any]]
    console: str
    result: guest.GuestResult

    def of(self, kind: int) -> Any:
        """What the one frame of that kind said."""
        (payload,) = [payload for type, payload in self.told if type == kind]
        return payload

    def text(self, kind: int) -> str:
        return b"".join(payload for type, payload in self.told if type == kind).decode()

    @property
    def outcome(self) -> dict[str, Any]:
        outcome: dict[str, Any] = self.of(frames.OUTCOME)
        return outcome

    @property
    def verdict(self) -> tuple[str, dict[str, int] | None, str]:
        """How the run ended, how the process ended, what the kernel ran then."""
        return self.outcome["outcome"], self.outcome["exit"], self.outcome["kernel"]["state"]

    @property
    def announced(self) -> list[dict[str, Any]]:
        """The lifecycle frames."""
        return [payload for kind, payload in self.told if kind == frames.LIFECYCLE]

    @property
    def tape(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.told if kind == frames.TAPE]

    def steps(self) -> list[str]:
        """`event → state` for each step that went somewhere."""
        return [f"{r['event']} → {r['to']}" for r in self.tape if r["kind"] == "step" and r["cell"] == "go"]

    def happened(self, event: str) -> list[dict[str, Any]]:
        """The steps of the tape that answered `event`."""
        return [record for record in self.tape if record["kind"] == "step" and record["event"] == event]

    def kernel_said(self) -> list[str]:
        return [record["data"]["line"] for record in self.happened("kernel_says")]


def watched(
    kernel: Path,
    folder: Path,
    scheduler: Path,
    scheduler_args: str = "",
    *,
    setup: str = "",
    payload: str = "",
    files: Sequence[Path] = (),
    append: Sequence[str] = (),
    **settings: Any,
) -> Seen:
    """One run of the boot profile, to its end. `setup` and `payload` are shell commands, `files` keep their paths,
    `settings` are the lifecycle's."""
    qemu, busybox = shutil.which("qemu-system-x86_64"), shutil.which("busybox")
    if qemu is None or busybox is None:
        pytest.skip("QEMU or busybox is not installed")
    run = image.Run(
        config=json.dumps({"setup": setup, "payload": ["/bin/sh", "-c", payload] if payload else []}).encode(),
        definition=freeze(shipped().with_profile("boot").with_settings(**settings)),
        boot=freeze(boot_ending()),
        scheduler=scheduler,
        scheduler_args=scheduler_args,
        files=tuple((file, str(file)) for file in files),
    )
    base = image.build_base(entry=ENTRY, modules=LAZY, busybox=Path(busybox))
    spec = guest.GuestSpec(
        kernel,
        base.archive,
        accel.choose("auto", qemu=Path(qemu)),
        Path(qemu),
        timeout=BOUND,
        append=tuple(append),
    )
    told: list[tuple[int, Any]] = []
    lines: list[str] = []

    def on_frame(frame: frames.Frame) -> None:
        told.append((frame.type, frame.payload if frame.type in _BYTES else json.loads(frame.payload)))

    result = run_ordered(spec, base, run, on_frame, on_console_line=lines.append)
    console = "\n".join(lines)
    assert isinstance(result, guest.Completed), f"{result}\n{console}"
    return Seen(told, console, result)


def small_kernel() -> Path:
    """The kernel that boots fastest, of those that are here."""
    try:
        return kernels.find("6.12" if any(k.version.startswith("6.12") for k in kernels.installed()) else None).vmlinuz
    except NotInstalled as error:
        pytest.skip(f"{error}: {error.hint}")
