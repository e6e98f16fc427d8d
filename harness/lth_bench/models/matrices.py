"""Which parameters of a module are prunable by default, by its type."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from lth_bench.masks.layers import Layer, LayerKind, layer_name

GATES: dict[type[nn.Module], int] = {nn.LSTM: 4, nn.LSTMCell: 4, nn.GRU: 3, nn.GRUCell: 3}
"""Matrices that a recurrent layer stacks in one weight."""
ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
RECURRENT = ("weight_ih", "weight_hh", "weight_hr")
"""Beginnings of the names of recurrent layers' matrices: from the input, from the state, and of an
LSTM with `proj_size`."""
DEFAULT = "convolution, linear, attention or recurrent"


@dataclass(frozen=True)
class Matrix:
    """A prunable parameter of a module, and how to read its shape."""

    parameter: str
    """Its name in the module."""
    transposed: bool = False
    groups: int = 1
    blocks: int = 1

    def layer(self, key: str, weight: Tensor, kind: LayerKind) -> Layer:
        """The layer of this weight, whose state-dict key is `key`."""
        shape = tuple(weight.shape)
        return Layer(
            layer_name(key),
            kind,
            shape,
            transposed=self.transposed,
            groups=self.groups,
            blocks=self.blocks,
        )


def matrices_of(part: nn.Module) -> Iterator[Matrix]:
    """The weights that are prunable by default of one module, without those of its submodules;
    also those that are computed from other tensors.
    """
    if isinstance(part, _ConvNd):
        transposed = isinstance(part, _ConvTransposeNd)
        yield Matrix("weight", transposed, part.groups)
    elif isinstance(part, nn.Linear):
        yield Matrix("weight")
    elif isinstance(part, nn.MultiheadAttention):
        for name in ATTENTION:
            if getattr(part, name, None) is not None:
                yield Matrix(name, blocks=3 if name == "in_proj_weight" else 1)
    elif isinstance(part, nn.RNNBase | nn.RNNCellBase):
        gates = next((n for kind, n in GATES.items() if isinstance(part, kind)), 1)
        names = part._flat_weights_names if isinstance(part, nn.RNNBase) else RECURRENT[:2]
        for name in names:
            if name.startswith(RECURRENT):
                yield Matrix(name, blocks=1 if name.startswith("weight_hr") else gates)


def looks_prunable(key: str, tensor: Tensor) -> bool:
    """Whether a state dict's entry may be the weight of a layer, by its name and shape alone."""
    name = key.rpartition(".")[2]
    known = name == "weight" or name in ATTENTION or name.startswith(RECURRENT)
    return known and tensor.ndim >= 2
