"""What a guest is to be and to do, as one record: all that of a command line ever reaches it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import attrs

from scxlife.fsm.definition import Definition
from scxlife.fsm.frozen import freeze
from scxlife.platform.vm import image, kernels
from scxlife.platform.vm.cache import ArtifactError
from scxlife.platform.vm.elf import ElfError
from scxlife.platform.vm.guest import GuestSpec

from .options import boot_ending, shipped

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from scxlife.platform.vm.accel import Accel
    from scxlife.platform.vm.host_files import HostFiles
    from scxlife.platform.vm.topology import Topology

    from .guest_files import Taken

ENTRY = "scxlife.lifecycle.init"
# What asks PID 1 in a guest where it can be asked.
CONTROL = "scxlife.lifecycle.guest_control"
# What init imports only when it comes to it.
LAZY = (
    "shlex",
    "traceback",
    "scxlife.lifecycle.arguments_file",
    "scxlife.lifecycle.console",
    "scxlife.lifecycle.guest_control",
    "scxlife.lifecycle.guest_operations",
    "scxlife.lifecycle.guest_gets",
    "scxlife.lifecycle.host_root",
    "scxlife.lifecycle.link_keepers",
    "scxlife.lifecycle.output_markers",
    "scxlife.lifecycle.verifier_log",
    "scxlife.platform.linux.fork",
    "scxlife.platform.linux.libc",
    "scxlife.platform.linux.writing",
    "scxlife.platform.sources.assume_ready",
    "scxlife.platform.sources.kernel_log",
    "scxlife.platform.sources.log_size",
    "scxlife.platform.sources.signals",
    "scxlife.platform.sources.unwatched",
)
# The settings of the boot's end that bound its states.
ENDING = ("payload_grace", "kill_timeout", "relay_timeout", "drain_timeout")
# Seconds for what has no deadline of its own when a guest is asked to end: system calls, on a slow machine.
SLACK = 10.0


@attrs.frozen
class Machine:
    """What a guest boots on. `memory` in bytes; `append` are more words for the kernel's command line."""

    kernel: Path
    qemu: Path
    accel: Accel
    cpus: int = 2
    memory: int = 512 << 20
    append: tuple[str, ...] = ()
    topology: Topology | None = None

    def spec(self, base: Path, **more: Any) -> GuestSpec:
        """The guest with this base, and `more` of a GuestSpec."""
        return GuestSpec(
            kernel=self.kernel,
            initrd=base,
            accel=self.accel,
            qemu=self.qemu,
            cpus=self.cpus,
            memory=self.memory,
            append=self.append,
            topology=self.topology,
            **more,
        )


def base_of(busybox: Path | None, waiting: Callable[[str], None]) -> image.Base:
    """What every guest of ours boots from. Raises as `image.build_base` does."""
    standard = {name: freeze(definition) for name, definition in _standard().items()}
    return image.build_base(entry=ENTRY, modules=LAZY, busybox=busybox, standard=standard, waiting=waiting)


def _standard() -> dict[str, Definition]:
    return {"definition": shipped().with_profile("boot"), "boot": boot_ending()}


@attrs.frozen
class Recipe:
    """`boot` is the definition of the boot's end; `operations` that of operations, where PID 1 can be asked. `timeout`
    in seconds for the whole guest; `cold`: it boots, whatever has been saved. `terminal` has the rows and columns of
    the payload's, None where it has pipes."""

    machine: Machine
    taken: Taken
    definition: Definition
    boot: Definition
    operations: Definition | None = None
    setup: str = ""
    directory: Path | None = None
    timeout: float = 120.0
    cold: bool = False
    terminal: tuple[int, int] | None = None
    #: The files of this host for the payload, where it has them.
    host_files: HostFiles | None = None
    #: Paths of files in the guest that are to be sent in the end.
    gets: tuple[str, ...] = ()

    def write(self, sink: BinaryIO, waiting: Callable[[str], None]) -> Path:
        """Write the run's archive to `sink`; the archive of the base that it belongs to. `waiting` is told of a wait
        for another process. Raises ArtifactError, OSError."""
        taken = self.taken
        config: dict[str, object] = {
            "payload": taken.payload,
            "setup": self.setup,
            "scheduler": taken.scheduler is not None,
            "terminal": self.terminal,
            "term": None if self.terminal is None else os.environ.get("TERM"),
            "cwd": None if self.directory is None else str(self.directory),
            "gets": list(self.gets),
        }
        if self.host_files is not None:
            config["host"] = {"writable": list(self.host_files.writable)}
        machine = b""
        if self.operations is not None:
            boot = None if taken.scheduler is None else taken.scheduler.name
            config["operations"] = {"boot": boot, "staged": [each.name for each in taken.staged]}
            machine = freeze(self.operations)
        standard = _standard()
        used = {"definition": self.definition, "boot": self.boot}
        changes = {name: _changes(standard[name], used[name]) for name in used}
        config["changes"] = {name: changed for name, changed in changes.items() if changed is not None}
        frozen = {name: freeze(used[name]) if changes[name] is None else b"" for name in used}
        try:
            base = base_of(taken.busybox, waiting)
            additions = image.Run(
                config=json.dumps(config).encode(),
                definition=frozen["definition"],
                boot=frozen["boot"],
                operations=machine,
                control=CONTROL if machine else None,
                staged=taken.staged,
                scheduler=taken.scheduler,
                scheduler_args=taken.arguments,
                programs=taken.programs,
                files=taken.files,
                overlay=b"" if self.host_files is None else kernels.overlay_of(self.machine.kernel),
                directories=() if self.directory is None else (str(self.directory),),
            )
            image.write_run(base, additions, sink)
        except (image.ImageError, ElfError) as error:
            raise ArtifactError(f"the guest can't be made: {error}", "see scxlife vm run --help") from error
        sink.flush()
        sink.seek(0)
        return base.archive

    def spec(self, base: Path, orders: int | None, control: socket.socket | None) -> GuestSpec:
        """The guest with this base and these orders."""
        return self.machine.spec(
            base,
            timeout=self.timeout,
            control=control,
            stop_within=self._stop_within(),
            orders=orders,
            host_files=self.host_files,
        )

    def _stop_within(self) -> float:
        """Seconds that a guest may take to end as asked: the deadlines that it can run into, one after the other."""

        def sum_of(given: Definition, *names: str) -> float:
            values = (given.settings[name] for name in names)
            return sum(float(value) for value in values if isinstance(value, (int, float)))

        # The rest of the tree has as long as the process, and settling as long as reaping; a payload that was killed
        # has as long as a scheduler.
        twice = sum_of(self.definition, "stop_grace", "release_timeout")
        ends = 2 * twice + sum_of(self.definition, "kill_timeout", "sweep_timeout")
        dismissed = sum_of(self.definition, "payload_grace", "kill_timeout")
        return ends + dismissed + sum_of(self.boot, *ENDING) + SLACK


def _changes(standard: Definition, used: Definition) -> dict[str, Any] | None:
    """What `used` has otherwise than `standard`; None if that is more than sources and settings."""
    # What was made of the standard one has its very parts.
    parts = (field.name for field in attrs.fields(Definition))
    others = [name for name in parts if getattr(used, name) is not getattr(standard, name)]
    if not {*others} <= {"sources", "settings"}:
        return None
    return {"sources": dict(used.sources), "settings": dict(used.settings)}
