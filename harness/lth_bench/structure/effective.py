"""Effective density: the weights on some path from the input to the output.

A random mask keeps weights that are connected to dead units and have no effect; the plain density
counts them (Vysogorets & Kempe, 2021, arXiv 2107.02306).
"""

from __future__ import annotations

from torch import nn

from lth_bench.errors import UserError
from lth_bench.masks import Layer, Mask
from lth_bench.structure.connections import Connections, Unsupported


def effective_density(module: nn.Module, input_shape: tuple[int, ...], mask: Mask) -> float:
    """Fraction of the prunable weights that are kept and on a path, in [0, 1]."""
    return effective_mask(module, input_shape, mask).density


def effective_mask(module: nn.Module, input_shape: tuple[int, ...], mask: Mask) -> Mask:
    """The kept weights on some path of kept weights from an input to an output.

    A path leads from channel to channel: a weight counts if its input channel is reached from the
    data and its output channel reaches the logits, whatever its position in the kernel. Where a
    mask freezes pruned weights, paths lead through them too, and they are not counted. Values,
    biases, constants and signs do not matter; a unit whose γ is held at zero passes nothing on.
    Normalisation (batch, layer and group norm, softmax) connects no neighbours, and a product of
    two activations passes on what either carries. An input that does not come from an example, such
    as a learned query, counts as an input of the network. `module` is not changed.

    UserError if the network has an operation whose connections are not known.
    """
    layers = [Layer(name, "linear", tuple(kept.shape)) for name, kept in mask.kept.items()]
    try:
        return Connections(module, input_shape, layers).effective(mask)
    except Unsupported as error:
        raise UserError(f"{type(module).__name__} has no effective density: {error}") from error
