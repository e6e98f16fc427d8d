"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math
from bisect import bisect_right

from lth_bench.training.recipe import Recipe


class Schedule:
    """Learning rates of a recipe over a training split of `train_size` examples."""

    def __init__(self, recipe: Recipe, train_size: int) -> None:
        self.recipe = recipe
        self.total = recipe.total_steps(train_size)
        self.warmup = recipe.in_steps(recipe.warmup, train_size)
        self.milestones = [recipe.in_steps(m, train_size) for m in recipe.milestones]

    def lr(self, step: int) -> float:
        """The rate of the update that leads from `step` to `step + 1`.

        Beyond the schedule's end the last rate holds, so that fine-tuning goes on with it.
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
                return 0.5 * (1 + math.cos(math.pi * progress))
            case "linear":
                return 1 - progress
