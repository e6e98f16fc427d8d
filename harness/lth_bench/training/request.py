"""What one training is asked to do, and what its callbacks see and answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from lth_bench.masks import Layers, Mask
from lth_bench.training.recipe import Recipe

Values = Mapping[str, Tensor]


@dataclass(frozen=True)
class StepView:
    """What `on_step` sees, between backward and update: contiguous tensors that may be the engine's
    own. Copy what must outlive the call, and change nothing but by the answer.
    """

    step: int
    """Updates done so far."""
    end: int
    """The step at which this training ends."""
    values: Values
    """Parameters and buffers as they are now, keyed as in the state dict."""
    gradients: Layers
    """Dense gradients of the prunable weights, pruned ones included."""
    optimizer_state: Mapping[str, Mapping[str, Any]]
    """The optimiser's state by parameter, as torch.optim names it; zeros before the first
    step. Adam's `step` counts all steps of the training."""
    mask: Mask
    memo: dict[str, Any]
    """The callback's only memory between its calls."""


@dataclass(frozen=True)
class Change:
    """What `on_step` may alter. Weights that the new mask revives start at zero unless given.

    The optimiser's state of a pruned weight goes on gathering dense gradients; `reset_momentum`
    clears it for a weight that comes back.
    """

    mask: Mask | None = None
    values: Values | None = None
    """Whole tensors that replace parameters, by state-dict key."""
    reset_momentum: Mapping[str, Tensor] | None = None
    """Layer → boolean tensor of the weight's shape: where the optimiser's state becomes zero."""
    replace_update: bool = False
    """Skip the optimiser's update of this step, as RigL does."""


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


@dataclass(frozen=True)
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
