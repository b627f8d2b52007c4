"""Kernel sources come from real apt, of the version that was asked for, without what nothing is built from."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.platform.kernel_mirror import needs_tools

from scxlife.platform.vm import kernel_source, packages
from scxlife.platform.vm.progress import PlainLines

if TYPE_CHECKING:
    from conftest import Repository


def fetch(version: str, suite: str | None = None) -> Path:
    progress = PlainLines(io.StringIO())
    return kernel_source.fetch(progress, kernel_source.parse(version, suite), refresh=False)


@needs_tools
def test_of_other_architectures_only_kconfig_is_unpacked(mirror: Repository) -> None:
    linux = fetch("6.12") / "linux"
    assert (linux / "arch/x86/mm/fault.c").exists()
    assert (linux / "arch/arm/Kconfig").exists()
    assert not (linux / "arch/arm/mm/fault.c").exists()


@needs_tools
def test_a_source_that_is_here_is_taken_without_asking_the_mirror(mirror: Repository) -> None:
    first = fetch("6.12")
    shutil.rmtree(mirror.root)
    assert fetch("6.12.117", "trixie") == first


@needs_tools
@pytest.mark.parametrize(
    ("version", "suite", "message"),
    [
        ("6.12.9", None, "trixie has 6.12.117-1, not 6.12.9"),
        ("6.12.11", None, "trixie has 6.12.117-1, not 6.12.11"),
        ("6.13", "trixie", "there is no linux-source-6.13 in trixie"),
        ("6.13", None, "there is no linux-source-6.13 in trixie or sid"),
        ("newest", None, "'newest' is no kernel version"),
        ("6.12; true", None, "'6.12; true' is no kernel version"),
    ],
)
def test_a_version_that_cannot_be_had_is_told(
    mirror: Repository, version: str, suite: str | None, message: str
) -> None:
    with pytest.raises(packages.PackageNotFound, match=message):
        fetch(version, suite)
