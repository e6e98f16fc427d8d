"""The contracts of a strategy, in the order in which they are judged."""

from lth_bench.testing.contracts.isolation import (
    inputs,
    resumes_as_undisturbed,
    stacked_as_alone,
    untouched_test_split,
)
from lth_bench.testing.contracts.masks import exact_density, nested_masks, pruned_zero
from lth_bench.testing.contracts.networks import (
    batch_norm,
    conv,
    dead_layer,
    extreme_densities,
    linear,
    residual,
)
from lth_bench.testing.contracts.parameters import parameters
from lth_bench.testing.contracts.plugin import hooks, importable, picklable
from lth_bench.testing.contracts.seeds import other_seed, same_seed

CONTRACTS = (
    hooks,
    parameters,
    exact_density,
    nested_masks,
    pruned_zero,
    same_seed,
    other_seed,
    inputs,
    untouched_test_split,
    linear,
    conv,
    batch_norm,
    residual,
    dead_layer,
    extreme_densities,
    stacked_as_alone,
    resumes_as_undisturbed,
    picklable,
    importable,
)
"""All of them."""

__all__ = [
    "CONTRACTS",
    "batch_norm",
    "conv",
    "dead_layer",
    "exact_density",
    "extreme_densities",
    "hooks",
    "importable",
    "inputs",
    "linear",
    "nested_masks",
    "other_seed",
    "parameters",
    "picklable",
    "pruned_zero",
    "residual",
    "resumes_as_undisturbed",
    "same_seed",
    "stacked_as_alone",
    "untouched_test_split",
]
