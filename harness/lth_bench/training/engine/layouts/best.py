"""Copies of members' states: at the lowest validation loss, and to return to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.training.engine.network import standard
from lth_bench.training.request import Values

if TYPE_CHECKING:
    from lth_bench.training.engine.layouts.base import Layout


class BestStates:
    """A second copy of the layout's parameters and buffers, overwritten slot by slot.

    Saving any number of members takes one operation per tensor, since on a GPU the cost of a small
    operation is its launch.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._tensors: dict[str, Tensor] = {}

    @torch.no_grad()
    def keep(self, slots: Sequence[int]) -> None:
        """Save the current state of these slots."""
        layout = self._layout
        live = {k: t.detach() for k, t in layout.tensors().items()}
        if not self._tensors:
            self._tensors = {k: torch.empty_like(t) for k, t in live.items()}
        kept = self._tensors
        if len(set(slots)) == layout.cohort_size:
            torch._foreach_copy_(list(kept.values()), list(live.values()))
        elif layout.static:
            chosen = [slot in slots for slot in range(layout.cohort_size)]
            which = torch.tensor(chosen, device=layout.device)
            for key, tensor in live.items():
                rows = which.view(-1, *[1] * (tensor.ndim - 1))
                torch.where(rows, tensor, kept[key], out=kept[key])
        else:
            for slot in slots:
                for key, tensor in live.items():
                    layout.member(kept[key], slot).copy_(layout.member(tensor, slot))

    @torch.no_grad()
    def put(self, slot: int, values: Values) -> None:
        """Set one slot's saved state when a training is resumed."""
        packed = self._layout.packed(values)
        for key, tensor in self._tensors.items():
            self._layout.member(tensor, slot).copy_(packed[key])

    def of(self, slots: Sequence[int], masks: Sequence[Mask]) -> list[dict[str, Tensor]]:
        """Copies of the saved states of these slots, with pruned weights at +0.0. `masks` are those
        in force when each state was saved.
        """
        return copies(self._layout, self._tensors, slots, masks)


@torch.no_grad()
def copies(
    layout: Layout, tensors: Mapping[str, Tensor], slots: Sequence[int], masks: Sequence[Mask]
) -> list[dict[str, Tensor]]:
    """Copies of some members' parts of tensors stored as the layout's are, with pruned weights at
    +0.0.

    On a GPU the whole stack is read at once, whatever the number of members, and the copies are in
    host memory.
    """
    tensors = {k: t.detach() for k, t in tensors.items()}
    if layout.static:
        # multiplying by a mask can leave −0.0; adding 0.0 turns it into +0.0
        tensors = {k: (t + 0.0 if t.is_floating_point() else t).cpu() for k, t in tensors.items()}
    found = []
    for slot, mask in zip(slots, masks, strict=True):
        values = {k: standard(t) for k, t in layout.part(tensors, slot).items()}
        if not layout.static:
            mask.apply_(values)
        found.append(values)
    return found


@torch.no_grad()
def hold(layout: Layout, slot: int) -> Callable[[], None]:
    """Save a member's parameters and optimizer state; calling the returned function restores
    them.
    """
    parameters = {k: layout.member(p.detach(), slot) for k, p in layout.parameters.items()}
    state = [
        value
        for key, entries in layout.optimizer_state(slot).items()
        for name, value in entries.items()
        if name != "step" and value.shape == parameters[key].shape  # all members share `step`
    ]
    held = [(view, view.clone()) for view in (*parameters.values(), *state)]

    def put_back() -> None:
        with torch.no_grad():
            for view, before in held:
                view.copy_(before)

    return put_back
