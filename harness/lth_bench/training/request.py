"""What one training is asked to do, and what its callbacks see and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lth_bench.masks import Layers, Mask
from lth_bench.training.recipe import Recipe

Values = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class StepView:
    """What `on_step` sees, between backward and update: contiguous tensors that may be the engine's
    own. Copy what must outlive the call, and change nothing but by the answer.

    Under `parametrize`, values, gradients and optimiser state are those of the trainables (scores,
    say), not of the weights that are made of them.
    """

    step: int
    """Updates done so far in the schedule, a multiple of `every`: 0 at the first call of a training
    from step 0, when nothing has been trained."""
    end: int
    """The step at which this training ends. There is no call at `end`: the last one is where
    `step + every >= end`."""
    values: Values
    """Parameters and buffers before this step's update, keyed as in the state dict; pruned weights
    are 0."""
    gradients: Layers
    """∂L/∂θ of the prunable weights for this step's batch, pruned ones included."""
    optimizer_state: Mapping[str, Mapping[str, Any]]
    """The optimiser's state by parameter before this step's update, as torch.optim names it; zeros
    before the first step. Adam's `step` counts all steps of the training."""
    mask: Mask
    """In force; the selected one until a `Change` gives another."""
    memo: dict[str, Any]
    """The callback's only memory between its calls."""


@dataclass(frozen=True)
class Change:
    """What `on_step` may alter. It is carried out after this step's update, and in force from then
    on. Weights that the new mask revives start at zero unless given.

    The mask at the end of training is the ticket's, so the last change leaves the target's count.
    The optimiser's state of a pruned weight goes on gathering dense gradients; `reset_momentum`
    clears it for a weight that comes back.
    """

    mask: Mask | None = None
    """Every prunable layer's, kept and pruned; None leaves it as it is."""
    values: Values | None = None
    """Whole tensors in the place of the updated ones, by state-dict key (under `parametrize`
    trainables)."""
    reset_momentum: Mapping[str, Tensor] | None = None
    """Layer → boolean tensor of the weight's shape: where the optimiser's state becomes zero."""
    replace_update: bool = False
    """Leave out the optimiser's update of this step, as RigL does. The step counts all the same."""


@dataclass(frozen=True)
class Watch:
    """What `until` sees, before each step whose number is a multiple of `every`."""

    step: int
    values: Values
    """Parameters and buffers as they are now, contiguous: copy what must outlive the call."""
    mask: Mask
    memo: dict[str, Any]
    """The callback's only memory between its calls; afterwards it is `Trained.memo`. A search that
    is finished is not run again, so nothing else tells what was seen."""


OnStep = Callable[[StepView], Change | None]
Until = Callable[[Watch], bool]
Penalty = Callable[[Values], Tensor]
Parametrize = Callable[[dict[str, Tensor], Mask], dict[str, Tensor]]


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """One training: from these values, under this mask, from one step to another."""

    values: Values
    mask: Mask
    start: int
    end: int
    seed: int
    recipe: Recipe
    penalty: Penalty | None = None
    parametrize: Parametrize | None = None
    on_step: OnStep | None = None
    until: Until | None = None
    every: int = 1
    checkpoints: frozenset[int] = field(default_factory=frozenset)
    """Steps whose state is wanted besides the end's."""
    search: Mapping[str, object] | None = None
    """Identifies `until`; without it, what it ended is not found again."""
