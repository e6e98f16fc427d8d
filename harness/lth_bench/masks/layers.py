"""Prunable layers: `Layer`, a fraction per kind of layer, and a tensor per layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from lth_bench.params import Range

LayerKind = Literal["conv", "linear", "output"]
"""`conv` has a kernel, `linear` is any matrix: of linear layers, attention, recurrent layers,
embeddings. `output` computes the network's outputs."""


def weight_key(name: str) -> str:
    """The state-dict key of a layer's weight, by the layer's name.

    `fc1` → `fc1.weight`; `lstm/weight_ih_l0` → `lstm.weight_ih_l0`; the network itself, `""`, →
    `weight`.
    """
    if "/" in name:
        return name.replace("/", ".").lstrip(".")
    return f"{name}.weight" if name else "weight"


def layer_name(key: str) -> str:
    """The inverse of `weight_key`: the name of the layer that a state-dict key is the weight of."""
    module, _, parameter = key.rpartition(".")
    return module if parameter == "weight" else f"{module}/{parameter}"


def known_key(key: str) -> str:
    """A state-dict key as it is; `lstm.weight_ih_l0` for `lstm/weight_ih_l0.weight`, which code
    written for layers of one weight asks for.
    """
    return weight_key(key.removesuffix(".weight")) if "/" in key else key


@dataclass(frozen=True)
class Layer:
    """A prunable layer, identified by its weight.

    `name` is the module's name in the network, and `f"{name}.weight"` its state-dict key; a weight
    that is not called `weight` is named with its module: `lstm/weight_ih_l0`. `kind` is `output`
    for the layer that computes the logits, whatever its type. `shape` is the weight's: [out, in,
    *kernel], of a transposed convolution [in, out, *kernel], of an embedding [in, out].
    """

    name: str
    kind: LayerKind
    shape: tuple[int, ...]
    _: KW_ONLY
    transposed: bool = False
    """Whether the first dimension is the input's."""
    groups: int = 1
    """Groups of a convolution: each output reads one of as many parts of the inputs."""
    blocks: int = 1
    """Matrices stacked in one weight along its first dimension, such as attention's query, key and
    value: 3, or an LSTM's gates: 4."""

    @property
    def key(self) -> str:
        """The weight's state-dict key."""
        return weight_key(self.name)

    @property
    def numel(self) -> int:
        """Number of weights, including pruned ones."""
        return math.prod(self.shape)

    @property
    def block(self) -> tuple[int, ...]:
        """Shape of one of the matrices that the weight stacks; usually the weight's own."""
        return (self.shape[0] // self.blocks, *self.shape[1:])

    @property
    def fan_in(self) -> int:
        """Number of weights into one output unit."""
        size = math.prod(self.shape[1:])
        return self.numel // (self.shape[1] * self.groups) if self.transposed else size

    @property
    def fan_out(self) -> int:
        """Number of weights out of one input unit."""
        size = math.prod(self.shape[1:])
        return size if self.transposed else self.numel // (self.shape[1] * self.groups)


@dataclass(frozen=True)
class PerKind:
    """A fraction in [0, 1] for convolutions, matrices and the output layer.

    In a suite, a table `{conv = 0.1, linear = 0.2, output = 0.1}`, or one number for all.
    """

    conv: Annotated[float, Range(0, 1)] = 0.2
    """Fraction for convolutional layers."""
    linear: Annotated[float, Range(0, 1)] = 0.2
    """Fraction for linear layers that are not the output, for attention's and recurrent
    matrices and for embeddings."""
    output: Annotated[float, Range(0, 1)] = 0.2
    """Fraction for the layer that computes the logits."""

    @classmethod
    def of(cls, number: float) -> PerKind:
        """The same fraction for every kind."""
        return cls(number, number, number)

    def __getitem__(self, kind: LayerKind) -> float:
        return {"conv": self.conv, "linear": self.linear, "output": self.output}[kind]


Operand = Mapping[str, Tensor | float] | Tensor | float
"""The other operand of an operation on `Layers`: a mapping of the same layers to tensors or
numbers, or one number."""


class Layers(Mapping[str, Tensor]):
    """Layer name → tensor of the weight's shape, in the network's order.

    Weights, gradients and scores of all prunable layers have this form, so that a score reads like
    its formula: `abs(weights * gradients)`, `weights**2 / (2 * hessian)`.

    `+ - * / **` work elementwise, with `Layers` on either side, or with

    - a mapping of the same layers, such as `mask.kept` (boolean, 1 where kept) or one number per
      layer: `scores * {"fc1": 2.0, "fc2": 1.0}`;
    - a number or a zero-dimensional tensor: `1 / scores`, `scores / scores.sum()`.

    `abs(x)`, `-x` and `x.map(torch.sqrt)` apply to each layer; `sum`, `mean`, `norm` and `dot`
    reduce the whole network to one number, and `flat` concatenates it into a vector.
    """

    __array_ufunc__ = None  # lets this class handle arithmetic with numpy scalars

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = dict(tensors)

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name}: {list(t.shape)}" for name, t in self.items())
        return f"Layers({shapes})"

    def map(self, f: Callable[[Tensor], Tensor]) -> Layers:
        """`f` applied to each layer's tensor."""
        return Layers({name: f(t) for name, t in self.items()})

    def sum(self) -> Tensor:
        """Sum over all weights of the network: a zero-dimensional tensor, on the device."""
        return torch.stack([t.sum() for t in self.values()]).sum()

    def mean(self) -> Tensor:
        """Mean over all weights of the network, each weight counting equally."""
        return self.flat().mean()

    def norm(self) -> Tensor:
        """Euclidean norm over all weights of the network."""
        norm: Tensor = torch.linalg.vector_norm(self.flat())
        return norm

    def dot(self, other: Mapping[str, Tensor | float]) -> Tensor:
        """Σ self · other over all weights of the network."""
        return (self * other).sum()

    def flat(self) -> Tensor:
        """All layers concatenated in the network's order: [P]."""
        return torch.cat([t.flatten() for t in self.values()])

    def _with(
        self, other: Operand, f: Callable[[Tensor, Tensor | float], Tensor], sign: str
    ) -> Layers:
        if isinstance(other, Mapping):
            if set(other) != set(self):
                raise ValueError(f"layers must match: {list(self)}, but got {list(other)}")
            return Layers({name: f(t, other[name]) for name, t in self.items()})
        if isinstance(other, Tensor) and other.dim() > 0:
            raise ValueError(
                f"Layers {sign} a tensor of shape {list(other.shape)}: give a number, or a tensor "
                f"for each layer, as a mapping from {list(self)}"
            )
        return self.map(lambda t: f(t, other))

    def __abs__(self) -> Layers:
        return self.map(lambda t: t.abs())

    def __neg__(self) -> Layers:
        return self.map(lambda t: -t)

    def __add__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: a + b, "+")

    def __sub__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: a - b, "−")

    def __rsub__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: b - a, "−")

    def __mul__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: a * b, "·")

    def __truediv__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: a / b, "/")

    def __rtruediv__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: b / a, "/")

    def __pow__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: a**b, "**")

    def __rpow__(self, other: Operand) -> Layers:
        return self._with(other, lambda a, b: b**a, "**")

    __radd__ = __add__
    __rmul__ = __mul__
