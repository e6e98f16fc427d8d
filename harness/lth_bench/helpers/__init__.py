"""Common building blocks of strategies. Public: all of it is exported by `lth_bench`.

Masks and their arithmetic are in `lth_bench.masks`; a ticket's own trainings, batches and random
streams are on the ticket.
"""

from lth_bench.helpers.gradients import (
    balanced_batch,
    gradients_of,
    hessian_vector_product,
    loss_gradients,
    prunable_weights,
)
from lth_bench.helpers.schedules import cosine, exponential_density, polynomial_density
from lth_bench.helpers.units import norm_scores, rank_within, unit_mask, unit_scores

__all__ = [
    "balanced_batch",
    "cosine",
    "exponential_density",
    "gradients_of",
    "hessian_vector_product",
    "loss_gradients",
    "norm_scores",
    "polynomial_density",
    "prunable_weights",
    "rank_within",
    "unit_mask",
    "unit_scores",
]
