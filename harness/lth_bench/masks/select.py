"""Exact top-k with a stated tie rule."""

from __future__ import annotations

import torch
from torch import Tensor


def top_k_flat(scores: Tensor, k: int) -> Tensor:
    """The k largest of a vector, as a boolean vector with exactly k ones.

    Among equal scores the earlier position stays. Published code often keeps `score > threshold`
    instead, which drops every tie and misses the count; here the count is exact. O(n): one
    selection of the k-th largest, then the ties in order.

    Raises ValueError for NaN, and for k outside [0, n].
    """
    n = scores.numel()
    if not 0 <= k <= n:
        raise ValueError(f"cannot keep {k} of {n} weights")
    if bool(torch.isnan(scores).any()):
        raise ValueError("a score is NaN; every prunable weight needs a comparable score")
    if k == 0:
        return torch.zeros(n, dtype=torch.bool, device=scores.device)
    threshold = torch.kthvalue(scores, n - k + 1).values
    chosen = scores > threshold
    ties = torch.nonzero(scores == threshold).flatten()
    chosen[ties[: k - int(chosen.sum())]] = True
    return chosen
