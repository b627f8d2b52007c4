"""KVM is believed only after a probe ran on it; QEMU is a script here that does as the story needs."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from scxlife.platform.vm import accel

Qemu = Callable[[str], Path]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def qemu(tmp_path: Path) -> Qemu:
    def make(probe: str, version: str = "9.2.0") -> Path:
        script = tmp_path / "qemu"
        script.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && {{ echo QEMU emulator version {version}; exit; }}\n'
            f"echo probed >> {tmp_path}/probes\n{probe}\n"
        )
        script.chmod(0o755)
        return script

    return make


@pytest.fixture
def kvm(tmp_path: Path) -> Path:
    device = tmp_path / "kvm"
    device.touch()
    return device


def probes(tmp_path: Path) -> int:
    file = tmp_path / "probes"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_probe_that_arrives_proves_kvm_once(qemu: Qemu, kvm: Path, tmp_path: Path) -> None:
    works = qemu("exit 33")
    assert accel.choose("auto", qemu=works, kvm=kvm).name == "kvm"
    assert accel.choose("kvm", qemu=works, kvm=kvm).name == "kvm"
    assert probes(tmp_path) == 1


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        ("echo 'error: failed to set MSR' >&2; kill -ABRT $$", "failed to set MSR"),
        ("exit 0", "status 0"),
        ("echo 'KVM internal error' >&2; exec sleep 600", "did not come back"),
    ],
)
def test_a_kvm_that_fails_gives_tcg_and_the_reason(
    qemu: Qemu, kvm: Path, tmp_path: Path, probe: str, reason: str
) -> None:
    broken = qemu(probe)
    for _ in range(2):
        chosen = accel.choose("auto", qemu=broken, kvm=kvm)
        assert chosen.name == "tcg"
        assert reason in chosen.reason
    assert probes(tmp_path) == 1
    with pytest.raises(accel.AccelUnavailable, match=reason):
        accel.choose("kvm", qemu=broken, kvm=kvm)


def test_without_the_device_nothing_is_probed(qemu: Qemu, tmp_path: Path) -> None:
    chosen = accel.choose("auto", qemu=qemu("exit 33"), kvm=tmp_path / "none")
    assert chosen.name == "tcg"
    assert "No such file" in chosen.reason
    assert probes(tmp_path) == 0


def test_tcg_is_never_probed(qemu: Qemu, kvm: Path, tmp_path: Path) -> None:
    assert accel.choose("tcg", qemu=qemu("exit 33"), kvm=kvm).name == "tcg"
    assert probes(tmp_path) == 0
    # What is remembered of it does not stand in for a probe.
    assert accel.choose("auto", qemu=tmp_path / "qemu", kvm=kvm).name == "kvm"


def test_another_qemu_is_probed_anew(qemu: Qemu, kvm: Path, tmp_path: Path) -> None:
    accel.choose("auto", qemu=qemu("exit 1"), kvm=kvm)
    other = qemu("exit 33").rename(tmp_path / "other")
    assert accel.choose("auto", qemu=other, kvm=kvm).name == "kvm"


@pytest.mark.parametrize(("version", "single"), [("7.2.22", True), ("8.0.5", True), ("8.1.0", False), ("10.0", False)])
def test_a_qemu_whose_threads_race_gets_one(qemu: Qemu, kvm: Path, version: str, single: bool) -> None:
    maker: Callable[..., Path] = qemu
    chosen = accel.choose("tcg", qemu=maker("exit 1", version), kvm=kvm)
    assert chosen.single_thread is single
    assert ("tcg,thread=single" in chosen.arguments) is single


@pytest.mark.parametrize("kept", ["", "[]", "{}", json.dumps({"key": [], "single_thread": False, "kvm_fault": ""})])
def test_a_memory_that_makes_no_sense_is_no_memory(qemu: Qemu, kvm: Path, tmp_path: Path, kept: str) -> None:
    cache = tmp_path / "cache" / "scxlife"
    cache.mkdir(parents=True, mode=0o700)
    (cache / "accel.json").write_text(kept)
    assert accel.choose("auto", qemu=qemu("exit 33"), kvm=kvm).name == "kvm"
    assert probes(tmp_path) == 1


@pytest.mark.parametrize(
    "fault", [7, ["x"], "\x1b[31mred", "x" * 10_000, {"a": 1}], ids=["number", "list", "escape", "long", "object"]
)
def test_L11_a_remembered_fault_that_makes_no_sense_is_forgotten(
    qemu: Qemu, kvm: Path, tmp_path: Path, fault: object
) -> None:
    assert accel.choose("auto", qemu=qemu("exit 33"), kvm=kvm).name == "kvm"
    kept = tmp_path / "cache" / "scxlife" / "accel.json"
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "kvm_fault": fault}))
    assert accel.choose("auto", qemu=tmp_path / "qemu", kvm=kvm).name == "kvm"
    assert probes(tmp_path) == 2


def test_L11_a_memory_that_others_can_write_to_is_not_read(qemu: Qemu, kvm: Path, tmp_path: Path) -> None:
    accel.choose("auto", qemu=qemu("exit 33"), kvm=kvm)
    (tmp_path / "cache" / "scxlife" / "accel.json").chmod(0o666)
    accel.choose("auto", qemu=tmp_path / "qemu", kvm=kvm)
    assert probes(tmp_path) == 2


def test_a_qemu_that_is_missing_is_told(kvm: Path, tmp_path: Path) -> None:
    with pytest.raises(accel.AccelUnavailable, match="version"):
        accel.choose("auto", qemu=tmp_path / "none", kvm=kvm)


@pytest.mark.skipif(shutil.which("qemu-system-x86_64") is None, reason="QEMU is not installed")
@pytest.mark.parametrize("cpu", ["max", "max,bmi1=off,bmi2=off"])
def test_the_firmware_of_the_probe_arrives_on_an_emulated_cpu(tmp_path: Path, cpu: str) -> None:
    firmware = tmp_path / "rom"
    firmware.write_bytes(accel.firmware())
    argv = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none", "-M", "pc"]
    argv += ["-accel", "tcg", "-cpu", cpu, "-m", "16M", "-bios", str(firmware)]
    argv += ["-device", "isa-debug-exit,iobase=0xf4,iosize=1"]
    assert subprocess.run(argv, timeout=60, stdin=subprocess.DEVNULL).returncode == accel.PROVEN
