"""Batches, gradients and Hessian-vector products of a ticket's network."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from lth_bench.errors import Diverged, Unreachable
from lth_bench.masks import Layer, Layers, Mask
from lth_bench.objectives import Objective
from lth_bench.ticket import Ticket
from lth_bench.training.engine.loss import step_loss

LabelledBatch = tuple[Tensor, Tensor]
"""Inputs [N, …] in the network's input format, and targets [N, …]; from `ticket.batches`."""


def loss_gradients(
    ticket: Ticket,
    batch: LabelledBatch,
    *,
    values: Mapping[str, Tensor] | None = None,
    mask: Mask | None = None,
    training: bool = True,
    temperature: float = 1.0,
) -> Layers:
    """∂L/∂θ of every prunable weight, each of its weight's shape, for the mean loss of a batch.

    L is the objective's loss of outputs / `temperature`, the mean over the batch (cross-entropy is
    in nats); GraSP (Wang et al., 2020) divides logits by 200. `values` are all parameters and
    buffers (the initial ones by default). Under a `mask` the pruned weights are zero in the forward
    pass but still have a gradient, which FORCE and RigL rank by. For the mean over several batches,
    average the results.

    `training` selects train mode, with the batch's own batch-norm statistics and dropout (SNIP,
    GraSP), or eval mode. The network is a copy: neither values nor running statistics change. A
    weight that does not affect the loss has gradient zero. ValueError unless temperature > 0;
    Diverged if the loss or a gradient is NaN or infinite, as in training.

        x, y = next(ticket.batches(128, purpose="snip"))
        sensitivity = abs(ticket.initial.weights * loss_gradients(ticket, (x, y)))
    """
    net, weights = network(ticket, values, mask, training)
    with torch.enable_grad():
        loss = batch_loss(net, batch, temperature, ticket.bench.objective)
        return finite(gradients_of(loss, weights), "gradients")


def gradients_of(objective: Tensor, weights: Mapping[str, Tensor]) -> Layers:
    """∂objective/∂weight, layer by layer, for a custom objective.

    `objective` is a zero-dimensional tensor; `weights` are the tensors it was computed from, by
    layer, as returned by `prunable_weights(module, ticket.layers)`. A weight that does not affect
    the objective has gradient zero. The graph is freed.
    """
    found = torch.autograd.grad(objective, list(weights.values()), materialize_grads=True)
    return Layers(dict(zip(weights, found, strict=True)))


def prunable_weights(module: nn.Module, layers: Sequence[Layer]) -> Layers:
    """A module's prunable weights by layer: the parameters themselves, not copies.

    `module` is from `ticket.module(values)`, and `layers` are `ticket.layers`.
    """
    return Layers({layer.name: module.get_parameter(layer.key) for layer in layers})


def finite(found: Layers, what: str) -> Layers:
    """Return `found`. Raises Diverged if a value is NaN or infinite, so that an experiment gets the
    same status whether it diverges in a training or in a score.
    """
    for name, tensor in found.items():
        if not bool(tensor.isfinite().all()):
            raise Diverged(f"the {what} of layer {name!r} are NaN or infinite")
    return found


class LiveNetwork(NamedTuple):
    """A network and its prunable weights."""

    module: nn.Module
    weights: Layers


def network(
    ticket: Ticket, values: Mapping[str, Tensor] | None, mask: Mask | None, training: bool
) -> LiveNetwork:
    """The ticket's network at these values and under this mask, with every prunable weight
    trainable.
    """
    module = ticket.module(values)
    if not training:
        module.eval()  # it is in its training modes, with parts held in eval mode
    weights = prunable_weights(module, ticket.layers)
    for weight in weights.values():
        weight.requires_grad_(True)
    if mask is not None:
        with torch.no_grad():
            mask.to(ticket.device).apply_(module.state_dict())
    return LiveNetwork(module, weights)


def batch_loss(
    module: nn.Module, batch: LabelledBatch, temperature: float, objective: Objective
) -> Tensor:
    """Mean loss of the task's objective, of outputs / temperature, over a batch."""
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, but got {temperature}")
    x, y = batch
    outputs = module(x.clone())  # a network may modify its input in place
    loss = step_loss(objective, outputs if temperature == 1 else outputs / temperature, y, 0.0)
    if not bool(loss.isfinite()):
        raise Diverged(f"the loss of a batch is {loss.item()}")
    return loss


def hessian_vector_product(
    ticket: Ticket,
    batch: LabelledBatch,
    vector: Mapping[str, Tensor],
    *,
    values: Mapping[str, Tensor] | None = None,
    mask: Mask | None = None,
    training: bool = True,
    temperature: float = 1.0,
) -> Layers:
    """H·v, where H is the Hessian of the batch's mean loss in the prunable weights.

    `vector` and the result have a tensor of the weight's shape for each layer. The other arguments
    are those of `loss_gradients`. H is P × P over the prunable weights alone: biases and batch
    norm are constants here. Computed by double backward, exact up to rounding, at about the cost
    of three training steps; attention and recurrent layers by kernels that have a second
    derivative, which takes longer. ReLU has no curvature of its own. Unreachable where torch has
    no second derivative of an operation, such as hardsigmoid.

    GraSP (Wang et al., 2020, equation 8) removes the weights of largest −θ ⊙ Hg, so it keeps

        g = loss_gradients(ticket, batch, temperature=200)
        flow = hessian_vector_product(ticket, batch, g, temperature=200)
        mask = Mask.top_k(ticket.initial.weights * flow, ticket.target_count)
    """
    net, weights = network(ticket, values, mask, training)
    if set(vector) != set(weights):
        raise ValueError(f"layers must match: {list(weights)}, but got {list(vector)}")
    with torch.enable_grad(), twice_differentiable(net):
        loss = batch_loss(net, batch, temperature, ticket.bench.objective)
        first = torch.autograd.grad(
            loss, list(weights.values()), create_graph=True, materialize_grads=True
        )
        slope = torch.stack(
            [(g * vector[name].detach()).sum() for name, g in zip(weights, first, strict=True)]
        ).sum()
        if not slope.requires_grad:  # if the loss is linear in all weights
            return weights.map(lambda w: torch.zeros_like(w, requires_grad=False))
        try:
            return finite(gradients_of(slope, weights), "Hessian's products")
        except RuntimeError as error:
            found = re.match(r"derivative for (?:aten::)?(\w+?)_backward is not impl", str(error))
            if found is None:
                raise
            raise Unreachable(
                f"the method needs second derivatives of this network, and torch has none of "
                f"{found[1]}"
            ) from error


@contextmanager
def twice_differentiable(module: nn.Module) -> Iterator[None]:
    """Kernels whose backward pass has a derivative: torch's fused attention has none, nor have
    cuDNN's recurrent layers.
    """
    with ExitStack() as chosen:
        chosen.enter_context(sdpa_kernel(SDPBackend.MATH))
        if any(isinstance(part, nn.RNNBase) for part in module.modules()):
            chosen.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield


def balanced_batch(
    ticket: Ticket, per_class: int, purpose: str = "balanced"
) -> tuple[Tensor, Tensor]:
    """One batch with `per_class` training examples of each class: x [N, C, H, W], labels [N].

    N = per_class × classes. Normalised, not augmented, without repetition, in random order: a
    function of (seed, purpose). GraSP (Wang et al., 2020) scores 10 examples per class. ValueError
    if a class has fewer, or if the targets are not classes.
    """
    data = ticket.bench.data
    if data.info.targets != "class":
        raise ValueError(
            f"a balanced batch takes examples of each class, but the targets are "
            f"{data.info.targets}; take ticket.batches"
        )
    order = torch.randperm(len(data.train), generator=ticket.data_stream(purpose))
    labels = data.train.y.cpu()[order]
    places = [torch.nonzero(labels == c).flatten()[:per_class] for c in range(ticket.classes)]
    fewest = min(map(len, places))
    if per_class < 1 or fewest < per_class:
        raise ValueError(
            f"per_class must be at least 1 and at most the size of the smallest class, "
            f"but got {per_class}" + (f"; one class has {fewest}" if fewest < per_class else "")
        )
    index = order[torch.cat(places).sort().values].to(ticket.device)
    ticket.ledger.batches += 1
    x = ticket.bench.network.as_input(data.normalise(data.train.x[index]))
    return x, data.train.y[index]
