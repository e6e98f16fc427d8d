"""Batches with as many examples of every class."""

from __future__ import annotations

import torch
from torch import Tensor

from lth_bench.ticket import Ticket


def balanced_batch(
    ticket: Ticket, per_class: int, purpose: str = "balanced"
) -> tuple[Tensor, Tensor]:
    """One batch with `per_class` training examples of each class: x [N, C, H, W], labels [N].

    N = per_class × classes. Normalised, unaugmented, no example twice, in random order: a function
    of (seed, purpose). GraSP (Wang et al., 2020) scores 10 examples of each class. ValueError
    where a class has fewer.
    """
    data = ticket.bench.data
    order = torch.randperm(len(data.train), generator=ticket.stream(purpose))
    labels = data.train.y.cpu()[order]
    places = [torch.nonzero(labels == c).flatten()[:per_class] for c in range(ticket.classes)]
    fewest = min(map(len, places))
    if per_class < 1 or fewest < per_class:
        raise ValueError(
            f"a balanced batch takes 1 or more training examples of each class and no more than "
            f"the rarest class has, but per_class is {per_class}"
            + (f" and one class has {fewest}" if fewest < per_class else "")
        )
    index = order[torch.cat(places).sort().values].to(ticket.device)
    x = data.normalise(data.train.x[index]).to(ticket.bench.network.dtype)
    return x, data.train.y[index]
