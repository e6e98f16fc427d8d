"""Controls: a reported ticket with one component ablated.

They use the ticket's final mask and a plain `fit`, never feed a later round, and carry no search
cost. Any strategy can be asked for them. Where the ablation would change nothing, there is no
control: its row is `skipped` with the reason, since a copy of the ticket beside it would read as
evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch

from lth_bench.masks import Layer, Mask
from lth_bench.ticket import Ticket
from lth_bench.training.randomness import generator
from lth_bench.training.state import RewindPoint, State, Trained

DRAWS = 100
"""Permutations tried for one that moves anything: of a layer with one weight of two, half do."""


class Unchanged(Exception):
    """The control would be its own ticket; the message says why."""


class Ablated(NamedTuple):
    """What a control trains."""

    start: RewindPoint
    mask: Mask
    note: str = ""
    """What a reader of its row must know: how far the ablation reached."""


Control = Callable[[Ticket, Trained, bool], Ablated]


def reinit(ticket: Ticket, trained: Trained, _: bool) -> Ablated:
    """Fresh values, step 0, the full schedule (Frankle & Carbin, 2019, section 2).

    Unchanged where no surviving weight gets another value than its initial one, as in a network
    whose initial values are fixed (pretrained, or constant): whatever the ticket was rewound to,
    nothing would be re-initialised. Where some layers are fixed and others are not, those others
    are redrawn, and the note names the fixed ones.
    """
    fresh = ticket.bench.initial(ticket.seed, purpose="reinit")
    fixed = _fixed(ticket.initial, fresh, trained.mask)
    kept = trained.mask.kept_per_layer()
    same, survivors = sum(kept[layer.name] for layer in fixed), trained.mask.count
    if same == survivors:
        raise Unchanged(
            "the redrawn initial values equal the initial ones (the model's are fixed, as "
            "pretrained values are), so that nothing would be re-initialised"
        )
    note = ""
    if fixed:
        note = (
            f"re-initialised in part: {same} of {survivors} surviving weights lie in layers whose "
            f"initial values are fixed ({_listed([layer.name for layer in fixed])})"
        )
    return Ablated(RewindPoint.at(fresh), trained.mask, note)


def shuffle(ticket: Ticket, trained: Trained, structured: bool) -> Ablated:
    """The mask permuted within each layer, by units where the ticket is structured.

    Values are the rewind point's at the new places. Unchanged where no permutation moves anything,
    as where every layer keeps all of its weights or units.
    """
    assert ticket.start is not None
    draws = generator("shuffle", ticket.seed, trained.mask.count)
    for _ in range(DRAWS):
        mask = _permuted(ticket, trained.mask, structured, draws)
        if mask != trained.mask:
            return Ablated(ticket.start, mask)
    what = "units" if structured else "weights"
    raise Unchanged(
        f"no permutation of its {what} within the layers changes the mask, so that nothing would "
        "be shuffled"
    )


def _permuted(ticket: Ticket, mask: Mask, structured: bool, draws: torch.Generator) -> Mask:
    if structured:
        from lth_bench.structure import shuffle_units

        shuffled = shuffle_units(
            ticket.module(),
            ticket.input_shape,
            layers=ticket.layers,
            mask=mask,
            draws=draws,
            groups=ticket.units,
        )
        return shuffled.to(ticket.device)
    kept = {}
    for name, tensor in mask.kept.items():
        order = torch.randperm(tensor.numel(), generator=draws).to(tensor.device)
        kept[name] = tensor.flatten()[order].view_as(tensor)
    return Mask(kept, layers=ticket.layers)


def _fixed(initial: State, fresh: State, mask: Mask) -> list[Layer]:
    """The layers with survivors, none of which gets another value. Biases and batch norms do not
    count: they begin at constants in every network.
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
