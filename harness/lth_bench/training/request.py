"""What one training is asked to do, and what its callbacks receive and return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from torch import Tensor

from lth_bench.masks import Layers, Mask
from lth_bench.masks.layers import known_key
from lth_bench.training.recipe import Recipe

Values = Mapping[str, Tensor]


class ByKey(dict[str, Any]):
    """By state-dict key. `f"{layer}.weight"` is any prunable layer's weight, also of layers that
    call it otherwise, so that a strategy need not know them.
    """

    def __missing__(self, key: str) -> Any:
        known = known_key(key)
        if known == key:
            raise KeyError(key)
        return self[known]


@dataclass(frozen=True, kw_only=True)
class StepView:
    """What `on_step` receives, between backward and update. Its tensors are contiguous and may be
    the engine's own: copy what must outlive the call, and change nothing except through the
    returned `Change`.

    Under `parametrize`, values, gradients and optimizer state are those of the trainables (scores,
    for example), not of the weights computed from them.
    """

    step: int
    """Updates done so far in the schedule, a multiple of `every`: 0 in the first call of a
    training from step 0, before anything was trained."""
    end: int
    """The step at which this training ends. There is no call at `end`: the last one has `step +
    every >= end`."""
    values: Values
    """Parameters and buffers before this step's update, keyed as in the state dict; pruned
    weights are 0."""
    gradients: Layers
    """∂L/∂θ of the prunable weights for this step's batch, pruned weights included."""
    optimizer_state: Mapping[str, Mapping[str, Any]]
    """Optimizer state by parameter before this step's update, named as in torch.optim; zeros
    before the first step. Adam's `step` counts all steps of the training."""
    mask: Mask
    """The mask in force: the selected one until a `Change` replaces it."""
    memo: dict[str, Any]
    """The callback's only memory between its calls."""

    @property
    def weights(self) -> Layers:
        """The prunable weights before this step's update, by layer."""
        return Layers({name: self.values[f"{name}.weight"] for name in self.mask.kept})

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", ByKey(self.values))
        object.__setattr__(self, "optimizer_state", ByKey(self.optimizer_state))


@dataclass(frozen=True)
class Change:
    """What `on_step` may change. Applied after this step's update, and in force from then on.
    Weights that the new mask revives start at zero unless given.

    The mask at the end of training is the ticket's, so the last change must keep the target's
    count. The optimizer state of a pruned weight continues to accumulate dense gradients;
    `reset_momentum` clears it, for example where weights are revived.
    """

    mask: Mask | None = None
    """Mask over all prunable layers; None leaves it unchanged."""
    values: Values | None = None
    """Complete tensors that replace the updated ones, by state-dict key (under `parametrize`
    trainables)."""
    reset_momentum: Mapping[str, Tensor] | Literal["all"] | None = None
    """Layer → boolean tensor of the weight's shape: where the optimizer state is set to zero; or
    `"all"`: that of every parameter, biases included. Adam's `step` goes on counting."""
    replace_update: bool = False
    """Skip the optimizer's update of this step, as RigL does. The step still counts."""

    def __post_init__(self) -> None:
        if isinstance(self.reset_momentum, str) and self.reset_momentum != "all":
            raise ValueError(
                f"Change.reset_momentum must be 'all', or a boolean tensor for each layer, but got "
                f"{self.reset_momentum!r}"
            )
        if self.values is not None:
            named = {known_key(key): value for key, value in self.values.items()}
            object.__setattr__(self, "values", named)


@dataclass(frozen=True)
class Watch:
    """What `until` receives, before each step whose number is a multiple of `every`."""

    step: int
    values: Values
    """Current parameters and buffers, contiguous: copy what must outlive the call."""
    mask: Mask
    memo: dict[str, Any]
    """The callback's only memory between its calls; afterwards it is `Trained.memo`. A finished
    search is not repeated, so only this records what it saw."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", ByKey(self.values))


DenseGradients = Literal["on_change", "always", "never"]
"""At which steps a method needs gradients of pruned weights, which then count as FLOPs."""
OnStep = Callable[[StepView], Change | None]
Until = Callable[[Watch], bool]
Penalty = Callable[[Values], Tensor]
Parametrize = Callable[[dict[str, Tensor], Mask], dict[str, Tensor]]


def unchanged(_: dict[str, Tensor], __: Mask) -> dict[str, Tensor]:
    """The weights are the trainables, apart from what the mask freezes."""
    return {}


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
    dense_gradients: DenseGradients = "on_change"
    """When `flops_masked_theoretical` counts gradients of pruned weights: where `on_step` changes
    something (RigL), at every step, or never."""
    checkpoints: frozenset[int] = field(default_factory=frozenset)
    """Steps besides the end whose state is needed."""
    search: Mapping[str, object] | None = None
    """Identifies `until`; without it, a stopped search is not found again."""
    order: int | None = None
    """Decides the order of the data, its augmentation, and what a forward pass draws; None for
    `seed`, which the order of every other training at that seed follows."""

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(
                f"start and end must satisfy 0 ≤ start ≤ end, but got {self.start} and {self.end}"
            )
        if self.every < 1:
            raise ValueError(f"every must be at least 1 step, but got {self.every}")
        if self.dense_gradients not in get_args(DenseGradients):
            raise ValueError(
                f"dense_gradients must be one of {', '.join(get_args(DenseGradients))}, but got "
                f"{self.dense_gradients!r}"
            )
        if self.mask.frozen and self.parametrize is None:
            # the network uses other weights than those that are trained
            object.__setattr__(self, "parametrize", unchanged)

    @property
    def data_seed(self) -> int:
        """`order`, or the seed."""
        return self.seed if self.order is None else self.order

    @property
    def randomness(self) -> dict[str, object]:
        """Its part of the address; the order only where it is not the seed's."""
        own = {"order": self.order} if self.data_seed != self.seed else {}
        return {"seed": self.seed, **own}

    @property
    def counted(self) -> dict[str, object]:
        """What its cost adds to the address: with `on_step` the strategy decides it."""
        always = self.on_step is None and self.dense_gradients == "always"
        return {"dense_gradients": "always"} if always else {}
