"""Evaluations over all ranks: each has a contiguous part of a split's batches.

The batches are those of one device, and what they give is put together in their order before
anything is summed. So the result has the bits that one device finds.
"""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager
from functools import cached_property, reduce
from typing import Protocol

import torch
from torch import Tensor

from lth_bench.masks import Mask
from lth_bench.models.examples import random
from lth_bench.system.blame import ends_the_run
from lth_bench.training.behaviour import evaluating
from lth_bench.training.engine.loss import Judged, Tally, is_plain, judge_whole
from lth_bench.training.engine.network import Network, losses_and_correct
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.input.task_data import Examples, Share, TaskData
from lth_bench.training.parallel.group import Ranks
from lth_bench.training.randomness import global_states, seeded

EXAMPLES = 4


class Crew(Protocol):
    """The followers, as the leader sees them; a follower sees none."""

    def tell(self, *command: object) -> None:
        """Let every follower do the same."""

    @property
    def whole(self) -> bool:
        """Whether every follower lives, as far as this process knows."""

    def together(self, limited: bool = True) -> AbstractContextManager[None]:
        """Around what needs all ranks, each for a limited time. TrainingError where one of them is
        lost within it.
        """


class Evaluations:
    """Those of a network whose values all ranks have in the same order."""

    def __init__(self, network: Network, data: TaskData, group: Ranks, crew: Crew) -> None:
        self._network, self._data, self._group, self._crew = network, data, group, crew
        self.test: Examples | None = None
        """In a follower: the test split."""
        self._parts: dict[str | int, tuple[Examples, slice, Examples]] = {}

    @cached_property
    def possible(self) -> bool:
        """Whether several ranks find what one does."""
        return self._group.share.of > 1 and leaves_no_trace(self._network)

    def judge(
        self, split: Examples, data: TaskData, name: str | int | None, *, right: bool
    ) -> Judged | None:
        """In the leader: loss and metrics on a split, and the examples that are right if asked for.
        The followers know the split by its name, and get the network's values. None where the
        leader must do it alone.

        TrainingError where a rank is lost.
        """
        if split is data.val:
            name = "val"
        if name is None or data is not self._data:
            return None
        network, group = self._network, self._group
        size = network.batch_of(self._data)
        if len(split) <= size or not self.possible or not self._crew.whole:
            return None  # a follower that died is missed, and replaced, by the next training
        with self._crew.together():
            self._crew.tell("evaluate", name, size)
            self._spread()
            group.settle()  # on GPUs it is only queued: a rank that is silent is noticed here
        with self._crew.together(limited=False):
            losses, evidence = self._found(name, split, size)
            group.settle()  # what it takes on GPUs is this rank's own part too
        with self._crew.together():
            losses, evidence = self._joined(losses, evidence, len(split), size)
            group.settle()  # or they may be those of some ranks alone
        assert losses is not None and evidence is not None
        if is_plain(network.objective):
            # as on one device, in the order of the batches
            sums = torch.stack([reduce(torch.add, losses.unbind()), evidence.sum().double()])
            loss, correct = (x / len(split) for x in sums.tolist())
            return Judged(loss, {"accuracy": correct}, {"accuracy": evidence} if right else {})
        whole = (x.cpu() for x in (losses, evidence, split.y))
        return judge_whole(network.objective, *whole, right=right)

    def follow(self, name: str | int, size: int) -> None:
        """In a follower: its part of an evaluation."""
        if isinstance(name, int):
            split = self._data.sample(name)
        else:
            known = {"val": self._data.val, "test": self.test}[name]
            assert known is not None
            split = known
        self._spread()
        self._joined(*self._found(name, split, size), len(split), size)

    @torch.no_grad()
    def _spread(self) -> None:
        """The leader's parameters and buffers: masked, and with its batch norms' statistics."""
        self._group.spread(self._network.module.state_dict().values())

    @torch.no_grad()
    def _found(
        self, name: str | int, split: Examples, size: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """What this rank's batches give: of plain cross-entropy the loss of each batch, float64
        [batches], and which examples are right, bool [n]; else the loss of each example, float64
        [n], and the metrics' evidence, [n, …]. None where it has no batch.
        """
        network = self._network
        rows = rows_of(self._group.share, len(split), size)
        if rows.start == rows.stop:
            return None, None
        known = self._parts.get(name)
        if known is None or known[0] is not split or known[1] != rows:
            known = self._parts[name] = split, rows, part_of(split, rows)
        # values are masked already
        nothing = Mask({}, {}, network.layers)
        outputs = network.outputs(known[2], self._data, nothing, None)
        if is_plain(network.objective):
            losses, which = losses_and_correct(outputs)
            return torch.stack(losses), which
        tally = Tally(network.objective)
        for out, y in outputs:
            tally.add(out, y)
        return tally.whole[:2]

    def _joined(
        self, losses: Tensor | None, evidence: Tensor | None, examples: int, size: int
    ) -> tuple[Tensor | None, Tensor | None]:
        of = self._group.share.of
        rows = [rows_of(Share(rank, of), examples, size) for rank in range(of)]
        each = [part.stop - part.start for part in rows]
        batches = [math.ceil(n / size) for n in each]
        plain = is_plain(self._network.objective)
        return (
            self._group.joined(losses, batches if plain else each),
            self._group.joined(evidence, each),
        )


def rows_of(share: Share, examples: int, size: int) -> slice:
    """A rank's part of a split in batches of `size`, of which the first ranks have one more."""
    batches = math.ceil(examples / size)
    first, stop = (math.ceil(batches * rank / share.of) for rank in (share.rank, share.rank + 1))
    return slice(min(first * size, examples), min(stop * size, examples))


def part_of(split: Examples, rows: slice) -> Examples:
    """These examples as a split; in the same memory where they are on the device."""
    if isinstance(split, ResidentSplit):
        return ResidentSplit(split.x[rows], split.y[rows])
    return split.take(torch.arange(rows.start, rows.stop))


@torch.no_grad()
def leaves_no_trace(network: Network) -> bool:
    """Whether a forward pass in eval mode draws no random numbers and changes no buffer, so that
    other batches, or ranks, do not see it. Tried on a CPU copy.
    """
    with seeded("evaluation"):
        twin = copy.deepcopy(network.module).to("cpu")
        buffers = {key: b.clone() for key, b in twin.named_buffers()}
        x, before = random(EXAMPLES, network.input_shape, network.dtype), global_states()
        try:
            with evaluating(twin):
                twin(x)
        except BaseException as error:
            if ends_the_run(error):
                raise
            return False
        same = (torch.equal(b, buffers[key]) for key, b in twin.named_buffers())
        return global_states() == before and all(same)
