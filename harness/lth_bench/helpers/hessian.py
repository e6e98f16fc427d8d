"""Products of the loss's Hessian with a vector, without the Hessian."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lth_bench.helpers.gradients import Batch, batch_loss, finite, gradients_of, network
from lth_bench.masks import Layers, Mask
from lth_bench.ticket import Ticket


def hessian_vector_product(
    ticket: Ticket,
    batch: Batch,
    vector: Mapping[str, Tensor],
    *,
    values: Mapping[str, Tensor] | None = None,
    mask: Mask | None = None,
    training: bool = True,
    temperature: float = 1.0,
) -> Layers:
    """H·v, where H is the Hessian of the batch's mean loss in the prunable weights.

    `vector` has a tensor of the weight's shape for each layer, and so has the answer. The other
    arguments are those of `loss_gradients`. H is P × P over the prunable weights alone: biases and
    batch norm are constants here. By double backward, exact up to rounding, for about the cost of
    three training steps. ReLU has no curvature of its own.

    GraSP (Wang et al., 2020, equation 8) removes the weights of largest −θ ⊙ Hg, so it keeps

        g = loss_gradients(ticket, batch, temperature=200)
        flow = hessian_vector_product(ticket, batch, g, temperature=200)
        mask = Mask.top_k(ticket.initial.weights * flow, ticket.target_count)
    """
    net, weights = network(ticket, values, mask, training)
    if set(vector) != set(weights):
        raise ValueError(f"layers differ: {list(weights)} and {list(vector)}")
    with torch.enable_grad():
        loss = batch_loss(net, batch, temperature)
        first = torch.autograd.grad(
            loss, list(weights.values()), create_graph=True, materialize_grads=True
        )
        slope = torch.stack(
            [(g * vector[name].detach()).sum() for name, g in zip(weights, first, strict=True)]
        ).sum()
        if not slope.requires_grad:  # the loss is linear in all weights
            return weights.map(lambda w: torch.zeros_like(w, requires_grad=False))
        return finite(gradients_of(slope, weights), "Hessian's products")
