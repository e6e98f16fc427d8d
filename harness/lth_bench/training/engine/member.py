"""One training in a cohort: its mask, its curve, and the fits that wait for parts of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lth_bench.errors import Diverged
from lth_bench.masks import Layers, Mask, weight_key
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
    """A training in a slot. All of its `fits` share start values, mask, start step and callbacks;
    they may end at different steps.
    """

    def __init__(self, layout: Layout, slot: int, fits: Sequence[PendingFit]) -> None:
        self.layout, self.slot, self.fits = layout, slot, fits
        first = fits[0].request
        self.start, self.step = first.start, first.start
        self.end = max(a.request.end for a in fits)
        self.on_step, self.every = first.on_step, first.every
        self.memo = fits[0].memo
        self.seconds = 0.0
        self.flops_masked = 0
        """Integers, so that the order of summation does not matter."""
        self.curve: list[CurvePoint] = []
        self.checkpoints: dict[int, Values] = {}
        self._wanted = frozenset().union(*(a.request.checkpoints for a in fits))
        self._loss_before = 0.0
        self._evaluated_at = first.start
        self.use(first.mask)
        self.best_step, self.best_loss, self.best_mask = self.step, float("inf"), first.mask
        # the parametrized weights at the best step; without `parametrize` the layout stores them
        self._made = self.snapshot() if layout.parametrize is not None else None

    @property
    def open(self) -> list[PendingFit]:
        """The fits that are still waiting."""
        return [a for a in self.fits if not a.done]

    def own_seconds(self) -> float:
        """Seconds spent in its callbacks since the last call."""
        found = sum(a.callback_seconds for a in self.fits)
        for fit in self.fits:
            fit.callback_seconds = 0.0
        return found

    def spend(self, seconds: float) -> None:
        """Charge some seconds to the fits still waiting, in equal parts."""
        self.seconds += seconds
        waiting = self.open
        for fit in waiting:
            fit.spend(seconds / len(waiting))

    def use(self, mask: Mask) -> None:
        """Count FLOPs under this mask from now on. The layout enforces it."""
        self.mask = mask
        network, batch = self.layout.network, self.layout.recipe.batch_size
        sizes = {layer.name: layer.numel for layer in network.layers}
        density = {n: c / sizes[n] for n, c in mask.used().kept_per_layer().items()}
        # every weight of a layer is used equally often, so these are integers up to rounding
        self._flops = {
            dense: round(network.flops.masked_step(density, dense)) * batch
            for dense in (False, True)
        }

    def _in_order(self, mask: Mask) -> Mask:
        """The mask with its layers in the network's order, whatever order they were given or stored
        in: a callback that draws random numbers layer by layer must draw the same after a resume.
        """
        layers = self.layout.network.layers
        return Mask({x.name: mask.kept[x.name] for x in layers}, mask.held, layers, mask.frozen)

    def snapshot(self) -> dict[str, Tensor]:
        """A copy of all values, with pruned weights at +0.0."""
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
        """A copy of the values at the lowest validation loss so far; the start values before the
        first evaluation.
        """
        if self._made is not None:
            return self._made
        return self.layout.best.of([self.slot], [self.best_mask])[0]

    def note_best(self, loss: float) -> None:
        """Record that the current state is the best so far. The layout stores the values."""
        self.best_step, self.best_loss, self.best_mask = self.step, loss, self.mask
        if self.layout.parametrize is not None:
            self._made = self.snapshot()

    def steps_to_next_event(self) -> int:
        """Steps from here without a callback, an evaluation, a checkpoint or an end."""
        every = self.layout.recipe.eval_every
        ahead = [every - self.step % every]
        ahead += [s - self.step for s in self._wanted if s > self.step]
        for fit in self.open:
            ahead.append(fit.request.end - self.step)
            if fit.request.until is not None:
                ahead.append(fit.request.every - self.step % fit.request.every)
        if self.on_step is not None:
            ahead.append(-self.step % self.every)
        return min(ahead)

    def ending(self) -> list[tuple[PendingFit, bool]]:
        """The fits that end before the next step, each with whether `until` stopped it."""
        found = []
        for fit in self.open:
            with charged_to([fit]):
                stopped = self._until(fit)
                if stopped or self.step == fit.request.end:
                    found.append((fit, stopped))
        return found

    def _until(self, fit: PendingFit) -> bool:
        request = fit.request
        if request.until is None or self.step % request.every:
            return False
        live = _contiguous(self.layout.live(self.slot))
        self._own_draws("until")
        with calling(fit), _unless_diverged(self.step, live):
            return bool(request.until(Watch(self.step, live, self.mask, fit.memo)))

    def _own_draws(self, purpose: str) -> None:
        """Seed the global generators by (seed, step), so that a callback draws the same numbers
        whatever runs beside it.
        """
        seed = seed_of(purpose, self.fits[0].request.seed, self.step)
        seed_global(seed, self.layout.device)

    @property
    def wants_checkpoint(self) -> bool:
        """Whether a fit asked for the state at this step."""
        return self.step in self._wanted

    @property
    def due(self) -> bool:
        """Whether `on_step` is called at this step."""
        return self.on_step is not None and self.step % self.every == 0

    def call_on_step(self) -> Change | None:
        """Call `on_step` and return its result."""
        assert self.on_step is not None
        layout, network = self.layout, self.layout.network
        gradients = _contiguous(layout.gradients(self.slot))
        state = layout.optimizer_state(self.slot)
        live = _contiguous(layout.live(self.slot))
        self._own_draws("on_step")
        diverged = _unless_diverged(self.step, live, gradients)
        with torch.no_grad(), calling(self.fits[0]), diverged:
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
        """Apply the `Change` returned by `on_step`."""
        layout = self.layout
        live = layout.live(self.slot)
        for key, value in (change.values or {}).items():
            _require("values", key, value, {k: v.shape for k, v in live.items()})
            live[key].copy_(value)
        state = layout.optimizer_state(self.slot)
        shapes = {x.name: torch.Size(x.shape) for x in layout.network.layers}
        if change.reset_momentum == "all":
            for entries in state.values():
                for name, entry in entries.items():
                    # Adam's count of steps is shared by all members
                    if name != "step" and isinstance(entry, Tensor):
                        entry.zero_()
        else:
            for name, where in (change.reset_momentum or {}).items():
                _require("reset_momentum", name, where, shapes)
                for entry in state[weight_key(name)].values():
                    if isinstance(entry, Tensor) and entry.shape == where.shape:
                        entry.masked_fill_(where.to(entry.device), 0.0)
        if change.mask is not None:
            change.mask.require(layout.network.layers)
            if change.mask.frozen and layout.parametrize is None:
                raise ValueError(
                    "pruned weights are zero in this training, but the new mask freezes them at "
                    "other values; give `fit` a mask that does so from the start"
                )
            mask = self._in_order(change.mask.to(layout.device).copy())
            layout.set_mask(self.slot, mask)
            self.use(mask)
        else:
            layout.enforce()
        layout.changed()

    def stepped(self, steps: int = 1, changed: bool = False) -> None:
        """Record finished steps. `changed`: whether `on_step` returned a `Change`."""
        when = self.fits[0].request.dense_gradients
        self.flops_masked += (
            steps * self._flops[when == "always" or (when == "on_change" and changed)]
        )
        self.step += steps

    def note(self, total_loss: float, loss: float, score: float) -> CurvePoint:
        """A point of the curve, from the sum of all training losses so far. Raises Diverged if a
        loss is not finite.
        """
        mean = (total_loss - self._loss_before) / max(1, self.step - self._evaluated_at)
        if not (abs(mean) < float("inf") and loss < float("inf")):
            raise Diverged(f"the loss became {mean} by step {self.step} (validation loss {loss})")
        metric = self.layout.network.objective.primary.name
        return CurvePoint(self.step, mean, loss, score, metric=metric)

    def regular(self, point: CurvePoint, total_loss: float) -> bool:
        """Record an evaluation shared by all its fits. Returns whether the current state is the
        best so far, which the layout must then store.
        """
        self._loss_before, self._evaluated_at = total_loss, self.step
        self.curve.append(point)
        better = point.val_loss < self.best_loss
        if better:
            self.note_best(point.val_loss)
        self._tell(point)
        return better

    def checkpoint(self, done: int) -> TrainingCheckpoint:
        """Everything needed to resume this training, `done` steps after its start."""
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
        """Resume from a checkpoint. Evaluations before it are sent to `on_eval` again."""
        layout, device = self.layout, self.layout.device

        def on_device(values: Values) -> dict[str, Tensor]:
            return {k: v.to(device) for k, v in values.items()}

        mask = self._in_order(checkpoint.mask.to(device))
        layout.set_mask(self.slot, mask)
        layout.restore(self.slot, checkpoint.layout)
        self.use(mask)
        self.step = self.start + checkpoint.head.done
        if layout.parametrize is not None:
            self._made = on_device(checkpoint.best)
        else:
            layout.best.put(self.slot, checkpoint.best)
        # the values already have the zeros of the mask in force when they were saved
        self.best_mask = Mask({}, layers=layout.network.layers)
        self.best_step, self.best_loss = checkpoint.best_step, checkpoint.best_loss
        self.checkpoints = {s: on_device(v) for s, v in checkpoint.checkpoints.items()}
        self.curve = list(checkpoint.curve)
        self._loss_before, self._evaluated_at = checkpoint.loss_before, checkpoint.evaluated_at
        self.flops_masked, self.seconds = checkpoint.flops_masked, checkpoint.seconds
        self.memo.update(checkpoint.memo)
        for fit in self.fits:
            fit.memo.update(checkpoint.memos.get(fit.key, {}))
        for point in self.curve:
            self._tell(point)

    def _tell(self, point: CurvePoint) -> None:
        for fit in self.open:
            if fit.on_eval is not None:
                with charged_to([fit]), calling(fit):
                    fit.on_eval(point)

    def answer(
        self,
        fit: PendingFit,
        stopped: bool,
        last: CurvePoint | None,
        values: Values,
        best: Values,
    ) -> None:
        """Set a fit's outcome: the current values, and the best. `last` is the fit's own last
        evaluation if the shared ones do not end at this step.
        """
        layout = self.layout
        curve, best_step = tuple(self.curve), self.best_step
        if last is not None:
            curve = (*curve, last)
            if last.val_loss < self.best_loss:
                best, best_step = values, self.step
            if fit.on_eval is not None:
                with calling(fit):
                    fit.on_eval(last)
        steps = self.step - self.start
        rewires = self.memo if self.on_step is not None else {}
        memo = fit.memo if fit.request.until is not None else rewires
        examples = steps * layout.recipe.batch_size
        flops = float(examples * layout.network.flops.step)
        fit.outcome = Outcome(
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
            memo=callback_state_of(memo) if memo or fit.request.until is not None else None,
        )


@contextmanager
def _unless_diverged(step: int, *given: Mapping[str, Any]) -> Iterator[None]:
    """For a block that runs a callback. Raises Diverged if the callback fails on values or
    gradients that are not finite: that is not the callback's fault, and the next evaluation would
    show it.
    """
    try:
        yield
    except Exception:
        tensors = [t for group in given for t in group.values() if isinstance(t, Tensor)]
        if all(bool(t.isfinite().all()) for t in tensors if t.is_floating_point()):
            raise
        # not chained: the traceback would keep the cohort's memory alive
        raise Diverged(f"values or gradients are NaN or infinite at step {step}") from None


def _contiguous(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Contiguous copies of tensors that the layout stores differently, so that a callback sees the
    same memory layout, and sums in the same order, in every layout and after a resume.
    """
    return {k: t.contiguous() if isinstance(t, Tensor) else t for k, t in tensors.items()}


def _require(what: str, name: str, given: Tensor, shapes: Mapping[str, torch.Size]) -> None:
    """ValueError if a `Change` names an unknown parameter or has the wrong shape."""
    if name not in shapes:
        raise ValueError(f"Change.{what} has unknown key {name!r}; known: {', '.join(shapes)}")
    if given.shape != shapes[name]:
        raise ValueError(
            f"Change.{what}[{name!r}] must have shape {tuple(shapes[name])}, but got "
            f"{tuple(given.shape)}"
        )
