"""A pretend GPU: tensors that say `cuda:0`, hold real numbers on the CPU, and go through the real
engine and the real command line. README.md says how to use it, and what it cannot show.

Its names are imported when they are used: tests that need no torch start four seconds sooner.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    for module in ("machine", "graphs", "patches"):
        if name in __all__ and hasattr(found := import_module(f"pretend_gpu.{module}"), name):
            return getattr(found, name)
    raise AttributeError(f"module 'pretend_gpu' has no attribute {name!r}")
