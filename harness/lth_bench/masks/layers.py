"""A tensor for each prunable layer, with elementwise arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor


class Layers(Mapping[str, Tensor]):
    """Layer name → tensor of the weight's shape, in the network's order.

    Weights, gradients and scores of all prunable layers travel in this form, so that a score
    reads like its formula: `abs(weights * gradients)`.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = dict(tensors)

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def map(self, f: Callable[[Tensor], Tensor]) -> Layers:
        """`f` of each layer's tensor."""
        return Layers({name: f(t) for name, t in self.items()})

    def _with(self, other: Layers | float, f: Callable[[Tensor, Tensor | float], Tensor]) -> Layers:
        if isinstance(other, Layers):
            if list(other) != list(self):
                raise ValueError(f"layers differ: {list(self)} and {list(other)}")
            return Layers({name: f(t, other[name]) for name, t in self.items()})
        return self.map(lambda t: f(t, other))

    def __abs__(self) -> Layers:
        return self.map(lambda t: t.abs())

    def __neg__(self) -> Layers:
        return self.map(lambda t: -t)

    def __mul__(self, other: Layers | float) -> Layers:
        return self._with(other, lambda a, b: a * b)

    def __add__(self, other: Layers | float) -> Layers:
        return self._with(other, lambda a, b: a + b)

    def __sub__(self, other: Layers | float) -> Layers:
        return self._with(other, lambda a, b: a - b)

    def __truediv__(self, other: Layers | float) -> Layers:
        return self._with(other, lambda a, b: a / b)

    __rmul__ = __mul__
    __radd__ = __add__
