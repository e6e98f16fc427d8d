"""lth-bench: compare lottery-ticket methods, faithfully and in pairs.

The names that plugins and notebooks use live here; each is imported when first used, so that
`import lth_bench` is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lth_bench.hookspecs import hookimpl

if TYPE_CHECKING:
    from lth_bench.api import run
    from lth_bench.masks import Layer, Layers, Mask, PerKind, count_at, erk, next_counts, uniform
    from lth_bench.params import Range
    from lth_bench.store.frames import results
    from lth_bench.ticket import Ticket
    from lth_bench.training.request import Change, StepView, Watch
    from lth_bench.training.state import RewindPoint, State, Trained

__version__ = "0.1.0"

_HOMES = {
    "run": "lth_bench.api",
    "results": "lth_bench.store.frames",
    "Ticket": "lth_bench.ticket",
    "Range": "lth_bench.params",
    **dict.fromkeys(
        ("Layer", "Layers", "Mask", "PerKind", "count_at", "erk", "next_counts", "uniform"),
        "lth_bench.masks",
    ),
    **dict.fromkeys(("Change", "StepView", "Watch"), "lth_bench.training.request"),
    **dict.fromkeys(("RewindPoint", "State", "Trained"), "lth_bench.training.state"),
}

__all__ = [
    "Change",
    "Layer",
    "Layers",
    "Mask",
    "PerKind",
    "Range",
    "RewindPoint",
    "State",
    "StepView",
    "Ticket",
    "Trained",
    "Watch",
    "count_at",
    "erk",
    "hookimpl",
    "next_counts",
    "results",
    "run",
    "uniform",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lth_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
