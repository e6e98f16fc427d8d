"""Metrics of whole splits as pure functions, in float64, equal to scikit-learn's.

They are here and not imported from there, since they are computed at every evaluation, and
importing scikit-learn takes two seconds.
"""

from __future__ import annotations

import torch
from torch import Tensor


def accuracy(found: Tensor, targets: Tensor) -> float:
    """Fraction of the classes int64 [N] that are right."""
    return int((found == targets).sum()) / len(targets)


def balanced_accuracy(found: Tensor, targets: Tensor) -> float:
    """Mean recall of the classes that occur in `targets` (sklearn's `balanced_accuracy_score`)."""
    there = torch.bincount(targets).double()
    right = torch.bincount(targets[found == targets], minlength=len(there)).double()
    occurs = there > 0
    return float((right[occurs] / there[occurs]).mean())


def average_precision(scores: Tensor, labels: Tensor) -> Tensor:
    """Average precision of each label, float64 [L]; 0 of a label that no example has.

    Σ (Rᵢ − Rᵢ₋₁) Pᵢ over the distinct scores from high to low, without interpolation, as sklearn's
    `average_precision_score`: examples of one score are ranked together.

    Args:
        scores: [N, L], larger for what rather has the label.
        labels: 0 or 1, [N, L].
    """
    return torch.stack(
        [_average_precision(s, y) for s, y in zip(scores.unbind(1), labels.unbind(1), strict=True)]
    )


def _average_precision(scores: Tensor, labels: Tensor) -> Tensor:
    order = scores.argsort(descending=True, stable=True)
    scores, hits = scores[order], labels[order].double().cumsum(0)
    every = hits[-1]
    last = torch.ones_like(scores, dtype=torch.bool)  # of its score
    last[:-1] = scores[1:] != scores[:-1]
    place = torch.arange(1, len(scores) + 1, device=scores.device, dtype=torch.float64)
    hits, place = hits[last], place[last]
    if every == 0:
        return every
    gained = torch.diff(hits, prepend=hits.new_zeros(1)) / every
    return (gained * hits / place).sum()


def f1(found: Tensor, labels: Tensor) -> Tensor:
    """F1 of each label, float64 [L]: 2·hits / (found + there); 0 where both are 0.

    Args:
        found: whether an example is said to have the label, bool [N, L].
        labels: 0 or 1, [N, L].
    """
    there = labels.bool()
    hits = (found & there).sum(0).double()
    either = found.sum(0).double() + there.sum(0).double()
    return torch.where(either > 0, 2 * hits / either.clamp_min(1), torch.zeros_like(hits))


def rmse(found: Tensor, values: Tensor) -> float:
    """Root of the mean squared error of each component, averaged over them; both [N, D]."""
    squares = (found.double() - values.double()).square().mean(0)
    return float(squares.sqrt().mean())


def r2(found: Tensor, values: Tensor) -> float:
    """Coefficient of determination of each component, averaged over them; both [N, D].

    As sklearn's `r2_score`: of a component that does not vary it is 1 where it is met exactly, and
    otherwise 0. So it is of a single example too, for which sklearn has NaN.
    """
    found, values = found.double(), values.double()
    residual = (found - values).square().sum(0)
    total = (values - values.mean(0)).square().sum(0)
    # the mean of equal numbers may differ from them by a rounding error
    varies = (values.amin(0) < values.amax(0)) & (total > 0)
    ratio = 1 - residual / torch.where(varies, total, torch.ones_like(total))
    return float(torch.where(varies, ratio, (residual == 0).double()).mean())
