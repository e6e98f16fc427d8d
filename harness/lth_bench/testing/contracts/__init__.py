"""The contracts of a strategy, one a file, in the order in which they are judged."""

from lth_bench.testing.contracts.dead_layer import dead_layer
from lth_bench.testing.contracts.exact_density import exact_density
from lth_bench.testing.contracts.extreme_densities import extreme_densities
from lth_bench.testing.contracts.hooks import hooks
from lth_bench.testing.contracts.importable import importable
from lth_bench.testing.contracts.inputs import inputs
from lth_bench.testing.contracts.nested_masks import nested_masks
from lth_bench.testing.contracts.networks import batch_norm, conv, linear, residual
from lth_bench.testing.contracts.other_seed import other_seed
from lth_bench.testing.contracts.parameters import parameters
from lth_bench.testing.contracts.picklable import picklable
from lth_bench.testing.contracts.pruned_zero import pruned_zero
from lth_bench.testing.contracts.resumes_as_undisturbed import resumes_as_undisturbed
from lth_bench.testing.contracts.same_seed import same_seed
from lth_bench.testing.contracts.stacked_as_alone import stacked_as_alone
from lth_bench.testing.contracts.untouched_test_split import untouched_test_split

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
