"""Points in the plane: the small problems that studies draw."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.params import Range

Problem = Literal["xor", "moons", "circles", "blobs"]


@dataclass(frozen=True)
class Points:
    """Points in the plane of two or more classes, drawn from `seed`; suites write
    `points:moons`.

    `xor`: four clusters at the corners of a square, equal classes opposite. `moons`: two half
    circles that reach into each other. `circles`: one circle inside another. `blobs`: one cluster a
    class, evenly on a circle. Classes are equally frequent, to one example.
    """

    name: Problem = "moons"
    """The problem."""
    train: Annotated[int, Range(2, 1_000_000)] = 1000
    """Training examples, before validation examples are held out."""
    test: Annotated[int, Range(2, 1_000_000)] = 1000
    """Test examples."""
    _: KW_ONLY
    noise: Annotated[float, Range(0, 10)] = 0.15
    """Standard deviation that is added to both coordinates; the problems are about 2 wide."""
    clusters: Annotated[int, Range(2, 100)] = 3
    """Classes of `blobs`; the others have two."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0
    """Of the drawing; it has nothing to do with a suite's seeds."""

    def info(self, root: Path) -> DatasetInfo:
        """Known without drawing."""
        return DatasetInfo((2,), self._classes, self.train, self.test, inputs="features")

    def load(self, root: Path) -> Arrays:
        """float32 [N, 2]."""
        draws = torch.Generator().manual_seed(self.seed)
        n = self.train + self.test
        y = torch.arange(n) % self._classes
        y = y[torch.randperm(n, generator=draws)]
        x = self._places(y, draws)
        x = (x + self.noise * torch.randn(n, 2, generator=draws)).float()
        k = self.train
        return Arrays(x[:k], y[:k], x[k:], y[k:], classes=self._classes, inputs="features")

    @property
    def _classes(self) -> int:
        return self.clusters if self.name == "blobs" else 2

    def _places(self, y: Tensor, draws: torch.Generator) -> Tensor:
        """Where points of these classes would lie without noise: [N, 2]."""
        if self.name == "xor":
            left = torch.randint(0, 2, y.shape, generator=draws)
            return torch.stack([left, left ^ y], 1) * 2.0 - 1
        if self.name == "blobs":
            return _on_circle(2 * math.pi * y / self._classes)
        turn = torch.rand(y.shape, generator=draws) * math.pi
        if self.name == "circles":
            return _on_circle(2 * turn) * (1 - 0.5 * y[:, None])
        # the second half circle is the first one, turned upside down and moved
        upper = _on_circle(turn)
        lower = torch.stack([1 - upper[:, 0], 0.5 - upper[:, 1]], 1)
        return torch.where(y[:, None] == 0, upper, lower) - torch.tensor([0.5, 0.25])


def _on_circle(angle: Tensor) -> Tensor:
    """[N] to [N, 2]."""
    return torch.stack([angle.cos(), angle.sin()], 1)
