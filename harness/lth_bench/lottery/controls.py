"""Controls: a reported ticket with one component ablated.

They use the ticket's final mask and a plain `fit`, never feed a later round, and have no search
cost. They work for any strategy. If the ablation would change nothing, the control's row is
`skipped` with the reason: a copy of the ticket would look like evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from lth_bench.masks import Layer, Mask
from lth_bench.ticket import Ticket
from lth_bench.training.randomness import generator
from lth_bench.training.state import RewindPoint, State, Trained

MAX_DRAWS = 100
"""Permutations tried until one changes the mask: with one weight of two kept, half of them do
not."""


class Unchanged(Exception):
    """The control would equal its ticket; the message says why."""


class Ablated(NamedTuple):
    """What a control trains."""

    start: RewindPoint
    mask: Mask
    note: str = ""
    """What a reader of its row must know: how much was ablated."""


Control = Callable[[Ticket, Trained, bool], Ablated]


def reinit(ticket: Ticket, trained: Trained, _: bool) -> Ablated:
    """New initial values, step 0, the full schedule (Frankle & Carbin, 2019, section 2).

    Unchanged if no surviving weight's initial value differs between draws, as in a network with
    fixed initial values (pretrained or constant). If only some layers are fixed, the others are
    redrawn and the note names the fixed ones.
    """
    fresh = ticket.bench.initial(ticket.seed, purpose="reinit")
    fixed = _fixed(ticket.initial, fresh, trained.mask)
    kept = trained.mask.kept_per_layer()
    same, survivors = sum(kept[layer.name] for layer in fixed), trained.mask.count
    if same == survivors:
        raise Unchanged(
            "the model's initial values are fixed, as pretrained ones are, so "
            "re-initialising would change nothing"
        )
    note = ""
    if fixed:
        note = (
            f"partly re-initialised: {same} of {survivors} surviving weights are in layers with "
            f"fixed initial values ({_listed([layer.name for layer in fixed])})"
        )
    return Ablated(RewindPoint.at(fresh), trained.mask, note)


def shuffle(ticket: Ticket, trained: Trained, structured: bool) -> Ablated:
    """The mask permuted within each layer, by unit if the ticket is structured.

    Values at the new positions are those of the rewind point. Unchanged if no permutation changes
    the mask, as when every layer keeps all of its weights or units.
    """
    assert ticket.start is not None
    rng = generator("shuffle", ticket.seed, trained.mask.count)
    for _ in range(MAX_DRAWS):
        mask = _permuted(ticket, trained.mask, structured, rng)
        if mask != trained.mask:
            return Ablated(ticket.start, mask)
    what = "units" if structured else "weights"
    raise Unchanged(
        f"no permutation of its {what} within the layers changes the mask, so there is nothing to "
        "shuffle"
    )


def _permuted(ticket: Ticket, mask: Mask, structured: bool, rng: torch.Generator) -> Mask:
    if structured:
        from lth_bench.structure import shuffle_units

        shuffled = shuffle_units(
            ticket.module(),
            ticket.input_shape,
            layers=ticket.layers,
            mask=mask,
            rng=rng,
            groups=ticket.units,
        )
        return shuffled.to(ticket.device)
    kept = {}
    for name, tensor in mask.kept.items():
        order = torch.randperm(tensor.numel(), generator=rng).to(tensor.device)
        kept[name] = tensor.flatten()[order].view_as(tensor)
    return Mask(kept, layers=ticket.layers)


def _fixed(initial: State, fresh: State, mask: Mask) -> list[Layer]:
    """The layers whose surviving weights all have the same initial value in both draws. Biases and
    batch norms do not count: they are constant in every network.
    """
    found = []
    for layer in initial.layers:
        kept = mask.kept[layer.name]
        changed = (initial.values[layer.key] != fresh.values[layer.key]) & kept
        if bool(kept.any()) and not bool(changed.any()):
            found.append(layer)
    return found


def _listed(names: list[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


CONTROLS: dict[str, Control] = {"reinit": reinit, "shuffle": shuffle}
