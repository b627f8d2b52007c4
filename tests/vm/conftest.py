"""The kernels that guests boot: the one that Debian ships, and a small one that is built here. A test's id says which.

What the kernel decides is tested on both. What is ours whatever the kernel does is tested on the small one, which boots
in half the time.
"""

from __future__ import annotations

import re
import shutil
import sys

import pytest

from scxlife.platform.vm import kernel_build, kernels, packages
from scxlife.platform.vm.kernels import Kernel
from scxlife.platform.vm.progress import PlainLines

#: The oldest series with sched_ext.
SMALL = "6.12"


def _shipped() -> Kernel | None:
    """The newest that was fetched: which series that is, Debian decides."""
    return next((kernel for kernel in kernels.installed() if not kernel.built), None)


def _series_shipped() -> str:
    kernel = _shipped()
    series = None if kernel is None else re.match(r"\d+\.\d+", kernel.version)
    return "shipped" if series is None else series[0]


def _kernel(series: str) -> Kernel:
    if series != SMALL:
        shipped = _shipped()
        if shipped is None:
            pytest.skip("no kernel is here yet: run scxlife kernel fetch")
        return shipped
    if shutil.which("dpkg") is None or packages.architecture() != "amd64":
        pytest.skip("needs Debian on amd64")
    # Minutes, where it is not here yet.
    return kernel_build.build(PlainLines(sys.__stderr__ or sys.stderr), SMALL)


@pytest.fixture(params=[SMALL, _series_shipped()])
def each_kernel(request: pytest.FixtureRequest) -> Kernel:
    return _kernel(request.param)


@pytest.fixture(params=[SMALL])
def small_kernel(request: pytest.FixtureRequest) -> Kernel:
    return _kernel(request.param)


@pytest.fixture(params=[_series_shipped()])
def shipped_kernel(request: pytest.FixtureRequest) -> Kernel:
    return _kernel(request.param)
