"""Every figure, described once: what is drawn, from the evidence of a task.

A figure is a function of the evidence that returns a `Picture`, or None where it has nothing to
show. To add one, write it and put it into `PICTURES`: `lth-bench report` then draws it on its page
with plotly, and with `--figures` into files with matplotlib. Those in `OF_GROUPS` are about tasks
beside each other, and `transfer` about those between which tickets were transferred.
"""

from __future__ import annotations

from collections.abc import Callable

from lth_bench.analysis.evidence import TaskEvidence, TaskGroup
from lth_bench.output.pictures.boundary import boundary, hull_distance
from lth_bench.output.pictures.detail import FULL, Detail, detail_of
from lth_bench.output.pictures.differences import break_even, ingredients
from lth_bench.output.pictures.early_stop import early_stop_and_gap
from lth_bench.output.pictures.instability import instability
from lth_bench.output.pictures.layers import kept_per_layer, weights
from lth_bench.output.pictures.masks import kept_per_unit, mask_maps
from lth_bench.output.pictures.metric import (
    against_cost,
    against_density,
    before_rewinding,
)
from lth_bench.output.pictures.model import Picture
from lth_bench.output.pictures.over_steps import distances, learning
from lth_bench.output.pictures.procedure import procedure
from lth_bench.output.pictures.size import size
from lth_bench.output.pictures.survivors import origins, survival, values
from lth_bench.output.pictures.transfer import transfer
from lth_bench.output.pictures.variants import variants

PICTURES: tuple[Callable[[TaskEvidence, Detail], Picture | None], ...] = (
    against_density,
    early_stop_and_gap,
    against_cost,
    break_even,
    ingredients,
    before_rewinding,
    kept_per_layer,
    kept_per_unit,
    mask_maps,
    learning,
    distances,
    weights,
    survival,
    values,
    origins,
    instability,
    hull_distance,
    boundary,
    procedure,
)
"""In the order that files are written; pages have an order of their own."""

OF_GROUPS: tuple[Callable[[TaskGroup], Picture | None], ...] = (size, variants)
"""Figures of several tasks."""

__all__ = ["FULL", "OF_GROUPS", "PICTURES", "Detail", "Picture", "detail_of", "transfer"]
