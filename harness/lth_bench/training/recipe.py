"""A training recipe: optimizer, schedule, data and evaluations."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from lth_bench.params import Range, Tune

Positive = Annotated[float, Range(0, math.inf, open_low=True)]
NonNegative = Annotated[float, Range(0, math.inf)]
Fraction = Annotated[float, Range(0, 1, open_high=True)]
Count = Annotated[int, Range(1, math.inf)]
AreaShare = Annotated[float, Range(0, 1, open_low=True)]


@dataclass(frozen=True, kw_only=True)
class ResizedCrop:
    """Crops of random size and shape, scaled to the network's input (Szegedy et al., 2015)."""

    scale: tuple[AreaShare, AreaShare] = (0.08, 1.0)
    """Smallest and largest share of the image's area."""
    ratio: tuple[Positive, Positive] = (3 / 4, 4 / 3)
    """Smallest and largest ratio of width to height."""

    def __post_init__(self) -> None:
        for name in ("scale", "ratio"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(
                    f"{name} is the smallest and the largest, in this order, but got "
                    f"{[low, high]}; write {[high, low]}"
                )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained. The length is in `steps` or in `epochs`; give exactly one.
    `milestones` and `warmup` use the same unit. One step is one optimizer update.
    """

    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    """`sgd`, `adam` (weight decay as L2 in the gradient) or `adamw` (decoupled weight decay)."""
    lr: Positive = 0.1
    """Peak learning rate."""
    steps: Count | None = None
    """Length of training in optimizer updates."""
    epochs: Positive | None = None
    """Length of training in passes over the training split (a short last batch is dropped)."""
    batch_size: Count = 128
    """Examples per step."""
    momentum: Fraction = 0.0
    """Momentum of `sgd`."""
    nesterov: bool = False
    """Nesterov momentum (`sgd`)."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    """Decay rates of Adam's moment estimates."""
    weight_decay: NonNegative = 0.0
    """Weight decay, applied to every parameter."""
    schedule: Literal["constant", "step", "cosine", "linear"] = "constant"
    """Learning rate after warm-up; `cosine` and `linear` fall to `final_lr` at the end."""
    final_lr: NonNegative = 0.0
    """Where schedules `cosine` and `linear` end; at most `lr`."""
    milestones: tuple[NonNegative, ...] = ()
    """When schedule `step` multiplies the learning rate by `gamma`."""
    gamma: Annotated[float, Range(0, 1, open_low=True)] = 0.1
    """Factor applied at each milestone."""
    warmup: NonNegative = 0.0
    """Linear warm-up from 0: update number i (from 1) has learning rate lr · i / warmup."""
    label_smoothing: Fraction = 0.0
    """Probability mass spread evenly over the classes in the training loss."""
    crop: Annotated[int, Range(0, 64)] = 0
    """Random crop after zero-padding each side by this many pixels."""
    resized_crop: ResizedCrop | None = None
    """Instead of `crop`: random crops of random size, scaled to the network's input, as a table of
    `scale` and `ratio`; an empty one is ImageNet's usual augmentation."""
    flip: bool = False
    """Random horizontal flip."""
    val_size: Count = 5000
    """Training examples held out for validation; which ones depends on the dataset alone."""
    eval_every: Count = 100
    """Steps between evaluations on the validation split."""
    dtype: Literal["float32", "bfloat16", "float64"] = "float32"
    """`bfloat16` is autocast with float32 master weights, on devices that support it."""
    devices: Annotated[int, Range(1, 1024), Tune(search=False)] = 1
    """Devices of one machine over which a training is spread: each takes batch_size / devices
    examples of every step. The result is that of one device up to rounding, `nn.Dropout` included,
    but for other random numbers of a forward pass (training/parallel)."""
    bits: Annotated[int, Range(2, 16)] | None = None
    """Bits of block floating point that weights, activations, errors, gradients and momentum are
    rounded to, stochastically (`sgd`; Yang et al., 2019); None rounds nothing. Simulated: it costs
    time, and saves none."""

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError(
                f"a recipe needs exactly one of steps and epochs, but got steps={self.steps}, "
                f"epochs={self.epochs}"
            )
        length = self.steps if self.steps is not None else self.epochs
        assert length is not None
        if any(b <= a for a, b in zip(self.milestones, self.milestones[1:], strict=False)):
            raise ValueError(f"milestones must be increasing, but got {list(self.milestones)}")
        if self.milestones and self.schedule != "step":
            raise ValueError(f"milestones require schedule 'step', but it is {self.schedule!r}")
        if self.final_lr and (self.schedule not in ("cosine", "linear") or self.final_lr > self.lr):
            raise ValueError(
                f"final_lr is the end of schedule 'cosine' or 'linear', at most lr = {self.lr:g}, "
                f"but got {self.final_lr:g} for schedule {self.schedule!r}"
            )
        if self.warmup > length:
            raise ValueError(
                f"warmup must be at most the training's length {length:g}, but got {self.warmup:g}"
            )
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ValueError("nesterov requires optimizer 'sgd' with momentum above 0")
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f"momentum requires optimizer 'sgd'; {self.optimizer!r} uses "
                f"betas={list(self.betas)}"
            )
        if self.bits is not None and (self.optimizer != "sgd" or self.dtype == "bfloat16"):
            raise ValueError(
                f"bits = {self.bits} is training in block floating point, which is defined for "
                f"optimizer 'sgd' and simulated in float32 or float64, but got optimizer "
                f"{self.optimizer!r} and dtype {self.dtype!r}"
            )
        if self.crop and self.resized_crop is not None:
            raise ValueError(
                f"crop and resized_crop are two ways to crop, but got crop = {self.crop} and "
                f"resized_crop; leave one of them out"
            )
        if self.batch_size % self.devices:
            raise ValueError(
                f"batch_size must be divisible by devices, of which each takes an equal part, but "
                f"got batch_size = {self.batch_size} and devices = {self.devices}"
            )
        if self.bits is not None and self.devices > 1:
            raise ValueError(
                f"bits = {self.bits} is simulated on one device, but got devices = {self.devices}; "
                f"leave one of them out"
            )

    @property
    def of_one_device(self) -> Recipe:
        """What each of its devices computes in a step."""
        return replace(self, batch_size=self.batch_size // self.devices, devices=1)

    @property
    def augments(self) -> bool:
        """Whether training images are changed at random."""
        return bool(self.crop or self.flip or self.resized_crop is not None)

    @property
    def in_full(self) -> bool:
        """Whether a step computes in the precision of its weights, so that fast paths for special
        networks compute the same.
        """
        return self.dtype != "bfloat16" and self.bits is None

    @property
    def operand_bits(self) -> int:
        """Bits of each operand of a multiplication, as the recipe names them."""
        return self.bits or {"float32": 32, "bfloat16": 16, "float64": 64}[self.dtype]

    @property
    def has_momentum(self) -> bool:
        """Whether the optimizer's state holds a running mean of gradients."""
        return self.optimizer != "sgd" or self.momentum > 0

    def steps_per_epoch(self, train_size: int) -> int:
        """Updates per pass over `train_size` training examples."""
        if train_size < self.batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is larger than the training split "
                f"({train_size} examples)"
            )
        return train_size // self.batch_size

    def total_steps(self, train_size: int) -> int:
        """The length of training, in steps."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, round(self.epochs * self.steps_per_epoch(train_size)))

    def stretched(self, factor: float, train_size: int) -> Recipe:
        """This recipe, `factor` times as long: milestones and warm-up move in proportion, so that
        the learning rate falls along the same curve. `train_size` converts epochs to steps.
        """
        total = self.total_steps(train_size)
        steps = max(1, round(factor * total))
        unit = 1 if self.steps is not None else self.steps_per_epoch(train_size)

        def moved(length: float) -> float:
            return min(length * unit / total, 1.0) * steps

        return replace(
            self,
            steps=steps,
            epochs=None,
            milestones=tuple(moved(m) for m in self.milestones),
            warmup=moved(self.warmup),
        )

    def in_steps(self, length: float, train_size: int) -> int:
        """Convert a length from the recipe's unit to steps."""
        unit = 1 if self.steps is not None else self.steps_per_epoch(train_size)
        return round(length * unit)


class LearningRate:
    """The learning rates of a recipe for a training split of `train_size` examples."""

    def __init__(self, recipe: Recipe, train_size: int) -> None:
        self.recipe = recipe
        self.total = recipe.total_steps(train_size)
        self.warmup = recipe.in_steps(recipe.warmup, train_size)
        self.milestones = [recipe.in_steps(m, train_size) for m in recipe.milestones]

    def lr(self, step: int) -> float:
        """The learning rate of the update from `step` to `step + 1`.

        Beyond the end of the schedule the last rate holds, so that fine-tuning continues with it.
        """
        step = min(step, self.total - 1)
        if step < self.warmup:
            return self.recipe.lr * (step + 1) / self.warmup
        return self.recipe.lr * self._factor(step)

    def _factor(self, step: int) -> float:
        progress = (step - self.warmup) / max(1, self.total - self.warmup)
        match self.recipe.schedule:
            case "constant":
                return 1.0
            case "step":
                return self.recipe.gamma ** bisect_right(self.milestones, step)
            case "cosine":
                return self._above_final(0.5 * (1 + math.cos(math.pi * progress)))
            case "linear":
                return self._above_final(1 - progress)

    def _above_final(self, part: float) -> float:
        """A factor that falls from 1 to 0, raised to end at `final_lr`."""
        end = self.recipe.final_lr / self.recipe.lr
        return part if end == 0 else part + (1 - part) * end
