"""Which layout a training uses at a cohort size."""

from __future__ import annotations

from typing import TypeAlias

from lth_bench.training.engine.layouts.alone import ByHand, KeptOnly, Plain, SparseInput
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.low_precision import LowPrecision
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.engine.network import Network
from lth_bench.training.engine.sparse_sequential import DENSITY
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest

LayoutType: TypeAlias = type[
    KeptOnly | SparseInput | Plain | LowPrecision | Explicit | Vmapped | Branches
]

BESIDE_SPARSE_INPUT = 0.1
"""Density of the first layer, if it is the largest, up to which storing only kept weights beats
skipping the background. For LeNet-300-100 both take equally long at 0.11 (IMP's masks)."""


def make_layout(
    network: Network,
    data: TaskData,
    recipe: Recipe,
    cohort_size: int,
    kind: LayoutType | None = None,
) -> Layout:
    """The layout for cohorts of `cohort_size` members of this network. `kind` defaults to the one
    that every training of the network can use.
    """
    return (kind or for_any(network, recipe, cohort_size))(network, data, recipe, cohort_size)


def kind_of(
    network: Network,
    data: TaskData,
    request: FitRequest,
    cohort_size: int,
    stacks: str | None = None,
) -> LayoutType:
    """The layout class for a training at a cohort size. Depends only on the training, its data and
    the kind of machine, so that a rerun computes the same way. `stacks` is the fastest stacking
    method for the network; by default its first.
    """
    sparse_input = cohort_size == 1 and SparseInput.takes(network, data, request)
    rivals = sparse_input and network.first_is_largest
    if KeptOnly.takes(network, request, BESIDE_SPARSE_INPUT if rivals else DENSITY):
        return KeptOnly
    if sparse_input:
        return SparseInput
    return for_any(network, request.recipe, cohort_size, stacks)


def for_any(
    network: Network, recipe: Recipe, cohort_size: int, stacks: str | None = None
) -> LayoutType:
    """The layout class that every training of the network can use."""
    if recipe.bits is not None:
        return LowPrecision
    if cohort_size == 1:
        return ByHand if ByHand.takes(network, recipe) else Plain
    kinds: dict[str | None, LayoutType] = {"explicit": Explicit, "branches": Branches}
    return kinds.get(stacks or network.stacks, Vmapped)


def ways_to_stack(network: Network) -> list[str]:
    """The stacking methods available for this network; if there are several, the fastest is
    measured. `branches` is left out on a CPU, which has no idle units for a second member.
    """
    ways = [network.stacks] if network.stacks is not None else []
    if network.device.type == "cuda" and Branches.takes(network):
        ways.append("branches")
    return ways
