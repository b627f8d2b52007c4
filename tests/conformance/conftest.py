"""The kernels of the guests, as for the tests in tests/vm."""

from tests.vm.conftest import each_kernel

__all__ = ["each_kernel"]
