"""Controls: a reported ticket with one ingredient spoilt.

They use the ticket's final mask and a plain `fit`, never feed a later round, and carry no search
cost. Any strategy can be asked for them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from lth_bench.masks import Mask
from lth_bench.ticket import Ticket
from lth_bench.training.randomness import generator
from lth_bench.training.state import RewindPoint, Trained

Control = Callable[[Ticket, Trained, bool], tuple[RewindPoint, Mask]]


def reinit(ticket: Ticket, trained: Trained, _: bool) -> tuple[RewindPoint, Mask]:
    """Fresh values, step 0, the full schedule (Frankle & Carbin, 2019, section 2)."""
    fresh = ticket.bench.initial(ticket.seed, purpose="reinit")
    return RewindPoint.at(fresh), trained.mask


def shuffle(ticket: Ticket, trained: Trained, structured: bool) -> tuple[RewindPoint, Mask]:
    """The mask permuted within each layer, by units where the ticket is structured.

    Values are the rewind point's at the new places.
    """
    assert ticket.start is not None
    draws = generator("shuffle", ticket.seed, trained.mask.count)
    if structured:
        from lth_bench.structure import shuffle_units

        mask = shuffle_units(
            ticket.module(), ticket.input_shape, ticket.layers, trained.mask, draws, ticket.units
        )
        return ticket.start, mask.to(ticket.device)
    kept = {}
    for name, tensor in trained.mask.kept.items():
        order = torch.randperm(tensor.numel(), generator=draws).to(tensor.device)
        kept[name] = tensor.flatten()[order].view_as(tensor)
    return ticket.start, Mask(kept, layers=ticket.layers)


CONTROLS: dict[str, Control] = {"reinit": reinit, "shuffle": shuffle}
