"""Effective density: the weights that lie on some path from the input to the output.

A random mask leaves weights that touch a dead unit and do nothing; a direct count overstates such
a ticket (Vysogorets & Kempe, 2021, arXiv 2107.02306).
"""

from __future__ import annotations

from torch import nn

from lth_bench.errors import UserError
from lth_bench.masks import Layer, Mask
from lth_bench.structure.connections import Connections, Unsupported


def effective_density(module: nn.Module, input_shape: tuple[int, ...], mask: Mask) -> float:
    """Fraction of the prunable weights that are kept and lie on a path, in [0, 1]."""
    return effective_mask(module, input_shape, mask).density


def effective_mask(module: nn.Module, input_shape: tuple[int, ...], mask: Mask) -> Mask:
    """The kept weights on some path of kept weights from an input to an output.

    A path leads from channel to channel: a weight counts when its input channel is reached from
    the data and its output channel reaches the logits, wherever in the kernel it lies. Values,
    biases, constants and signs do not matter; a unit whose γ is held at zero passes nothing on.
    What normalises (batch, layer and group norm, softmax) connects no neighbours, and a product of
    two activations passes on what either carries. An input that comes from no example, such as a
    learned query, counts as one of the network's. `module` is not changed.

    UserError where the network has an operation whose connections are not known.
    """
    layers = [Layer(name, "linear", tuple(kept.shape)) for name, kept in mask.kept.items()]
    try:
        return Connections(module, input_shape, layers).effective(mask)
    except Unsupported as error:
        raise UserError(f"no effective density of {type(module).__name__}: {error}") from error
