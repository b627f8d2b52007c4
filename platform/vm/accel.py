"""Decides how QEMU executes a guest: by KVM where a probe proves that it works, else by emulation (TCG).

``/dev/kvm`` can exist, open, and still not run a guest: nested virtualisation that rejects a model-specific register
or stops with an emulation failure. So KVM is believed after a tiny firmware of our own has walked from reset to 64-bit
mode on it, with the CPU model that the guest will get. That takes a tenth of a second, and is remembered until the
next boot of the host.

Multi-threaded TCG before QEMU 8.1 loses a race when the guest patches its own code (static keys, ftrace, BPF
trampolines): a CPU executes a breakpoint that is gone, and the guest dies with ``Oops: int3``. One boot in 25 of a
6.12–7.2 kernel did, on two CPUs. Such a QEMU gets one thread for all CPUs of the guest, some 15 % slower.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import attrs

from scxlife.platform.vm.cache import ArtifactError, CacheError, cache_root, read_small, replace_small
from scxlife.platform.vm.children import tied

Requested = Literal["auto", "kvm", "tcg"]

KVM_DEVICE = Path("/dev/kvm")
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
#: Seconds. A working KVM needs 0.1; one that does not may hang for ever.
_PROBE_TIMEOUT_S = 2.5
_VERSION_TIMEOUT_S = 10.0
#: Characters of what QEMU said.
_LINE = 400
_MTTCG_SOUND_FROM = (8, 1)

# The probe's firmware, as `as` and `objdump -d` give it. It lies at 0xFFFF0000, the end of the first 4 GiB.
_CODE = bytes.fromhex(
    # 16-bit code, from the reset vector
    "fa"  # cli
    "2e660f0116c000"  # lgdtl %cs:descriptor
    "0f20c0 0c01 0f22c0"  # cr0 |= PE
    "66ea 1800ffff 0800"  # ljmpl $8, $0xFFFF0018
    # 32-bit code: page tables that map the 2 MiB around itself
    "66b81000 8ed8"  # mov $16, %ax; mov %ax, %ds
    "c705 00100000 03200000"  # PML4[0] = 0x2003
    "c705 18200000 03300000"  # PDPT[3] = 0x3003
    "c705 f83f0000 8300e0ff"  # PD[511] = 0xFFE00083
    "0f20e0 0c20 0f22e0"  # cr4 |= PAE
    "b800100000 0f22d8"  # cr3 = 0x1000
    "b9800000c0 0f32 660d0001 0f30"  # EFER |= LME
    "0f20c0 0d00000080 0f22c0"  # cr0 |= PG
    "ea 6b00ffff 1800"  # ljmp $24, $0xFFFF006B
    # 64-bit code: a kernel's decompressor uses BMI2 where cpuid has it. A KVM that emulates its guest, for want of
    # something in a nested CPU, knows no such instruction, stops the guest there, and leaves QEMU waiting.
    "31c0 0fa2 83f807 7213"  # xor %eax, %eax; cpuid; cmp $7, %eax; jb over it
    "b807000000 31c9 0fa2"  # mov $7, %eax; xor %ecx, %ecx; cpuid
    "f6c701 7405"  # test $1, %bh; je over it
    "c4e271f7c1"  # shlx %ecx, %ecx, %eax
    # something that only a 64-bit CPU gets right, reported to isa-debug-exit
    "48b8efcdab8967452301"  # movabs $0x0123456789ABCDEF, %rax
    "480fc8 48c1e838 2cdf"  # bswap %rax; shr $56, %rax; sub $0xDF, %al
    "e6f4"  # out %al, $0xF4
    "f4 ebfd"  # hlt, for ever
    "90"  # to the border of 8 bytes
    # at 0xA0, the descriptor table: null, 32-bit code, data, 64-bit code
    "0000000000000000 ffff0000009bcf00 ffff00000093cf00 ffff0000009baf00"
    "1f00 a000ffff"  # at 0xC0, its descriptor: limit 31, base 0xFFFF00A0
)
_ROM_SIZE = 0x10000
_RESET_VECTOR = 0xFFF0
_JUMP_TO_START = b"\xe9\x0d\x00"  # jmp 0, from the reset vector
#: isa-debug-exit makes QEMU exit with twice the byte that it was told, plus one. The byte is 0xEF - 0xDF.
PROVEN = 2 * 0x10 + 1


#: The reason for TCG where nothing else was wanted.
ASKED_FOR = "tcg was asked for"


class AccelUnavailable(ArtifactError):
    """The accelerator that was asked for does not work here."""


@attrs.frozen
class Accel:
    """How the guest is executed, and why so."""

    name: Literal["kvm", "tcg"]
    reason: str
    #: TCG only: one host thread runs all CPUs of the guest.
    single_thread: bool = False

    @property
    def described(self) -> str:
        """For people, without QEMU's own words, which are in ``reason``."""
        if self.name == "kvm":
            return "KVM"
        if self.reason == ASKED_FOR:
            return "emulated"
        why = self.reason if self.reason.startswith(str(KVM_DEVICE)) else "a test of it failed"
        return f"emulated (no usable KVM here: {why})"

    @property
    def arguments(self) -> tuple[str, ...]:
        """QEMU's arguments for it, the CPU model included."""
        if self.name == "kvm":
            return ("-accel", "kvm", "-cpu", "host")
        return ("-accel", "tcg,thread=single" if self.single_thread else "tcg", "-cpu", "max")


@attrs.frozen
class _Findings:
    """What is remembered of a QEMU on this boot of the host."""

    single_thread: bool
    #: None: not asked yet. Empty: KVM works. Else: why not.
    kvm_fault: str | None = None


def choose(requested: Requested, *, qemu: Path, kvm: Path = KVM_DEVICE) -> Accel:
    """The accelerator for ``qemu``. With "auto", a KVM that does not work gives TCG and the reason.

    Raises AccelUnavailable when KVM was asked for and does not work, or when this ``qemu`` can't even be asked.
    """
    memory = _Memory(qemu, kvm)
    findings = memory.recall() or _Findings(single_thread=_needs_single_thread(qemu))
    fault = ASKED_FOR if requested == "tcg" else _device_fault(kvm)
    if not fault:
        if findings.kvm_fault is None:
            findings = attrs.evolve(findings, kvm_fault=_probe(qemu))
        fault = findings.kvm_fault or ""
    memory.keep(findings)
    if not fault:
        return Accel("kvm", "a probe ran on it")
    if requested == "kvm":
        raise AccelUnavailable(f"KVM does not work here: {fault}", "use --accel tcg, or auto")
    return Accel("tcg", fault, findings.single_thread)


def _device_fault(kvm: Path) -> str:
    """Why the device can't even be opened, or an empty string."""
    try:
        os.close(os.open(kvm, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return f"{kvm}: {error.strerror}"
    return ""


def firmware() -> bytes:
    """The probe: a ROM that goes from reset to 64-bit mode, and then has isa-debug-exit (port 0xF4) say PROVEN."""
    rom = bytearray(b"\xf4" * _ROM_SIZE)  # hlt
    rom[: len(_CODE)] = _CODE
    rom[_RESET_VECTOR : _RESET_VECTOR + len(_JUMP_TO_START)] = _JUMP_TO_START
    return bytes(rom)


def _probe(qemu: Path) -> str:
    """Runs the firmware on KVM. An empty string when it arrived, else what happened instead."""
    # The file has no name: nothing of it is left if we are killed.
    with tempfile.TemporaryFile() as rom:
        rom.write(firmware())
        rom.flush()
        argv = [str(qemu), "-nodefaults", "-no-user-config", "-nic", "none", "-display", "none", "-no-reboot"]
        argv += ["-M", "pc", *Accel("kvm", "").arguments, "-m", "16M", "-bios", f"/proc/self/fd/{rom.fileno()}"]
        argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
        # A QEMU that aborts must not leave a core file in the caller's folder.
        without_core = ["sh", "-c", 'ulimit -c 0; exec "$@"', "sh", *argv]
        try:
            done = subprocess.run(
                tied(without_core, "KILL"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PROBE_TIMEOUT_S,
                pass_fds=(rom.fileno(),),
            )
        except subprocess.TimeoutExpired as error:
            said = _first_line(error.stderr or b"")
            return f"a probe of {_PROBE_TIMEOUT_S:g} s did not come back" + (f": {said}" if said else "")
    if done.returncode == PROVEN:
        return ""
    return _first_line(done.stderr) or f"a probe ended with status {done.returncode}"


def _first_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return "".join(c if c.isprintable() else "?" for c in lines[0][:_LINE]) if lines else ""


def _needs_single_thread(qemu: Path) -> bool:
    try:
        asked = subprocess.run(
            [qemu, "--version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise AccelUnavailable(f"{qemu} does not tell its version: {error}", "install QEMU") from error
    version = re.search(r"version (\d+)\.(\d+)", asked.stdout)
    return version is None or (int(version[1]), int(version[2])) < _MTTCG_SOUND_FROM


class _Memory:
    """The findings for one QEMU, one /dev/kvm, one user and one boot of the host, in the cache."""

    def __init__(self, qemu: Path, kvm: Path) -> None:
        self._file = cache_root() / "accel.json"
        self._key = [_BOOT_ID.read_text().strip(), os.geteuid(), *_identity(qemu), *_identity(kvm)]
        self._kept: _Findings | None = None

    def recall(self) -> _Findings | None:
        """None when nothing is known, or what is there can't be understood."""
        try:
            found = json.loads(read_small(self._file))
            single, fault = found["single_thread"], found["kvm_fault"]
            if found["key"] == self._key and isinstance(single, bool) and (fault is None or _is_line(fault)):
                self._kept = _Findings(single, fault)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, CacheError):
            return None
        return self._kept

    def keep(self, findings: _Findings) -> None:
        """Remembers. A cache that can't be written costs the next run a probe, nothing more."""
        if findings == self._kept:
            return
        text = json.dumps({"key": self._key, **attrs.asdict(findings)})
        with suppress(OSError, CacheError):
            replace_small(self._file, text.encode())


def _is_line(fault: object) -> bool:
    return isinstance(fault, str) and len(fault) <= _LINE and fault.isprintable()


def _identity(file: Path) -> list[object]:
    try:
        status = file.stat()
    except OSError:
        return [str(file), None]
    return [str(file), status.st_dev, status.st_ino, status.st_rdev, status.st_mode, status.st_mtime_ns]
