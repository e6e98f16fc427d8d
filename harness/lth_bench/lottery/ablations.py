"""What ablations do to a strategy and to the length of its training; `suite/ablations.py` lists
them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def has_scores(strategy: Any) -> bool:
    """Whether a strategy, or its class, says by which scores it ranks weights."""
    return callable(getattr(strategy, "scores", None))


def as_ablated(strategy: Any, ablation: Mapping[str, Any] | None) -> Any:
    """The strategy that an experiment runs: its scores inverted, where that is its ablation."""
    asked = ablation is not None and ablation["name"] == "inverted_score"
    return inverted(strategy) if asked and has_scores(strategy) else strategy


def inverted(strategy: Any) -> Any:
    """The strategy with the sign of its `scores` changed: what it would keep first goes first."""
    cls = type(strategy)

    def scores(self: Any, *arguments: Any, **named: Any) -> Any:
        return -cls.scores(self, *arguments, **named)

    turned = type(cls.__name__, (cls,), {"scores": scores, "__module__": cls.__module__})
    twin = copy.copy(strategy)
    object.__setattr__(twin, "__class__", turned)  # past the frozen dataclass
    return twin


def scratch_steps(steps: int, flops_dense: float, flops_pruned: float) -> int:
    """Scratch-B: steps after which the pruned network has cost as many FLOPs as the dense one in
    `steps`, rounded down as in the authors' code.
    """
    return int(steps * flops_dense / flops_pruned)
