"""The zoo's rows: a network each, and what is known of it beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

CLASSES = 3
SMALL, COLOUR = (1, 6, 6), (3, 32, 32)
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class Row:
    """A network of a kind that people bring."""

    name: str
    family: str
    make: Callable[[], nn.Module]
    shape: Shape = SMALL
    relu: bool = False
    """Made of ReLU, sums, means, the larger of several, and weights: its paths can be counted."""
    other_flops: int = 0
    """FLOPs of one example's forward pass that no prunable weight takes part in, by hand."""
    prunable: tuple[str, ...] = ()
    """What it declares as prunable besides the default."""
    not_prunable: tuple[str, ...] = ()
    slow: bool = False
    """Only among the slow tests."""
    heavy: bool = False
    """Trained among the slow tests only."""

    def build(self, input_shape: Shape, classes: int) -> nn.Module:
        """The row as a model plugin."""
        assert (input_shape, classes) == (self.shape, CLASSES)
        return self.make()

    def __repr__(self) -> str:
        return self.name


ROWS: dict[str, Row] = {}


def row(
    family: str,
    shape: Shape = SMALL,
    *,
    relu: bool = False,
    other_flops: int = 0,
    prunable: tuple[str, ...] = (),
    not_prunable: tuple[str, ...] = (),
    slow: bool = False,
    heavy: bool = False,
) -> Callable[[Callable[[], nn.Module]], Callable[[], nn.Module]]:
    """Put a function or class that makes a network into the zoo, under its own name."""

    def put(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        name = make.__name__
        assert name not in ROWS
        ROWS[name] = Row(
            name, family, make, shape, relu, other_flops, prunable, not_prunable, slow, heavy
        )
        return make

    return put
