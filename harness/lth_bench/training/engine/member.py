"""One training in a cohort: its mask, its curve, and who is waiting for which part of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lth_bench.errors import Diverged
from lth_bench.masks import Layers, Mask
from lth_bench.training.callback_state import callback_state_of
from lth_bench.training.checkpoints.checkpoint import CheckpointHead, TrainingCheckpoint
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.network import parametrized, standard
from lth_bench.training.keys import device_name
from lth_bench.training.pending_fit import PendingFit, calling, charged_to
from lth_bench.training.randomness import seed_global, seed_of
from lth_bench.training.request import Change, StepView, Values, Watch
from lth_bench.training.state import Cost, CurvePoint, Outcome


class Member:
    """A training in a slot. All of its `asked` start from the same values, mask and step, with
    the same callbacks; they may end at different steps.
    """

    def __init__(self, layout: Layout, slot: int, asked: Sequence[PendingFit]) -> None:
        self.layout, self.slot, self.asked = layout, slot, asked
        first = asked[0].request
        self.start, self.step = first.start, first.start
        self.end = max(a.request.end for a in asked)
        self.on_step, self.every = first.on_step, first.every
        self.memo = asked[0].memo
        self.seconds = 0.0
        self.flops_masked = 0
        """Whole numbers, so that no order of adding them changes the sum."""
        self.curve: list[CurvePoint] = []
        self.checkpoints: dict[int, Values] = {}
        self._wanted = frozenset().union(*(a.request.checkpoints for a in asked))
        self._loss_before = 0.0
        self._evaluated_at = first.start
        self.use(first.mask)
        self.best_step, self.best_loss, self.best_mask = self.step, float("inf"), first.mask
        # what `parametrize` made of the trainables then; otherwise the layout has the best state
        self._made = self.snapshot() if layout.parametrize is not None else None

    @property
    def open(self) -> list[PendingFit]:
        """Who still waits."""
        return [a for a in self.asked if not a.done]

    def own_seconds(self) -> float:
        """Seconds of its callbacks since the last call."""
        found = sum(a.own for a in self.asked)
        for asked in self.asked:
            asked.own = 0.0
        return found

    def spend(self, seconds: float) -> None:
        """Take some time, shared among the fits that still wait."""
        self.seconds += seconds
        waiting = self.open
        for asked in waiting:
            asked.spend(seconds / len(waiting))

    def use(self, mask: Mask) -> None:
        """Count FLOPs under this mask, which the layout enforces."""
        self.mask = mask
        network, batch = self.layout.network, self.layout.recipe.batch_size
        sizes = {layer.name: layer.numel for layer in network.layers}
        density = {n: c / sizes[n] for n, c in mask.kept_per_layer().items()}
        # every weight is used equally often, so the products are whole numbers up to rounding
        self._flops = {
            dense: round(network.flops.masked_step(density, dense)) * batch
            for dense in (False, True)
        }

    def snapshot(self) -> dict[str, Tensor]:
        """A copy of all values, pruned weights at +0.0."""
        if self.layout.parametrize is None:
            return self.layout.snapshots([self.slot])[0]
        return self._parametrized()

    @torch.no_grad()
    def _parametrized(self) -> dict[str, Tensor]:
        live = self.layout.live(self.slot)
        values = {k: standard(v) for k, v in live.items()}
        assert self.layout.parametrize is not None
        trainables = {k: live[k] for k in self.layout.parameters}
        made = parametrized(trainables, self.mask, self.layout.parametrize)
        values.update({k: v.detach().clone() for k, v in made.items()})
        self.mask.apply_(values)
        return values

    def best(self) -> dict[str, Tensor]:
        """A copy of the values at the lowest validation loss so far, those at the start where there
        was no evaluation yet.
        """
        if self._made is not None:
            return self._made
        return self.layout.best.of([self.slot], [self.best_mask])[0]

    def note_best(self, loss: float) -> None:
        """The state now is the best so far. The layout keeps it."""
        self.best_step, self.best_loss, self.best_mask = self.step, loss, self.mask
        if self.layout.parametrize is not None:
            self._made = self.snapshot()

    def quiet(self) -> int:
        """Steps from here in which nothing is to be done for this training but to take them."""
        every = self.layout.recipe.eval_every
        ahead = [every - self.step % every]
        ahead += [s - self.step for s in self._wanted if s > self.step]
        for asked in self.open:
            ahead.append(asked.request.end - self.step)
            if asked.request.until is not None:
                ahead.append(asked.request.every - self.step % asked.request.every)
        if self.on_step is not None:
            ahead.append(-self.step % self.every)
        return min(ahead)

    def ending(self) -> list[tuple[PendingFit, bool]]:
        """Who is to be answered before the next step, and whether `until` stopped it."""
        found = []
        for asked in self.open:
            with charged_to([asked]):
                stopped = self._until(asked)
                if stopped or self.step == asked.request.end:
                    found.append((asked, stopped))
        return found

    def _until(self, asked: PendingFit) -> bool:
        request = asked.request
        if request.until is None or self.step % request.every:
            return False
        live = _contiguous(self.layout.live(self.slot))
        self._own_draws("until")
        with calling(asked), _unless_diverged(self.step, live):
            return bool(request.until(Watch(self.step, live, self.mask, asked.memo)))

    def _own_draws(self, purpose: str) -> None:
        """A callback that draws from global generators draws the same whatever its neighbours: a
        function of (seed, step).
        """
        seed = seed_of(purpose, self.asked[0].request.seed, self.step)
        seed_global(seed, self.layout.device)

    @property
    def wants_checkpoint(self) -> bool:
        """Whether the state of this step is wanted."""
        return self.step in self._wanted

    @property
    def due(self) -> bool:
        """Whether `on_step` is called in this step."""
        return self.on_step is not None and self.step % self.every == 0

    def call_on_step(self) -> Change | None:
        """`on_step`'s answer."""
        assert self.on_step is not None
        layout, network = self.layout, self.layout.network
        gradients = _contiguous(layout.gradients(self.slot))
        state = layout.optimizer_state(self.slot)
        live = _contiguous(layout.live(self.slot))
        self._own_draws("on_step")
        diverged = _unless_diverged(self.step, live, gradients)
        with torch.no_grad(), calling(self.asked[0]), diverged:
            return self.on_step(
                StepView(
                    step=self.step,
                    end=self.end,
                    values=live,
                    gradients=Layers({x.name: gradients[x.key] for x in network.layers}),
                    optimizer_state={key: _contiguous(entries) for key, entries in state.items()},
                    mask=self.mask,
                    memo=self.memo,
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
            mask = change.mask.to(layout.device).copy()
            layout.set_mask(self.slot, mask)
            self.use(mask)
        else:
            layout.enforce()

    def stepped(self, steps: int = 1, dense_gradients: bool = False) -> None:
        """Updates are done; `dense_gradients` where pruned weights' gradients were computed too."""
        self.flops_masked += steps * self._flops[dense_gradients]
        self.step += steps

    def note(self, total_loss: float, loss: float, score: float) -> CurvePoint:
        """A point of the curve, from the sum of all training losses so far. Diverged where
        a loss is not finite.
        """
        mean = (total_loss - self._loss_before) / max(1, self.step - self._evaluated_at)
        if not (abs(mean) < float("inf") and loss < float("inf")):
            raise Diverged(f"the loss became {mean} by step {self.step} (validation {loss})")
        metric = self.layout.network.objective.primary.name
        return CurvePoint(self.step, mean, loss, score, metric=metric)

    def regular(self, point: CurvePoint, total_loss: float) -> bool:
        """An evaluation that all its fits share. Whether the state is the best so far, which the
        layout then is to keep.
        """
        self._loss_before, self._evaluated_at = total_loss, self.step
        self.curve.append(point)
        better = point.val_loss < self.best_loss
        if better:
            self.note_best(point.val_loss)
        self._tell(point)
        return better

    def checkpoint(self, done: int) -> TrainingCheckpoint:
        """Everything from which this training can go on, `done` steps after its start."""
        layout = self.layout
        searches = {a.key: a.memo for a in self.open if a.request.until is not None and a.key}
        checkpoints = frozenset(self.checkpoints)
        return TrainingCheckpoint(
            head=CheckpointHead(
                done=done,
                cohort_size=layout.cohort_size,
                variant=layout.variant,
                checkpoints=checkpoints,
                searches=frozenset(searches),
            ),
            layout=layout.state(self.slot),
            mask=self.mask,
            best=self.best(),
            best_step=self.best_step,
            best_loss=self.best_loss,
            checkpoints=self.checkpoints,
            curve=tuple(self.curve),
            loss_before=self._loss_before,
            evaluated_at=self._evaluated_at,
            flops_masked=self.flops_masked,
            seconds=self.seconds,
            memo=self.memo if self.on_step is not None else {},
            memos=searches,
            random=torch.get_rng_state(),
        )

    def resume(self, checkpoint: TrainingCheckpoint) -> None:
        """Resume from there. Listeners hear of the evaluations before it."""
        layout, device = self.layout, self.layout.device

        def on_device(values: Values) -> dict[str, Tensor]:
            return {k: v.to(device) for k, v in values.items()}

        mask = checkpoint.mask.to(device)
        layout.set_mask(self.slot, mask)
        layout.restore(self.slot, checkpoint.layout)
        self.use(mask)
        self.step = self.start + checkpoint.head.done
        if layout.parametrize is not None:
            self._made = on_device(checkpoint.best)
        else:
            layout.best.put(self.slot, checkpoint.best)
        # the values hold the zeros of the mask that they were kept under
        self.best_mask = Mask({}, layers=layout.network.layers)
        self.best_step, self.best_loss = checkpoint.best_step, checkpoint.best_loss
        self.checkpoints = {s: on_device(v) for s, v in checkpoint.checkpoints.items()}
        self.curve = list(checkpoint.curve)
        self._loss_before, self._evaluated_at = checkpoint.loss_before, checkpoint.evaluated_at
        self.flops_masked, self.seconds = checkpoint.flops_masked, checkpoint.seconds
        self.memo.update(checkpoint.memo)
        for asked in self.asked:
            asked.memo.update(checkpoint.memos.get(asked.key, {}))
        for point in self.curve:
            self._tell(point)

    def _tell(self, point: CurvePoint) -> None:
        for asked in self.open:
            if asked.on_eval is not None:
                with charged_to([asked]), calling(asked):
                    asked.on_eval(point)

    def answer(
        self,
        asked: PendingFit,
        stopped: bool,
        last: CurvePoint | None,
        values: Values,
        best: Values,
    ) -> None:
        """Give a waiting fit what the training has come to: its values now, and the best. `last` is
        its own last evaluation, where the shared ones do not end at this step.
        """
        layout = self.layout
        curve, best_step = tuple(self.curve), self.best_step
        if last is not None:
            curve = (*curve, last)
            if last.val_loss < self.best_loss:
                best, best_step = values, self.step
            if asked.on_eval is not None:
                with calling(asked):
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
            cost=Cost(
                steps=steps,
                examples=examples,
                flops_dense=flops,
                flops_masked_theoretical=float(self.flops_masked),
                seconds=self.seconds,
            ),
            stopped=stopped,
            cohort_size=layout.cohort_size,
            variant=layout.variant,
            device=str(layout.device),
            device_name=device_name(layout.device),
            memo=callback_state_of(asked.memo) if asked.request.until is not None else None,
        )


@contextmanager
def _unless_diverged(step: int, *given: Mapping[str, Any]) -> Iterator[None]:
    """A callback runs inside. Diverged where it stumbles over values or gradients that are not
    finite: the loss would show them at the next evaluation, and it is no fault of the callback.
    """
    try:
        yield
    except Exception:
        tensors = [t for group in given for t in group.values() if isinstance(t, Tensor)]
        if all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point()):
            raise
        # not chained: its frames hold the cohort's memory
        raise Diverged(f"values or gradients are NaN or infinite at step {step}") from None


def _contiguous(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Copies of what lies otherwise in the layout, so that a callback meets the same memory, and
    sums in the same order, whatever computes its training and also after a resume.
    """
    return {k: t.contiguous() if isinstance(t, Tensor) else t for k, t in tensors.items()}


def _require(what: str, name: str, given: Tensor, shapes: Mapping[str, torch.Size]) -> None:
    """Refuse what a `Change` gives for a name or a shape that the network does not have."""
    if name not in shapes:
        raise ValueError(f"Change.{what} names {name!r}; the network has {', '.join(shapes)}")
    if given.shape != shapes[name]:
        raise ValueError(
            f"Change.{what}[{name!r}] must have the shape {tuple(shapes[name])}, but got "
            f"{tuple(given.shape)}"
        )
