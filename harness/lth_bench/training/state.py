"""What a training starts from, what it leaves behind, and what `fit` returns of it."""

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
    """Optimiser updates since the start of the schedule."""
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
    """Mean training loss of the steps since the evaluation before."""
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
    """What a training costs. FLOPs count 2 a multiply-add, forward and backward."""

    steps: int = 0
    examples: int = 0
    flops_dense: float = 0.0
    flops_masked_theoretical: float = 0.0
    """If multiplications by pruned weights cost nothing; the mask is integrated over the steps."""
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
    """The outcome of one `fit`."""

    mask: Mask = field(kw_only=True)
    """The mask at the end; `fit` keeps every weight outside it at exactly zero."""
    start: int = field(kw_only=True)
    """The step it started from; `step` is where it ended."""
    curve: tuple[CurvePoint, ...] = field(kw_only=True, repr=False)
    """The evaluations, by step."""
    best: State = field(kw_only=True, repr=False)
    """The state at the minimum of the validation loss (ties to the earliest)."""
    cost: Cost = field(kw_only=True)
    stopped: bool = field(default=False, kw_only=True)
    """Whether `until` ended it before its end."""
    key: str = field(default="", kw_only=True)
    """The content address of the training."""
    reused: bool = field(default=False, kw_only=True)
    """Whether another experiment pays for it. An experiment that was stopped, or moved to another
    worker, and goes on, pays for what it finds of its own."""
    device: str = field(default="cpu", kw_only=True)
    """Where it was trained, such as `cuda:1`, whichever device asks for it now."""
    device_name: str = field(default="cpu", kw_only=True)
    """The device's own name."""
    peak_memory: int | None = field(default=None, kw_only=True)
    """Bytes that its cohort held on the device at most; None on a CPU."""
    cohort_size: int = field(default=1, kw_only=True)
    """Members of the cohort that it was computed in; 1 is a training alone."""
    memo: Mapping[str, Any] = field(default_factory=dict, kw_only=True, repr=False)
    """What `until` kept in its view's memo; empty without one."""
    variant: str = field(default="plain", kw_only=True)
    """How it was computed: `plain`, `stacked` (layer by layer) or `vmap`."""

    @property
    def early_stop_step(self) -> int:
        """The step of the minimum validation loss, the paper's early-stop iteration."""
        return self.best.step


@dataclass(frozen=True)
class RewindPoint:
    """The values the survivors take, and the step at which their training clock starts."""

    values: Mapping[str, Tensor]
    """All parameters and buffers, unmasked."""
    step: int = 0

    @classmethod
    def at(cls, state: State) -> RewindPoint:
        """The values and the clock of a state."""
        return cls(state.values, state.step)


OnEval = Callable[[CurvePoint], None]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a training leaves behind. All values are copies and obey the mask."""

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
    """Members of the stack that it was computed in; 1 is a training alone."""
    variant: str = "plain"
    """The layout that computed it."""
    owner: str = ""
    """The experiment that it was trained for, which pays for it; "" where that is not known."""
    device: str = ""
    """Where it was trained, such as `cuda:1`; "" where an old version did not keep that."""
    device_name: str = ""
    """The device's own name, such as `NVIDIA H200`, or `cpu`."""
    peak_memory: int | None = None
    """Bytes that its cohort held on the device at most; None on a CPU."""
    memo: CallbackState | None = None
    """What `until` kept; None without one, or where that cannot be written."""
