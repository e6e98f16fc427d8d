"""A pretend GPU: tensors that say `cuda:0`, hold real numbers on the CPU, and go through the real
engine and the real command line. README.md says how to use it, and what it cannot show.
"""

from pretend_gpu.graphs import CUDAGraph, Operation, shared
from pretend_gpu.machine import Machine, OutOfMemory, Place
from pretend_gpu.patches import VARIABLE, pretend, unsupported

__all__ = [
    "VARIABLE",
    "CUDAGraph",
    "Machine",
    "Operation",
    "OutOfMemory",
    "Place",
    "pretend",
    "shared",
    "unsupported",
]
