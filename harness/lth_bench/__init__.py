"""lth-bench: faithful, paired comparisons of lottery-ticket methods.

All names for plugins and notebooks are here; each is imported on first use, so that
`import lth_bench` is fast.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lth_bench.api import run
    from lth_bench.data.arrays import Arrays
    from lth_bench.data.info import DatasetInfo, InputShape
    from lth_bench.errors import Unreachable, UserError
    from lth_bench.helpers import (
        Retraining,
        adaptive_lr,
        balanced_batch,
        cosine,
        drop_smallest,
        exploration_rate,
        exponential_density,
        gradients_of,
        grow_largest,
        hessian_vector_product,
        loss_gradients,
        momentum_of,
        next_unit_count,
        norm_penalty,
        norm_scores,
        note_explored,
        polynomial_density,
        prunable_weights,
        pruning_distance,
        random_mask,
        rank_within,
        redrawn,
        reshuffled,
        retraining,
        shrunk_metrics,
        signed_constant,
        unit_mask,
        unit_scores,
        with_random_signs,
        with_signs_of,
    )
    from lth_bench.hookspecs import hookimpl
    from lth_bench.interchange import (
        SavedTicket,
        load_network,
        load_ticket,
        mask_from,
        prune_with_torch,
    )
    from lth_bench.masks import (
        Layer,
        Layers,
        Mask,
        PerKind,
        count_at,
        er,
        erk,
        largest_remainder,
        next_counts,
        smart_ratio,
        uniform,
    )
    from lth_bench.masks.allocation import top_k_flat
    from lth_bench.notebook import results
    from lth_bench.objectives import Metric, Objective
    from lth_bench.own_loop import Sparsifier, sparsify
    from lth_bench.params import Range, Tune
    from lth_bench.running.task_plan import TaskFacts
    from lth_bench.structure import (
        UnitGroup,
        effective_density,
        effective_mask,
        largest_below,
        measure_network,
        removed_units,
        shrink_network,
    )
    from lth_bench.ticket import Ticket
    from lth_bench.ticket_view import TicketView
    from lth_bench.training.request import Change, StepView, Watch
    from lth_bench.training.state import CurvePoint, RewindPoint, State, Trained

__version__ = "0.1.0"

# Before the first product: MKL's results must not depend on a matrix's memory alignment, or a
# member's bits would depend on its slot. AUTO keeps the processor's SIMD width; products take as
# long as without it (LeNet-300-100: 625 and 628 µs).
os.environ.setdefault("MKL_CBWR", "AUTO")

_HOMES = {
    "run": "lth_bench.api",
    "results": "lth_bench.notebook",
    "Ticket": "lth_bench.ticket",
    "hookimpl": "lth_bench.hookspecs",
    "Arrays": "lth_bench.data.arrays",
    **dict.fromkeys(("DatasetInfo", "InputShape"), "lth_bench.data.info"),
    **dict.fromkeys(("Metric", "Objective"), "lth_bench.objectives"),
    **dict.fromkeys(("Range", "Tune"), "lth_bench.params"),
    **dict.fromkeys(
        (
            "Layer",
            "Layers",
            "Mask",
            "PerKind",
            "count_at",
            "er",
            "erk",
            "largest_remainder",
            "next_counts",
            "smart_ratio",
            "uniform",
        ),
        "lth_bench.masks",
    ),
    **dict.fromkeys(("Unreachable", "UserError"), "lth_bench.errors"),
    "top_k_flat": "lth_bench.masks.allocation",
    **dict.fromkeys(
        (
            "Retraining",
            "adaptive_lr",
            "balanced_batch",
            "cosine",
            "drop_smallest",
            "exploration_rate",
            "exponential_density",
            "gradients_of",
            "grow_largest",
            "hessian_vector_product",
            "loss_gradients",
            "momentum_of",
            "next_unit_count",
            "norm_penalty",
            "norm_scores",
            "note_explored",
            "polynomial_density",
            "prunable_weights",
            "pruning_distance",
            "random_mask",
            "rank_within",
            "redrawn",
            "reshuffled",
            "signed_constant",
            "retraining",
            "shrunk_metrics",
            "unit_mask",
            "unit_scores",
            "with_random_signs",
            "with_signs_of",
        ),
        "lth_bench.helpers",
    ),
    **dict.fromkeys(("Change", "StepView", "Watch"), "lth_bench.training.request"),
    **dict.fromkeys(("CurvePoint", "RewindPoint", "State", "Trained"), "lth_bench.training.state"),
    **dict.fromkeys(
        (
            "UnitGroup",
            "effective_density",
            "effective_mask",
            "largest_below",
            "measure_network",
            "removed_units",
            "shrink_network",
        ),
        "lth_bench.structure",
    ),
    **dict.fromkeys(
        ("SavedTicket", "load_network", "load_ticket", "mask_from", "prune_with_torch"),
        "lth_bench.interchange",
    ),
    **dict.fromkeys(("Sparsifier", "sparsify"), "lth_bench.own_loop"),
    "TaskFacts": "lth_bench.running.task_plan",
    "TicketView": "lth_bench.ticket_view",
}

__all__ = [
    "Arrays",
    "Change",
    "CurvePoint",
    "DatasetInfo",
    "InputShape",
    "Layer",
    "Layers",
    "Mask",
    "Metric",
    "Objective",
    "PerKind",
    "Range",
    "Retraining",
    "RewindPoint",
    "SavedTicket",
    "Sparsifier",
    "State",
    "StepView",
    "TaskFacts",
    "Ticket",
    "TicketView",
    "Trained",
    "Tune",
    "UnitGroup",
    "Unreachable",
    "UserError",
    "Watch",
    "adaptive_lr",
    "balanced_batch",
    "cosine",
    "count_at",
    "drop_smallest",
    "effective_density",
    "effective_mask",
    "er",
    "erk",
    "exploration_rate",
    "exponential_density",
    "gradients_of",
    "grow_largest",
    "hessian_vector_product",
    "hookimpl",
    "largest_below",
    "largest_remainder",
    "load_network",
    "load_ticket",
    "loss_gradients",
    "mask_from",
    "measure_network",
    "momentum_of",
    "next_counts",
    "next_unit_count",
    "norm_penalty",
    "norm_scores",
    "note_explored",
    "polynomial_density",
    "prunable_weights",
    "prune_with_torch",
    "pruning_distance",
    "random_mask",
    "rank_within",
    "redrawn",
    "removed_units",
    "reshuffled",
    "results",
    "retraining",
    "run",
    "shrink_network",
    "shrunk_metrics",
    "signed_constant",
    "smart_ratio",
    "sparsify",
    "top_k_flat",
    "uniform",
    "unit_mask",
    "unit_scores",
    "with_random_signs",
    "with_signs_of",
]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lth_bench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
