"""The loss by which a strategy scores weights in a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.info import Targets
from lth_bench.errors import UserError, describe_error
from lth_bench.objectives import Objective
from lth_bench.own_loop.refusal import Missing
from lth_bench.system.blame import ends_the_run, where

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Of outputs [N, …] and targets [N, …]: a batch's mean loss, or the loss of each example [N]."""
WHAT = "an objective, or a function of outputs and targets such as torch.nn.functional.mse_loss"


class LoopLoss:
    """What the loop minimises, in the place of a task's objective."""

    def __init__(self, given: Objective | Loss | None) -> None:
        """`given` is what the user passed; None is cross-entropy, where targets are classes."""
        if given is not None and not isinstance(given, Objective) and not callable(given):
            raise UserError(f"loss must be {WHAT}, but got {given!r:.80}")
        self._given = given

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Losses whose mean is the batch's, [N]. Missing where they cannot be computed."""
        if self._given is None:
            require_classes(targets)
            return F.cross_entropy(outputs, targets, reduction="none")
        loss = self._given.losses if isinstance(self._given, Objective) else self._given
        try:
            found: object = loss(outputs, targets)
        except BaseException as error:
            if ends_the_run(error):
                raise
            raise Missing(f"loss raised {describe_error(error)}{where(error)}") from error
        if not isinstance(found, Tensor) or found.numel() not in (1, len(targets)):
            what = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise Missing(f"loss must return a scalar, or one number an example, but got {what}")
        if not found.requires_grad:
            raise Missing("loss must keep the gradient, but it returned a tensor without one")
        return found.reshape(-1).expand(len(targets))


def kind_of(targets: Tensor) -> Targets:
    """What targets are, as a dataset names its own: `class`, `labels`, `tokens` or `values`."""
    if targets.is_floating_point():
        return "values"
    return "class" if targets.ndim == 1 else "tokens" if targets.itemsize > 1 else "labels"


def require_classes(targets: Tensor) -> None:
    """Missing where cross-entropy of a class an example makes no sense."""
    if kind_of(targets) != "class":
        kind = str(targets.dtype).removeprefix("torch.")
        raise Missing(
            f"it scores by a loss, which is cross-entropy where targets are one class an example, "
            f"but they are {kind} {list(targets.shape)}; pass loss={WHAT}"
        )
