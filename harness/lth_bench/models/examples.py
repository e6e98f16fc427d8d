"""Made-up examples that a network can take: to be run once, for its shapes and its operations."""

from __future__ import annotations

import torch
from torch import Tensor

from lth_bench.data.info import InputShape


def zeros(
    n: int, input_shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str = "cpu"
) -> Tensor:
    """`n` examples of zeros: `dtype` [n, …], int64 where they are tokens."""
    shape = InputShape.of(input_shape)
    kind = torch.int64 if shape.kind == "tokens" else dtype
    return torch.zeros(n, *shape, dtype=kind, device=device)


def random(
    n: int,
    input_shape: tuple[int, ...],
    dtype: torch.dtype | None = None,
    draws: torch.Generator | None = None,
) -> Tensor:
    """`n` examples of normal numbers, `dtype` [n, …]; of tokens any of the vocabulary, int64."""
    shape = InputShape.of(input_shape)
    if shape.kind == "tokens":
        return torch.randint(0, shape.vocabulary, (n, *shape), generator=draws)
    return torch.randn(n, *shape, generator=draws, dtype=dtype)
