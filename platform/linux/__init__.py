"""The real kernel."""

from .kernel import LinuxKernel

__all__ = ["LinuxKernel"]
