"""The training step of one rank: its part of every batch, gradients averaged over all."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from lth_bench.errors import TrainingError
from lth_bench.masks import Mask
from lth_bench.training.engine.layouts.alone import Plain
from lth_bench.training.engine.loss import step_loss
from lth_bench.training.engine.network import Network
from lth_bench.training.input.batches import BatchSource, make_batch_source
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.parallel.batch_norm import replica
from lth_bench.training.parallel.dropout import draws_as_one_device, share_dropout
from lth_bench.training.parallel.evaluation import Crew, Evaluations
from lth_bench.training.parallel.group import Ranks
from lth_bench.training.parallel.refusals import leaves_parameters_out
from lth_bench.training.randomness import seed_of
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Parametrize, Penalty, Values

_OPTIONS = inspect.signature(DistributedDataParallel).parameters
_NAME = "forward_sync_buffers" if "forward_sync_buffers" in _OPTIONS else "broadcast_buffers"
BUFFERS: dict[str, Any] = {_NAME: False}
"""Buffers are not sent: they are equal everywhere, as batch norm's statistics are. Versions of
torch differ in how they call it.
"""


class DataParallel(Plain):
    """One member, spread over devices. All ranks hold the same parameters, optimizer state and
    mask; what changes them outside of a step changes the leader's, and is then spread.
    """

    variant = "data_parallel"

    def __init__(
        self, network: Network, data: TaskData, recipe: Recipe, *, group: Ranks, crew: Crew
    ) -> None:
        """All ranks make theirs at the same time."""
        self.group, self._crew = group, crew
        self._stale = True
        self._replica = replica(network.module, network.device)
        self.draws_as_one = draws_as_one_device(network)
        """Whether random numbers of a forward pass, such as dropout's, are those of one device."""
        if self.draws_as_one:
            share_dropout(self._replica, group.share)
        super().__init__(network, data, recipe, 1)
        self.evaluations = Evaluations(network, data, group, crew)
        self._parallel = DistributedDataParallel(
            self._replica,
            device_ids=[network.device] if network.device.type == "cuda" else None,
            find_unused_parameters=leaves_parameters_out(network),
            **BUFFERS,
        )

    def make_tensors(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """In the network's own memory, where evaluations find the values."""
        kept = self._replica.state_dict(keep_vars=True)
        parameters: dict[str, Tensor] = dict(self._replica.named_parameters())
        return parameters, {k: v for k, v in kept.items() if k not in parameters}

    def make_batch_source(self) -> BatchSource:
        """Of this rank's part of every batch."""
        return make_batch_source(
            self.data, self.recipe, 1, self.example_major, share=self.group.share
        )

    @property
    def _can_replay(self) -> bool:
        return False  # collectives are not captured

    @property
    def _evaluates_by_graph(self) -> bool:
        return False  # NCCL's own thread asks the device, which ends a capture

    def begin(
        self,
        seeds: Sequence[int],
        starts: Sequence[int],
        values: Sequence[Values],
        masks: Sequence[Mask],
        *,
        penalties: Mapping[int, Penalty],
        parametrize: Parametrize | None = None,
    ) -> None:
        """Load the member. The followers learn of it with the first step."""
        if parametrize is not None:
            raise TrainingError(
                f"this method computes the weights from others (parametrize, or a mask that "
                f"freezes them), which one device can do, but the recipe has devices = "
                f"{self.group.share.of}; set devices = 1 for it"
            )
        super().begin(seeds, starts, values, masks, penalties=penalties, parametrize=None)
        self._stale = True

    def changed(self) -> None:
        """Spread what a callback changed before the next step."""
        self._stale = True

    def set_mask(self, slot: int, mask: Mask) -> None:
        """Set the mask, and enforce it."""
        super().set_mask(slot, mask)
        self._stale = True

    def restore(self, slot: int, state: Mapping[str, Tensor]) -> None:
        """Load a saved state."""
        super().restore(slot, state)
        self._stale = True

    def forward_seed(self, done: int) -> int:
        """Other numbers on every rank where each draws for its part alone, or all parts of a batch
        would lose the same units.
        """
        if self.draws_as_one:
            return super().forward_seed(done)
        step = self._starts[0] + done
        return seed_of("forward", self._seeds[0], step, "rank", self.group.share.rank)

    def forward_backward(self, done: int) -> None:
        """This rank's part of the batch, forward and backward; gradients are the whole batch's."""
        with self._crew.together():
            if self.group.leads and self._stale:
                self._spread()
            self._crew.tell("step", done)
            super().forward_backward(done)

    def update(self, lr: float) -> None:
        """The optimizer update, the same on every rank."""
        with self._crew.together():
            self._crew.tell("update", lr)
            super().update(lr)

    # Where a rank was lost, a GPU's values may be those of some ranks alone, and no error says so
    # (`Ranks.settle`). Steps are queued without a look at that; whatever reads values looks first,
    # and would wait for the device anyway.

    def evaluate(self, live: Sequence[int]) -> dict[int, tuple[float, float]]:
        """Validation loss and primary metric: each rank has a part, where that is possible."""
        self._settle()
        found = self.evaluations.judge(self.data.val, self.data, None, right=False)
        if found is None:
            return super().evaluate(live)
        primary = self.network.objective.primary.name
        return dict.fromkeys(live, (found.loss, found.metrics[primary]))

    def live(self, slot: int) -> dict[str, Tensor]:
        """Views of the current parameters and buffers."""
        self._settle()
        return super().live(slot)

    def gradients(self, slot: int) -> dict[str, Tensor]:
        """The whole batch's dense gradients by parameter."""
        self._settle()
        return super().gradients(slot)

    def snapshots(self, slots: Sequence[int]) -> list[dict[str, Tensor]]:
        """Copies of the current values."""
        self._settle()
        return super().snapshots(slots)

    def state(self, slot: int) -> dict[str, Tensor]:
        """What a checkpoint has."""
        self._settle()
        return super().state(slot)

    def _settle(self) -> None:
        with self._crew.together():
            self.group.settle()

    def backward(self, x: Tensor, y: Tensor) -> None:
        """Forward and backward of this rank's examples."""
        with self.network.autocast():
            outputs: Tensor = self._parallel(self.network.as_input(x))
        outputs = outputs.to(self.network.dtype)
        loss = step_loss(self.network.objective, outputs, y, self.recipe.label_smoothing)
        self.losses += self.group.mean(loss.double())
        for penalty in self.penalties.values():  # the leader's; gradients are averaged
            loss = loss + self.group.share.of * penalty(self.parameters)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub

    def _spread(self) -> None:
        mask = self.masks[0]
        about = (self._seeds[0], self._starts[0], list(mask.kept), list(mask.held))
        self._crew.tell("state", *about)
        self._exchange(mask)
        self._stale = False

    def take(self, seed: int, start: int, kept: Sequence[str], held: Sequence[str]) -> None:
        """In a follower: the leader's state, whose mask covers these layers and parameters."""
        device, layers = self.device, self.network.layers
        ones = {x.name: torch.ones(x.shape, dtype=torch.bool, device=device) for x in layers}
        units = {k: torch.ones_like(self.parameters[k], dtype=torch.bool) for k in held}
        mask = Mask({name: ones[name] for name in kept}, units, layers)
        self._exchange(mask)
        self._seeds, self._starts = [seed], [start]
        self.batch_source.begin([seed], [start])
        self.set_mask(0, mask)

    @torch.no_grad()
    def _exchange(self, mask: Mask) -> None:
        """Values, optimizer state and mask, from the leader's to everyone's."""
        state = self._optimizer_state(0).values()
        moments = [v for entries in state for v in entries.values() if isinstance(v, Tensor)]
        self.group.spread([t.detach() for t in self.tensors().values()])
        self.group.spread(moments)
        self.group.spread([*mask.kept.values(), *mask.held.values()])
