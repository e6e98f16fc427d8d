"""Which layout a network takes at a cohort size."""

from __future__ import annotations

from typing import TypeAlias

from lth_bench.training.engine.layouts.alone import ByHand, KeptOnly, Plain, SparseInput
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.engine.network import Network
from lth_bench.training.engine.sparse_sequential import DENSITY
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import FitRequest

LayoutType: TypeAlias = type[KeptOnly | SparseInput | Plain | Explicit | Vmapped | Branches]

BESIDE_SPARSE_INPUT = 0.1
"""Density of the first layer, where it is the largest, up to which keeping its kept weights alone
beats leaving out the background: LeNet-300-100 takes as long either way at 0.11 (IMP's masks)."""


def make_layout(
    network: Network,
    data: TaskData,
    recipe: Recipe,
    cohort_size: int,
    kind: LayoutType | None = None,
) -> Layout:
    """The layout for cohorts of `cohort_size` members of this network; if `kind` is not given, of
    the kind that every training can take.
    """
    return (kind or for_any(network, recipe, cohort_size))(network, data, recipe, cohort_size)


def kind_of(
    network: Network,
    data: TaskData,
    request: FitRequest,
    cohort_size: int,
    stacks: str | None = None,
) -> LayoutType:
    """The kind of layout that a training takes at a cohort size: a property of the training, its
    data and the kind of machine, so that a rerun computes the same way. `stacks` is the way of
    stacking that is fastest for the network; its first one if not given.
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
    """The kind of layout that every training of the network can take."""
    if cohort_size == 1:
        return ByHand if ByHand.takes(network, recipe) else Plain
    kinds: dict[str | None, LayoutType] = {"explicit": Explicit, "branches": Branches}
    return kinds.get(stacks or network.stacks, Vmapped)


def ways_to_stack(network: Network) -> list[str]:
    """How members of this network can be stacked, to be raced where there are several. On a CPU,
    which has no idle units for a second member, branches gain nothing.
    """
    ways = [network.stacks] if network.stacks is not None else []
    if network.device.type == "cuda" and Branches.takes(network):
        ways.append("branches")
    return ways
