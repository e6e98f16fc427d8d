"""Controls: a reported ticket with one component ablated.

They use the ticket's final mask and a plain `fit`, never feed a later round, and have no search
cost. They work for any strategy. If the ablation would change nothing, the control's row is
`skipped` with the reason: a copy of the ticket would look like evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lth_bench.helpers import redrawn, with_random_signs, with_signs_of
from lth_bench.helpers.survivors import orders_of, permuted, with_moved_weights
from lth_bench.masks import Layer, Mask
from lth_bench.ticket import Ticket
from lth_bench.training.randomness import generator, seed_of
from lth_bench.training.state import RewindPoint, Trained

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
    order: int | None = None
    """The data order of its training; None for the ticket's own."""


Control = Callable[[Ticket, Trained, bool], Ablated]


def reinit(ticket: Ticket, trained: Trained, _: bool) -> Ablated:
    """New initial values, step 0, the full schedule (Frankle & Carbin, 2019, section 2).

    Unchanged if no surviving weight's initial value differs between draws, as in a network with
    fixed initial values (pretrained or constant). If only some layers are fixed, the others are
    redrawn and the note names the fixed ones.
    """
    return reinitialised(ticket, trained.mask)


def reinitialised(ticket: Ticket, mask: Mask) -> Ablated:
    """What `reinit` trains, under any mask."""
    fresh = redrawn(ticket)
    note = _redrawn(
        ticket.initial.values,
        fresh.values,
        mask,
        ticket.layers,
        "the model's initial values are fixed, as pretrained ones are, so re-initialising would "
        "change nothing",
    )
    return Ablated(RewindPoint.at(fresh), mask, note)


def reinit_at_rewind(ticket: Ticket, trained: Trained, structured: bool) -> Ablated:
    """New initial values, trained from the step that the ticket was rewound to: as many updates as
    the ticket has, at the same learning rates.

    Unchanged where `reinit` is, and for a ticket that starts at step 0, where it would be `reinit`.
    """
    step = _start(ticket).step
    if step == 0:
        raise Unchanged(
            "the ticket is rewound to step 0, so its re-initialised copy starts there as well: see "
            "the control reinit"
        )
    fresh = reinit(ticket, trained, structured)
    return fresh._replace(start=RewindPoint(fresh.start.values, step))


def reinit_same_signs(ticket: Ticket, trained: Trained, _: bool) -> Ablated:
    """New magnitudes under the signs that the ticket starts with; step 0, the full schedule (Zhou
    et al., 2019, section 3.2).

    Weights that start at zero have no sign to keep. Unchanged where no surviving weight's magnitude
    differs between draws, as from a signed constant.
    """
    start = _start(ticket)
    fresh = with_signs_of(redrawn(ticket).values, start.values, ticket.layers)
    note = _redrawn(
        start.values,
        fresh,
        trained.mask,
        ticket.layers,
        "the magnitudes of the model's initial values are fixed, so re-initialising with the same "
        "signs would change nothing",
    )
    return Ablated(RewindPoint(fresh), trained.mask, note)


def random_signs(ticket: Ticket, trained: Trained, _: bool) -> Ablated:
    """The ticket's own values with random signs, trained from its own rewind point.

    With `reinit_same_signs` and `reinit` it completes the four combinations of own and new, sign
    and magnitude. Redistributing the values over the surviving positions would be no clean test of
    signs, because survivors of one layer need not have as many positive as negative ones.
    Unchanged if every surviving weight starts at zero.
    """
    start = _start(ticket)
    values = with_random_signs(start.values, ticket.layers, ticket.seed)
    kept = trained.mask.kept
    if not any(bool(start.values[x.key][kept[x.name]].any()) for x in ticket.layers):
        raise Unchanged("every surviving weight starts at zero, so there are no signs to draw")
    return Ablated(RewindPoint(values, start.step), trained.mask)


def shuffle(ticket: Ticket, trained: Trained, structured: bool) -> Ablated:
    """The mask permuted within each layer, by unit if the ticket is structured.

    Values at the new positions are those of the rewind point. Unchanged if no permutation changes
    the mask, as when every layer keeps all of its weights or units.
    """
    return Ablated(_start(ticket), _moved("shuffle", ticket, trained.mask, structured))


def shuffle_global(ticket: Ticket, trained: Trained, structured: bool) -> Ablated:
    """The mask permuted over the whole network, so that layer densities are lost too: a baseline of
    transferred tickets (Morcos et al., 2019, section 3).

    Values at the new positions are those of the rewind point. Unchanged for a structured ticket,
    whose units are of different sizes, and if no permutation changes the mask.
    """
    if structured:
        raise Unchanged("units of different sizes have no permutation over the whole network")
    sizes = [layer.numel for layer in ticket.layers]
    flat = torch.cat([trained.mask.kept[layer.name].flatten() for layer in ticket.layers])
    rng = generator("shuffle_global", ticket.seed, trained.mask.count)
    for _ in range(MAX_DRAWS):
        moved = flat[torch.randperm(len(flat), generator=rng).to(flat.device)]
        if not torch.equal(moved, flat):
            parts = zip(ticket.layers, torch.split(moved, sizes), strict=True)
            kept = {layer.name: part.view(layer.shape) for layer, part in parts}
            mask = Mask(kept, layers=ticket.layers, frozen=trained.mask.frozen)
            return Ablated(_start(ticket), mask)
    raise Unchanged(
        "no permutation of its weights changes the mask, so there is nothing to shuffle"
    )


def moved_values(ticket: Ticket, trained: Trained, structured: bool) -> Ablated:
    """The mask permuted within each layer, every weight's value with it: the survivors' own values,
    elsewhere. So values alone, as `reinit` is structure alone.

    Under `shuffle` survivors have the values of the places that the mask is moved to. Unchanged for
    a structured ticket, whose units' values fit no other unit, and where `shuffle` is.
    """
    if structured:
        raise Unchanged("the values of a unit belong to its place between two layers")
    start, mask = _start(ticket), trained.mask
    for draw in range(MAX_DRAWS):
        orders = orders_of(ticket.layers, ticket.seed, draw)
        kept = {name: permuted(mask.kept[name], order) for name, order in orders.items()}
        moved = Mask(kept, layers=ticket.layers, frozen=mask.frozen)
        if moved != mask:
            values = with_moved_weights(start.values, ticket.layers, orders)
            return Ablated(RewindPoint(values, start.step), moved)
    raise Unchanged(
        "no permutation of its weights within the layers changes the mask, so there is nothing to "
        "move"
    )


def random_layers(ticket: Ticket, trained: Trained, structured: bool) -> Ablated:
    """A random mask at the ticket's layer densities, by unit if the ticket is structured, trained
    from the initial values at step 0: random pruning at initialisation that knows only how many
    weights each layer keeps (Su et al., 2020; Frankle et al., 2021).

    For a ticket that is rewound to step 0 it is another draw of `shuffle`. Unchanged where
    `shuffle` is.
    """
    mask = _moved("random_layers", ticket, trained.mask, structured)
    return Ablated(RewindPoint.at(ticket.initial), mask)


def _start(ticket: Ticket) -> RewindPoint:
    assert ticket.start is not None
    return ticket.start


def _redrawn(
    own: Mapping[str, Tensor],
    fresh: Mapping[str, Tensor],
    mask: Mask,
    layers: Sequence[Layer],
    nothing: str,
) -> str:
    """What to note of values that are not drawn again: layers whose surviving weights all have the
    same value in both draws, and pruned weights that are frozen. Unchanged, saying `nothing`, if no
    surviving weight differs.
    """
    fixed = _fixed(own, fresh, mask, layers)
    kept = mask.kept_per_layer()
    same, survivors = sum(kept[layer.name] for layer in fixed), mask.count
    if same == survivors:
        raise Unchanged(nothing)
    found = []
    if fixed:
        names = _listed([layer.name for layer in fixed])
        found.append(
            f"{same} of {survivors} surviving weights are in layers with fixed initial values "
            f"({names})"
        )
    if mask.frozen:
        found.append("pruned weights stay frozen at the values that they have in the ticket")
    return f"partly re-initialised: {' and '.join(found)}" if found else ""


def _moved(name: str, ticket: Ticket, mask: Mask, structured: bool) -> Mask:
    """The mask with as many weights, or units, of each layer elsewhere. `name` is the control's,
    and what its draws depend on.
    """
    rng = generator(name, ticket.seed, mask.count)
    for _ in range(MAX_DRAWS):
        moved = _permuted(ticket, mask, structured, rng)
        if moved != mask:
            return moved
    what = "units" if structured else "weights"
    raise Unchanged(
        f"no permutation of its {what} within the layers changes the mask, so there is nothing to "
        "shuffle"
    )


def reorder(ticket: Ticket, trained: Trained, _: bool) -> Ablated:
    """The ticket in another data order: the second copy of an instability analysis.

    Its row has the error barrier between the copies (`lottery/instability.py`). The first copy is
    the ticket's final mask from its rewind point in its own order: the ticket's own training,
    unless the strategy has changed the mask or the loss on the way. Unchanged if nothing is trained
    after the rewind point.
    """
    assert ticket.start is not None
    if trained.step <= ticket.start.step:
        raise Unchanged("nothing is trained after the rewind point, so no data has an order")
    order = seed_of("reorder", ticket.seed)
    return Ablated(ticket.start, trained.mask, order=order)


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
    return Mask(kept, layers=ticket.layers, frozen=mask.frozen)


def _fixed(
    own: Mapping[str, Tensor],
    fresh: Mapping[str, Tensor],
    mask: Mask,
    layers: Sequence[Layer],
) -> list[Layer]:
    """The layers whose surviving weights all have the same initial value in both draws. Biases and
    batch norms do not count: they are constant in every network.
    """
    found = []
    for layer in layers:
        kept = mask.kept[layer.name]
        changed = (own[layer.key] != fresh[layer.key]) & kept
        if bool(kept.any()) and not bool(changed.any()):
            found.append(layer)
    return found


def _listed(names: list[str], most: int = 5) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


CONTROLS: dict[str, Control] = {
    control.__name__: control
    for control in (
        reinit,
        reinit_at_rewind,
        reinit_same_signs,
        random_signs,
        shuffle,
        moved_values,
        random_layers,
        shuffle_global,
        reorder,
    )
}
"""By the name in suites and results."""
