"""One training in a cohort: its mask, its curve, and who is waiting for which part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from lth_bench.errors import Diverged
from lth_bench.masks import Layers, Mask
from lth_bench.training.layouts.base import Layout
from lth_bench.training.network import parametrized, standard
from lth_bench.training.outcome import OnEval, Outcome
from lth_bench.training.request import Change, FitRequest, StepView, Values, Watch
from lth_bench.training.state import Cost, CurvePoint


@dataclass(eq=False)
class Asked:
    """A `fit` that waits. Several may wait for parts of one and the same training."""

    request: FitRequest
    on_eval: OnEval | None = None
    memo: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    error: BaseException | None = None

    @property
    def done(self) -> bool:
        """Whether it has its answer."""
        return self.outcome is not None or self.error is not None


class charged_to:
    """What goes wrong inside is the error of these fits, and of no others."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.asked = asked

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception) or isinstance(error, torch.OutOfMemoryError):
            return False  # an interrupt and the device's memory are everybody's
        for asked in self.asked:
            asked.error = error
        return True


class Member:
    """A training in a slot. All of its `asked` start from the same values, mask and step, with
    the same callbacks; they may end at different steps.
    """

    def __init__(self, layout: Layout, slot: int, asked: Sequence[Asked]) -> None:
        self.layout, self.slot, self.asked = layout, slot, asked
        first = asked[0].request
        self.start, self.step = first.start, first.start
        self.end = max(a.request.end for a in asked)
        self.on_step, self.every = first.on_step, first.every
        self.memo = asked[0].memo
        self.seconds = 0.0
        self.flops_masked = 0.0
        self.curve: list[CurvePoint] = []
        self.checkpoints: dict[int, Values] = {}
        self._wanted = frozenset().union(*(a.request.checkpoints for a in asked))
        self._loss_before = 0.0
        self._evaluated_at = first.start
        self.use(first.mask)
        self.best = self.snapshot()
        self.best_step, self.best_loss = self.step, float("inf")

    @property
    def open(self) -> list[Asked]:
        """Who still waits."""
        return [a for a in self.asked if not a.done]

    def use(self, mask: Mask) -> None:
        """Count FLOPs under this mask, which the layout enforces."""
        self.mask = mask
        network, batch = self.layout.network, self.layout.recipe.batch_size
        sizes = {layer.name: layer.numel for layer in network.layers}
        density = {n: c / sizes[n] for n, c in mask.kept_per_layer().items()}
        self._flops = {
            dense: network.flops.masked_step(density, dense) * batch for dense in (False, True)
        }

    @torch.no_grad()
    def snapshot(self) -> dict[str, Tensor]:
        """A copy of all values, pruned weights at +0.0."""
        live = self.layout.live(self.slot)
        values = {k: standard(v) for k, v in live.items()}
        if self.layout.parametrize is not None:
            trainables = {k: live[k] for k in self.layout.parameters}
            made = parametrized(trainables, self.mask, self.layout.parametrize)
            values.update({k: v.detach().clone() for k, v in made.items()})
        self.mask.apply_(values)
        return values

    def ending(self) -> list[tuple[Asked, bool]]:
        """Who is to be answered before the next step, and whether `until` stopped it."""
        found = []
        for asked in self.open:
            with charged_to([asked]):
                stopped = self._until(asked)
                if stopped or self.step == asked.request.end:
                    found.append((asked, stopped))
        return found

    def _until(self, asked: Asked) -> bool:
        request = asked.request
        if request.until is None or self.step % request.every:
            return False
        live = self.layout.live(self.slot)
        return bool(request.until(Watch(self.step, live, self.mask, asked.memo)))

    def keep_checkpoint(self) -> None:
        """Keep the state of a step that somebody wants."""
        if self.step in self._wanted:
            self.checkpoints[self.step] = self.snapshot()

    @property
    def due(self) -> bool:
        """Whether `on_step` is called in this step."""
        return self.on_step is not None and self.step % self.every == 0

    def call_on_step(self) -> Change | None:
        """`on_step`'s answer."""
        assert self.on_step is not None
        layout, network = self.layout, self.layout.network
        gradients = layout.gradients(self.slot)
        with torch.no_grad():
            return self.on_step(
                StepView(
                    self.step,
                    self.end,
                    layout.live(self.slot),
                    Layers({x.name: gradients[x.key] for x in network.layers}),
                    layout.optimizer_state(self.slot),
                    self.mask,
                    self.memo,
                )
            )

    @torch.no_grad()
    def apply(self, change: Change) -> None:
        """Carry out what `on_step` answered."""
        layout = self.layout
        live = layout.live(self.slot)
        for key, value in (change.values or {}).items():
            _require("values", key, value, {k: v.shape for k, v in live.items()})
            live[key].copy_(value)
        state = layout.optimizer_state(self.slot)
        shapes = {x.name: torch.Size(x.shape) for x in layout.network.layers}
        for name, where in (change.reset_momentum or {}).items():
            _require("reset_momentum", name, where, shapes)
            for entry in state[f"{name}.weight"].values():
                if isinstance(entry, Tensor) and entry.shape == where.shape:
                    entry.masked_fill_(where.to(entry.device), 0.0)
        if change.mask is not None:
            change.mask.require(layout.network.layers)
            mask = change.mask.to(layout.device)
            layout.set_mask(self.slot, mask)
            self.use(mask)
        else:
            layout.enforce()

    def stepped(self, dense_gradients: bool) -> None:
        """One update is done."""
        self.flops_masked += self._flops[dense_gradients]
        self.step += 1

    def note(self, total_loss: float, loss: float, accuracy: float) -> CurvePoint:
        """A point of the curve, from the sum of all training losses so far. Diverged where
        a loss is not finite.
        """
        mean = (total_loss - self._loss_before) / max(1, self.step - self._evaluated_at)
        if not (abs(mean) < float("inf") and loss < float("inf")):
            raise Diverged(f"the loss became {mean} by step {self.step} (validation {loss})")
        return CurvePoint(self.step, mean, loss, accuracy)

    def regular(self, point: CurvePoint, total_loss: float) -> None:
        """An evaluation that everybody shares: the best state so far is kept."""
        self._loss_before, self._evaluated_at = total_loss, self.step
        self.curve.append(point)
        if point.val_loss < self.best_loss:
            self.best, self.best_step, self.best_loss = self.snapshot(), self.step, point.val_loss
        for asked in self.open:
            if asked.on_eval is not None:
                with charged_to([asked]):
                    asked.on_eval(point)

    def answer(self, asked: Asked, stopped: bool, last: CurvePoint | None) -> None:
        """Give a waiting fit what the training has come to. `last` is its own last evaluation,
        where the shared ones do not end at this step.
        """
        layout = self.layout
        values, curve = self.snapshot(), tuple(self.curve)
        best, best_step = self.best, self.best_step
        if last is not None:
            curve = (*curve, last)
            if last.val_loss < self.best_loss:
                best, best_step = values, self.step
            if asked.on_eval is not None:
                asked.on_eval(last)
        steps = self.step - self.start
        examples = steps * layout.recipe.batch_size
        flops = float(examples * layout.network.flops.step)
        asked.outcome = Outcome(
            values=values,
            mask=self.mask,
            step=self.step,
            curve=curve,
            best=best,
            best_step=best_step,
            checkpoints={s: v for s, v in self.checkpoints.items() if s <= self.step},
            cost=Cost(steps, examples, flops, self.flops_masked, self.seconds),
            stopped=stopped,
            width=layout.width,
            variant=layout.variant,
        )


def _require(what: str, name: str, given: Tensor, shapes: Mapping[str, torch.Size]) -> None:
    """Refuse what a `Change` gives for a name or a shape that the network does not have."""
    if name not in shapes:
        raise ValueError(f"Change.{what} names {name!r}; the network has {', '.join(shapes)}")
    if given.shape != shapes[name]:
        raise ValueError(
            f"Change.{what}[{name!r}] must have the shape {tuple(shapes[name])}, but got "
            f"{tuple(given.shape)}"
        )
