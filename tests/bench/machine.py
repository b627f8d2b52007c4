"""The machine and the versions that a benchmark's figures belong to."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Iterable
from pathlib import Path


def date() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def where(distributions: Iterable[str] = ()) -> dict[str, str]:
    """The processor, the kernel, how busy it is, Python, and the versions of `distributions`."""
    cpu = platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    minute, *_ = os.getloadavg()
    here = {
        "machine": f"{cpu}, {os.cpu_count()} CPUs, {platform.system()} {platform.release()}",
        "load when it began": f"{minute:.2f}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    versions = [_version(name) for name in distributions]
    return {**here, "versions": ", ".join(versions)} if versions else here


def head(date: str, where: dict[str, str]) -> str:
    """The first lines of a report."""
    return "\n".join([date, *(f"{name}: {value}" for name, value in where.items())])


def _version(distribution: str) -> str:
    try:
        return f"{distribution} {importlib.metadata.version(distribution)}"
    except importlib.metadata.PackageNotFoundError:
        return f"{distribution} not installed"
