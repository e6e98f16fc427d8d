"""Operations that a GPU has in more kinds than the CPU, computed by what the CPU has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

HALF = (torch.bfloat16, torch.float16)


def widened(func: Any) -> Callable[..., Any]:
    """Batch norm of 16-bit numbers with 32-bit parameters, whatever lies how in memory."""

    def compute(*args: Any, **kwargs: Any) -> Any:
        # the input, and in a backward pass the gradient before it
        first = next(i for i, a in enumerate(args) if isinstance(a, Tensor))
        dtype = args[first].dtype
        wide = [a.float() if isinstance(a, Tensor) and a.dtype in HALF else a for a in args]
        out, *rest = func(*wide, **kwargs)
        return (out.to(dtype), *rest)

    return compute


def kernel(func: Any, name: str, args: tuple[Any, ...]) -> Callable[..., Any]:
    """What computes an operation."""
    if name in ("native_batch_norm", "native_batch_norm_backward"):
        kinds = {a.dtype for a in args if isinstance(a, Tensor)}
        if len(kinds) > 1:
            return widened(func)
    return func  # type: ignore[no-any-return]
