"""Random and zero inputs for a network, to trace its shapes and operations."""

from __future__ import annotations

import torch
from torch import Tensor

from lth_bench.data.info import InputShape


def zeros(
    n: int, input_shape: tuple[int, ...], dtype: torch.dtype, device: torch.device | str = "cpu"
) -> Tensor:
    """`n` all-zero examples [n, …] of `dtype`; int64 for tokens."""
    shape = InputShape.of(input_shape)
    kind = torch.int64 if shape.kind == "tokens" else dtype
    return torch.zeros(n, *shape, dtype=kind, device=device)


def random(
    n: int,
    input_shape: tuple[int, ...],
    dtype: torch.dtype | None = None,
    rng: torch.Generator | None = None,
) -> Tensor:
    """`n` examples [n, …] from a normal distribution; uniform int64 for tokens."""
    shape = InputShape.of(input_shape)
    if shape.kind == "tokens":
        return torch.randint(0, shape.vocabulary, (n, *shape), generator=rng)
    return torch.randn(n, *shape, generator=rng, dtype=dtype)
