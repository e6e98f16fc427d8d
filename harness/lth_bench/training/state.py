"""What a training starts from, what it produces, and what `fit` returns of that."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from torch import Tensor

from lth_bench.masks import Layer, Layers, Mask
from lth_bench.training.callback_state import CallbackState
from lth_bench.training.request import Values


@dataclass(frozen=True)
class State:
    """A network's parameters and buffers at one step of training."""

    values: Mapping[str, Tensor]
    """All parameters and buffers, keyed as in the state dict. Do not change them in place."""
    step: int
    """Optimizer updates since the start of the schedule."""
    layers: tuple[Layer, ...] = field(repr=False)
    """The prunable layers."""

    @property
    def weights(self) -> Layers:
        """The prunable weights, by layer."""
        return Layers({layer.name: self.values[layer.key] for layer in self.layers})


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation on the validation split."""

    step: int
    train_loss: float
    """Mean training loss of the steps since the previous evaluation."""
    val_loss: float
    val_score: float
    """The primary metric of the task's objective."""
    _: KW_ONLY
    metric: str = "accuracy"
    """Its name."""

    @property
    def val_accuracy(self) -> float:
        """Fraction in [0, 1]; NaN where the primary metric is another."""
        return self.val_score if self.metric == "accuracy" else math.nan

    def stored(self) -> dict[str, float | str]:
        """As kept on disk; a point of accuracy as it always was."""
        found: dict[str, float | str] = {
            "step": self.step, "train_loss": self.train_loss, "val_loss": self.val_loss,
        }  # fmt: skip
        if self.metric == "accuracy":
            return found | {"val_accuracy": self.val_score}
        return found | {"val_score": self.val_score, "metric": self.metric}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> CurvePoint:
        """What was stored."""
        fields = dict(stored)
        if "val_accuracy" in fields:
            fields["val_score"] = fields.pop("val_accuracy")
        return cls(**fields)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a training costs. A multiply-add counts as 2 FLOPs; forward and backward."""

    steps: int = 0
    examples: int = 0
    flops_dense: float = 0.0
    flops_masked_theoretical: float = 0.0
    """If multiplications by pruned weights were free; the mask is integrated over the steps."""
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            steps=self.steps + other.steps,
            examples=self.examples + other.examples,
            flops_dense=self.flops_dense + other.flops_dense,
            flops_masked_theoretical=self.flops_masked_theoretical + other.flops_masked_theoretical,
            seconds=self.seconds + other.seconds,
        )


@dataclass(frozen=True)
class Trained(State):
    """The result of one `fit`."""

    mask: Mask = field(kw_only=True)
    """The mask at the end; all weights outside it are exactly zero, or what it freezes them at."""
    start: int = field(kw_only=True)
    """The step it started from; it ended at `step`."""
    curve: tuple[CurvePoint, ...] = field(kw_only=True, repr=False)
    """The evaluations, by step."""
    best: State = field(kw_only=True, repr=False)
    """The state at the minimum validation loss (earliest if tied)."""
    cost: Cost = field(kw_only=True)
    stopped: bool = field(default=False, kw_only=True)
    """Whether `until` stopped it early."""
    key: str = field(default="", kw_only=True)
    """The content address of the training."""
    reused: bool = field(default=False, kw_only=True)
    """Whether another experiment pays for it. An experiment that is resumed, or moved to another
    worker, pays for its own earlier trainings."""
    device: str = field(default="cpu", kw_only=True)
    """Where it was trained, such as `cuda:1`, whichever device requests it now."""
    device_name: str = field(default="cpu", kw_only=True)
    """The device's name, such as `NVIDIA H200`."""
    peak_memory: int | None = field(default=None, kw_only=True)
    """Maximum bytes that its cohort used on the device; None on a CPU."""
    cohort_size: int = field(default=1, kw_only=True)
    """Cohort size that it was trained at; 1 is a training alone."""
    memo: Mapping[str, Any] = field(default_factory=dict, kw_only=True, repr=False)
    """What `until`, or else `on_step`, stored in its `memo`; empty without one."""
    variant: str = field(default="plain", kw_only=True)
    """How it was computed: `plain`, `low_precision`, `stacked` (layer by layer) or `vmap`."""
    operand_bits: int = field(default=32, kw_only=True)
    """Bits of each operand of its multiplications."""

    @property
    def bit_operations(self) -> float:
        """Multiply-adds, if those by pruned weights were free, times the bits of both operands:
        8 × 8 in eight bits, 32 × 32 in float32.
        """
        return self.cost.flops_masked_theoretical / 2 * self.operand_bits**2

    @property
    def early_stop_step(self) -> int:
        """The step of the minimum validation loss (the early-stopping iteration of Frankle &
        Carbin, 2019).
        """
        return self.best.step


@dataclass(frozen=True)
class RewindPoint:
    """The values that surviving weights take, and the step at which their training starts."""

    values: Mapping[str, Tensor]
    """All parameters and buffers, unmasked."""
    step: int = 0

    @classmethod
    def at(cls, state: State) -> RewindPoint:
        """The values and step of a state."""
        return cls(state.values, state.step)


OnEval = Callable[[CurvePoint], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training produces. All values are copies with pruned weights at zero."""

    values: Values
    mask: Mask
    step: int
    curve: tuple[CurvePoint, ...]
    best: Values
    best_step: int
    checkpoints: dict[int, Values]
    cost: Cost
    stopped: bool
    cohort_size: int = 1
    """Cohort size that it was trained at; 1 is a training alone."""
    variant: str = "plain"
    """The layout that computed it."""
    owner: str = ""
    """The experiment it was trained for, which pays for it; "" if unknown."""
    device: str = ""
    """Where it was trained, such as `cuda:1`; "" if an old version did not record it."""
    device_name: str = ""
    """The device's name, such as `NVIDIA H200`, or `cpu`."""
    peak_memory: int | None = None
    """Maximum bytes that its cohort used on the device; None on a CPU."""
    memo: CallbackState | None = None
    """What `until`, or else `on_step`, stored; None if that is nothing, or cannot be stored."""
