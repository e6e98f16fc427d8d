"""What an observer sees of a ticket: its facts, and copies of its values.

An observer cannot change a result, so it gets no live tensors and cannot train: a training
requested by an observer would count towards the strategy's cost.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

import torch
from torch import Tensor, nn

from lth_bench.data.info import Inputs, InputShape
from lth_bench.masks import Layer, Mask
from lth_bench.training.recipe import Recipe
from lth_bench.training.state import RewindPoint, State, Trained

if TYPE_CHECKING:
    from lth_bench.lottery.experiment import Experiment
    from lth_bench.ticket import Ticket

Training = Literal["dense", "search", "train"]
Predict = Callable[[Callable[[Tensor], Tensor] | None], tuple[Tensor, Tensor]]

WITHHELD = {
    "fit": "a training would count towards the strategy's cost",
    "dense": "it may have to be trained, and would count towards the strategy's cost",
    "trained": "it may have to be trained; a hook gets the finished training as an argument",
    "keep_matrix": "it adds to the record",
    "memo": "it passes data between the strategy's own hooks",
    "copy": "its barriers are among the metrics of the control reorder",
    "units": "use lth_bench.structure.unit_groups(ticket.module(), ticket.input_shape)",
}
"""Attributes of tickets that views do not have, with the reason."""


@dataclass(frozen=True, eq=False)
class TicketView:
    """A ticket as observers see it. Names shared with `Ticket` have the same meaning.

    Every tensor is copied when it is accessed, so unused ones cost nothing, and changing one has no
    effect.
    """

    _ticket: Ticket = field(repr=False)
    _experiment: Experiment = field(repr=False)
    control: str = "none"
    """`none` for the ticket itself, or the control's name, such as `reinit`."""
    training: Training = "train"
    """The training's purpose: `train` trains the ticket, `search` searches for its mask, `dense`
    is the task's unpruned run."""

    _predict: Predict | None = field(default=None, repr=False, kw_only=True)

    @property
    def experiment_id(self) -> str:
        """The id in the database."""
        return self._experiment.experiment_id

    @property
    def suite(self) -> str:
        """Name of the suite."""
        return self._experiment.suite

    @property
    def strategy(self) -> str:
        """Name of the strategy."""
        return self._experiment.strategy

    @property
    def label(self) -> str:
        """The strategy's label in the suite."""
        return self._experiment.label

    @property
    def params(self) -> dict[str, Any]:
        """The strategy's parameters."""
        return copy.deepcopy(dict(self._experiment.params))

    @property
    def task(self) -> tuple[str, str, str]:
        """Model, dataset and recipe, by display name."""
        return self._experiment.task

    @property
    def artifacts(self) -> Path:
        """The folder of files beside the results; an observer should use a subfolder of its own."""
        return self._ticket.bench.cache.root.parent

    @property
    def seed(self) -> int:
        """The experiment's seed."""
        return self._ticket.seed

    @property
    def target(self) -> float:
        """The density to reach, in (0, 1]; 1.0 for the dense run's own ticket."""
        return self._ticket.target

    @property
    def target_count(self) -> int:
        """Weights at the target."""
        return self._ticket.target_count

    @property
    def round(self) -> int:
        """Number of rounds finished before this one."""
        return self._ticket.round

    @property
    def mask(self) -> Mask:
        """The mask at the start of the training; in a search, the previous round's."""
        return observed_mask(self._ticket.mask)

    @property
    def start(self) -> RewindPoint | None:
        """The values and step from which the ticket is trained; None in a search."""
        point = self._ticket.start
        return None if point is None else RewindPoint(Copies(point.values), point.step)

    @property
    def initial(self) -> State:
        """Parameters and buffers before any training."""
        return self._ticket.initial

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The prunable layers in the network's order."""
        return self._ticket.layers

    @property
    def prunable(self) -> int:
        """Number of prunable weights, including pruned ones."""
        return self._ticket.prunable

    @property
    def recipe(self) -> Recipe:
        """The task's training recipe."""
        return self._ticket.recipe

    @property
    def device(self) -> torch.device:
        """The device of values and masks."""
        return self._ticket.device

    @property
    def total_steps(self) -> int:
        """Length of the recipe's schedule in steps."""
        return self._ticket.total_steps

    @property
    def steps_per_epoch(self) -> int:
        """Steps in one pass over the training split."""
        return self._ticket.steps_per_epoch

    @property
    def input_shape(self) -> tuple[int, ...]:
        """[C, H, W] of one example."""
        return self._ticket.input_shape

    @property
    def train_size(self) -> int:
        """Examples in the training split."""
        return self._ticket.train_size

    @property
    def inputs(self) -> Inputs:
        """What an example is: `images`, `features` or `tokens`."""
        return InputShape.of(self._ticket.input_shape).kind

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._ticket.classes

    def outputs(self, change: Callable[[Tensor], Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """In `score` alone: the trained network's outputs [N, …] and the targets [N, …], on the
        split that its results are reported on: test, and in tuning validation.

        `change` maps a batch as the dataset stores it (images uint8 [n, C, H, W]) to another one of
        the same type and shape, before it is normalised. No strategy sees these examples: what an
        observer measures on them can change no result. ValueError outside of `score`.
        """
        if self._predict is None:
            raise ValueError("ticket.outputs() can be called in an observer's score alone")
        return self._predict(change)

    def module(self, values: Mapping[str, Tensor] | None = None) -> nn.Module:
        """A separate network on the device, in training mode, with these values."""
        return self._ticket.module(values)

    def batches(self, size: int, purpose: str = "batches") -> Iterator[tuple[Tensor, Tensor]]:
        """Batches of the training split, as `Ticket.batches` gives them."""
        return self._ticket.batches(size, purpose)

    def stream(self, purpose: str) -> torch.Generator:
        """A CPU random generator for one purpose, the same for every strategy at this seed."""
        return self._ticket.stream(purpose)

    def __getattr__(self, name: str) -> Any:
        if name in WITHHELD:
            raise AttributeError(f"observers have no ticket.{name}: {WITHHELD[name]}")
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")


class Copies(Mapping[str, Tensor]):
    """A state dict whose tensors are copied on access."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    def __getitem__(self, key: str) -> Tensor:
        return self._tensors[key].detach().clone()

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def observed_mask(mask: Mask) -> Mask:
    """The mask, with copies of its tensors."""
    twin = copy.copy(mask)
    twin.kept = cast(dict[str, Tensor], Copies(mask.kept))
    twin.held = cast(dict[str, Tensor], Copies(mask.held))
    return twin


def observed(trained: Trained) -> Trained:
    """The result of a training, with copies of its tensors."""
    best = State(Copies(trained.best.values), trained.best.step, trained.best.layers)
    return dataclasses.replace(
        trained, values=Copies(trained.values), best=best, mask=observed_mask(trained.mask)
    )
