"""A simulated kernel behind the same port: deterministic, in virtual time, and as hostile as it is told to be."""

from .kernel import SimKernel
from .machine import Machine

__all__ = ["Machine", "SimKernel"]
