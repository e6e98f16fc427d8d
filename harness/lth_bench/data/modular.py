"""Arithmetic modulo a prime: the task on which networks grok."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.params import Range


@dataclass(frozen=True)
class Modular:
    """a ∘ b mod p from the tokens a, b and = (Power et al., 2022): every pair once.

    Tokens 0 to p − 1 are numbers and p is the sign =; the class is the result.
    """

    p: Annotated[int, Range(3, 1000)] = 97
    """The modulus, a prime."""
    operation: Literal["add", "subtract", "multiply", "divide"] = "add"
    """∘; `divide` leaves b = 0 out."""
    train_fraction: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.4
    """Of all pairs; the others are the test split."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0
    """Of the split; it has nothing to do with a suite's seeds."""

    def __post_init__(self) -> None:
        if any(self.p % d == 0 for d in range(2, self.p)):
            raise ValueError(f"p must be a prime, but got {self.p}")

    def info(self, root: Path) -> DatasetInfo:
        """Known without making the pairs."""
        train = self._train_size
        return DatasetInfo(
            (3,), self.p, train, self._pairs - train, inputs="tokens", vocabulary=self.p + 1
        )

    def load(self, root: Path) -> Arrays:
        """int64 [N, 3]."""
        p = self.p
        a, b = torch.cartesian_prod(torch.arange(p), torch.arange(p)).unbind(1)
        if self.operation == "divide":
            a, b = a[b != 0], b[b != 0]
        match self.operation:
            case "add":
                y = (a + b) % p
            case "subtract":
                y = (a - b) % p
            case "multiply":
                y = a * b % p
            case "divide":
                inverse = torch.tensor([pow(i, -1, p) if i else 0 for i in range(p)])
                y = a * inverse[b] % p
        order = torch.randperm(len(a), generator=torch.Generator().manual_seed(self.seed))
        x = torch.stack([a, b, torch.full_like(a, p)], 1)[order]
        y, k = y[order], self._train_size
        return Arrays(x[:k], y[:k], x[k:], y[k:], classes=p, inputs="tokens", vocabulary=p + 1)

    @property
    def _pairs(self) -> int:
        return self.p * (self.p - 1 if self.operation == "divide" else self.p)

    @property
    def _train_size(self) -> int:
        return min(max(1, round(self.train_fraction * self._pairs)), self._pairs - 1)
