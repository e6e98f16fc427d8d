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
from lth_bench.helpers.retraining import (
    Retraining,
    adaptive_lr,
    pruning_distance,
    retraining,
)
from lth_bench.helpers.rewiring import (
    drop_smallest,
    exploration_rate,
    grow_largest,
    momentum_of,
    note_explored,
    random_mask,
)
from lth_bench.helpers.schedules import cosine, exponential_density, polynomial_density
from lth_bench.helpers.survivors import (
    redrawn,
    reshuffled,
    signed_constant,
    with_random_signs,
    with_signs_of,
)
from lth_bench.helpers.units import (
    next_unit_count,
    norm_penalty,
    norm_scores,
    rank_within,
    shrunk_metrics,
    unit_mask,
    unit_scores,
)

__all__ = [
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
    "retraining",
    "shrunk_metrics",
    "signed_constant",
    "unit_mask",
    "unit_scores",
    "with_random_signs",
    "with_signs_of",
]
