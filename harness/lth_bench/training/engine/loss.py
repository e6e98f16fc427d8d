"""The task's objective in the engine: the loss of a step, alone and stacked, and an evaluation.

Plain cross-entropy, which nearly all tasks have, is computed by torch's own function and judged by
counts on the device. Every other objective takes the general way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import vmap

from lth_bench.errors import TrainingError
from lth_bench.objectives import CrossEntropy, Objective


@dataclass(frozen=True)
class Judged:
    """What an evaluation on a split finds."""

    loss: float
    """Mean over the examples, without label smoothing."""
    metrics: Mapping[str, float]
    """Every metric of the objective by name."""
    right: Mapping[str, Tensor] = field(default_factory=dict, compare=False)
    """Of each metric that is the fraction of examples that are right, which ones: bool [N] in the
    split's order, on the device where they were found."""


def is_plain(objective: Objective) -> bool:
    """Whether it is cross-entropy with accuracy, and no class of the user's derived from it."""
    return type(objective) is CrossEntropy


def step_loss(objective: Objective, outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Mean training loss of a batch, from outputs [N, …] and targets [N, …]."""
    if is_plain(objective):
        return F.cross_entropy(outputs, y, label_smoothing=smoothing)
    return _losses(objective, outputs, y).mean()


def member_losses(objective: Objective, outputs: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """The same of every member, [M], from outputs [M, N, …] and targets [M, N, …]."""
    if is_plain(objective):
        losses = F.cross_entropy(
            outputs.flatten(0, 1), y.flatten(), label_smoothing=smoothing, reduction="none"
        )
        return losses.view(len(outputs), -1).mean(1)
    losses = vmap(partial(_losses, objective))(outputs, y)
    return losses.mean(1)


def _losses(objective: Objective, outputs: Tensor, y: Tensor) -> Tensor:
    """The loss of each example, [N]."""
    losses: object = objective.losses(outputs, y)
    if not isinstance(losses, Tensor) or losses.shape != y.shape[:1]:
        raise _wrong(objective, "losses", f"one number an example, [{len(y)}]", losses)
    return losses


def _evidence(objective: Objective, outputs: Tensor, y: Tensor) -> Tensor:
    """What `measure` needs of these examples, [N, …]."""
    evidence: object = objective.evidence(outputs, y)
    if not isinstance(evidence, Tensor) or evidence.shape[:1] != y.shape[:1]:
        raise _wrong(objective, "evidence", f"a tensor [{len(y)}, …]", evidence)
    return evidence


def _measured(objective: Objective, evidence: Tensor, y: Tensor) -> dict[str, float]:
    """Every metric by its name."""
    found: object = objective.measure(evidence, y)
    names = [metric.name for metric in objective.metrics]
    if not isinstance(found, Mapping) or set(found) != set(names):
        raise _wrong(objective, "measure", f"the metrics {', '.join(names)} by name", found)
    return {name: float(found[name]) for name in names}


def _right(objective: Objective, judged: Judged, evidence: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Which examples are right, by metric: bool [N]."""
    found: object = objective.right(evidence, y)
    if not isinstance(found, Mapping) or not set(found) <= set(judged.metrics):
        raise _wrong(objective, "right", f"some of {', '.join(judged.metrics)} by name", found)
    for name, right in found.items():
        if not isinstance(right, Tensor) or right.dtype != torch.bool or right.shape != y.shape[:1]:
            raise _wrong(objective, "right", f"a bool tensor [{len(y)}] as {name}", right)
        share, value = int(right.sum()) / len(y), judged.metrics[name]
        if not abs(share - value) < 0.5 / len(y):  # a mean in float32 is not its float64 to the bit
            wanted = f"examples whose fraction is {name} of measure, {value:.6g}"
            raise _wrong(objective, "right", wanted, share)
    return dict(found)


def _wrong(objective: Objective, method: str, wanted: str, found: object) -> TrainingError:
    what = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"{found!r:.80}"
    return TrainingError(
        f"objective {type(objective).__name__}: {method} must return {wanted}, but returned {what}"
    )


class Tally:
    """One member's evaluation on a split, batch by batch; metrics come of the whole split."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._batches: list[tuple[Tensor, Tensor, Tensor]] = []

    def add(self, outputs: Tensor, y: Tensor) -> None:
        """The next examples' outputs [n, …] and targets [n, …]. Reads nothing from the device."""
        losses = _losses(self._objective, outputs, y).double()
        self._batches.append((losses, _evidence(self._objective, outputs, y), y))

    @property
    def whole(self) -> tuple[Tensor, Tensor, Tensor]:
        """Losses float64 [N], evidence [N, …] and targets [N, …] of the split, on the device."""
        losses, evidence, targets = map(torch.cat, zip(*self._batches, strict=True))
        return losses, evidence, targets


def judge_all(objective: Objective, tallies: Sequence[Tally]) -> list[Judged]:
    """Loss and metrics of members on the same split. Whatever their number and that of the batches,
    the device is read three times. Where an output is NaN the metrics mean nothing; the loss
    shows it.
    """
    losses, evidence, targets = _read(tallies)
    return [
        Judged(float(loss.mean()), _measured(objective, seen, targets))
        for loss, seen in zip(losses, evidence, strict=True)
    ]


def _read(tallies: Sequence[Tally]) -> tuple[Tensor, Tensor, Tensor]:
    """Losses [M, N], evidence [M, N, …] and targets [N, …], on the CPU."""
    whole = [tally.whole for tally in tallies]
    losses, evidence = (torch.stack(each).cpu() for each in list(zip(*whole, strict=True))[:2])
    return losses, evidence, whole[0][2].cpu()


def judge(objective: Objective, batches: Iterable[tuple[Tensor, Tensor]]) -> Judged:
    """The evaluation of one network over batches of outputs and targets, with the examples that are
    right.
    """
    tally = Tally(objective)
    for outputs, y in batches:
        tally.add(outputs, y)
    losses, evidence, targets = _read([tally])
    return judge_whole(objective, losses[0], evidence[0], targets)


def judge_whole(
    objective: Objective, losses: Tensor, evidence: Tensor, targets: Tensor, *, right: bool = True
) -> Judged:
    """The same from a whole split's losses float64 [N], evidence [N, …] and targets [N, …], on the
    CPU; without the examples that are right unless they are asked for.
    """
    found = Judged(float(losses.mean()), _measured(objective, evidence, targets))
    if not right:
        return found
    return replace(found, right=_right(objective, found, evidence, targets))


@torch.no_grad()
def evaluate_members(
    objective: Objective, batches: Iterable[tuple[int, Tensor, Tensor]], slots: Iterable[int]
) -> dict[int, tuple[float, float]]:
    """Mean loss and primary metric of these slots, from a split's batches in order: a slot, its
    outputs [n, …] and targets [n, …]. Those of other slots are ignored.
    """
    tallies = {slot: Tally(objective) for slot in slots}
    for slot, outputs, y in batches:
        if slot in tallies:
            tallies[slot].add(outputs, y)
    found = zip(tallies, judge_all(objective, list(tallies.values())), strict=True)
    return {slot: (x.loss, x.metrics[objective.primary.name]) for slot, x in found}
