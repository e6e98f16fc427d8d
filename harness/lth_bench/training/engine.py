"""The training loop. Everything else arranges what it is given and keeps what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.errors import Diverged
from lth_bench.masks import Layers, Mask
from lth_bench.training.network import Network, parametrized
from lth_bench.training.optimizers import make_optimizer
from lth_bench.training.randomness import device_generator, seed_of
from lth_bench.training.request import Change, FitRequest, StepView, Values, Watch
from lth_bench.training.resident import ResidentData
from lth_bench.training.schedule import Schedule
from lth_bench.training.state import Cost, CurvePoint

OnEval = Callable[[CurvePoint], None]


@dataclass(frozen=True)
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


class Training:
    """One training on one network, at width 1."""

    def __init__(self, network: Network, data: ResidentData, request: FitRequest) -> None:
        self.network, self.data, self.request = network, data, request
        self.recipe = request.recipe
        self.schedule = Schedule(self.recipe, len(data.train))
        self.step = request.start
        self.curve: list[CurvePoint] = []
        self.memo: dict[str, Any] = {}
        self.flops_masked = 0.0
        self.running_loss = torch.zeros((), device=network.device, dtype=torch.float64)
        self.since_eval = 0
        self.forward_draws = device_generator(network.device)
        network.load(request.values)
        network.module.train()
        self.optimizer = make_optimizer(network.parameters.values(), self.recipe)
        self.set_mask(request.mask)
        self.best = self.snapshot()
        self.best_step, self.best_loss = self.step, float("inf")

    def run(self, on_eval: OnEval | None = None) -> Outcome:
        """Train from `start` to `end`, or to where `until` stops."""
        began = time.perf_counter()
        request = self.request
        checkpoints: dict[int, Values] = {}
        stopped = False
        while True:
            if self.step in request.checkpoints:
                checkpoints[self.step] = self.snapshot()
            stopped = self.until_says_stop()
            if stopped or self.step == request.end:
                break
            self.update()
            if self.step % self.recipe.eval_every == 0:
                self.evaluate(on_eval)
        if not self.curve or self.curve[-1].step != self.step:
            self.evaluate(on_eval)
        steps = self.step - request.start
        examples = steps * self.recipe.batch_size
        flops = float(examples * self.network.flops.step)
        seconds = time.perf_counter() - began
        return Outcome(
            self.snapshot(),
            self.mask,
            self.step,
            tuple(self.curve),
            self.best,
            self.best_step,
            checkpoints,
            Cost(steps, examples, flops, self.flops_masked, seconds),
            stopped,
        )

    def update(self) -> None:
        """One step: batch, forward, backward, callback, update, mask."""
        recipe, network, request = self.recipe, self.network, self.request
        x, y = self.data.batch(self.step, request.seed, recipe)
        # dropout draws from the device's generator, so it is a function of (seed, step) too
        self.forward_draws.manual_seed(seed_of("forward", request.seed, self.step))
        logits = network.forward(x, self.mask, request.parametrize)
        loss = F.cross_entropy(logits, y, label_smoothing=recipe.label_smoothing)
        self.running_loss += loss.detach()
        self.since_eval += 1
        if request.penalty is not None:
            loss = loss + request.penalty(network.parameters)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's stub
        change = self.call_on_step()
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.lr(self.step)
        if change is None or not change.replace_update:
            self.optimizer.step()
        # before the change: what a new mask revives starts at zero, not at the update just made
        self.enforce()
        if change is not None:
            self.apply(change)
            self.enforce()
        self.flops_masked += self.step_flops(dense_gradients=change is not None)
        self.step += 1

    def set_mask(self, mask: Mask) -> None:
        """Make `mask` the one that is enforced, and enforce it."""
        self.mask = mask
        sizes = {layer.name: layer.numel for layer in self.network.layers}
        self.density = {n: c / sizes[n] for n, c in mask.kept_per_layer().items()}
        self._flops = {
            dense: recipe_flops * self.recipe.batch_size
            for dense in (False, True)
            for recipe_flops in [self.network.flops.masked_step(self.density, dense)]
        }
        parts = {k: m for k, m in mask.items_by_key().items() if not bool(m.all())}
        self._masked: list[Tensor] = [self.network.parameters[k] for k in parts]
        self._factors = [m.to(self.network.parameters[k].dtype) for k, m in parts.items()]
        self.enforce()

    @torch.no_grad()
    def enforce(self) -> None:
        """Pruned weights to zero, in one call for all layers."""
        if self._masked and self.request.parametrize is None:
            torch._foreach_mul_(self._masked, self._factors)

    def step_flops(self, dense_gradients: bool) -> float:
        """Theoretical FLOPs of this step under the mask."""
        return self._flops[dense_gradients]

    @torch.no_grad()
    def snapshot(self) -> Values:
        """A copy of all values, pruned weights at +0.0."""
        values = self.network.values()
        if self.request.parametrize is not None:
            made = parametrized(self.network.parameters, self.mask, self.request.parametrize)
            values.update({k: v.detach().clone() for k, v in made.items()})
        self.mask.apply_(values)
        return values

    def until_says_stop(self) -> bool:
        """Whether `until` ends the training here."""
        request = self.request
        if request.until is None or self.step % request.every:
            return False
        live = self.network.module.state_dict()
        return bool(request.until(Watch(self.step, live, self.mask, self.memo)))

    def call_on_step(self) -> Change | None:
        """`on_step`'s answer, where it is due."""
        request, network = self.request, self.network
        if request.on_step is None or self.step % request.every:
            return None
        gradients = {}
        for layer in network.layers:
            gradient = network.parameters[layer.key].grad
            gradients[layer.name] = (
                torch.zeros_like(network.parameters[layer.key]) if gradient is None else gradient
            )
        names = {id(p): name for name, p in network.parameters.items()}
        state = {names[id(p)]: s for p, s in self.optimizer.state.items()}
        live = network.module.state_dict()
        with torch.no_grad():
            return request.on_step(
                StepView(
                    self.step, request.end, live, Layers(gradients), state, self.mask, self.memo
                )
            )

    @torch.no_grad()
    def apply(self, change: Change) -> None:
        """Carry out what `on_step` answered."""
        for key, value in (change.values or {}).items():
            self.network.parameters[key].copy_(value)
        for name, where in (change.reset_momentum or {}).items():
            parameter = self.network.parameters[f"{name}.weight"]
            for entry in self.optimizer.state[parameter].values():
                if isinstance(entry, Tensor) and entry.shape == where.shape:
                    entry.masked_fill_(where.to(entry.device), 0.0)
        if change.mask is not None:
            change.mask.require(self.network.layers)
            self.set_mask(change.mask.to(self.network.device))

    def evaluate(self, on_eval: OnEval | None) -> None:
        """One point of the curve; the best state so far is kept. One synchronisation."""
        mean = float(self.running_loss) / max(1, self.since_eval)
        loss, accuracy = self.network.evaluate(
            self.data.val, self.data, self.mask, self.request.parametrize
        )
        if not (abs(mean) < float("inf") and loss < float("inf")):
            raise Diverged(f"the loss became {mean} by step {self.step} (validation {loss})")
        self.running_loss.zero_()
        self.since_eval = 0
        point = CurvePoint(self.step, mean, loss, accuracy)
        self.curve.append(point)
        if loss < self.best_loss:
            self.best, self.best_step, self.best_loss = self.snapshot(), self.step, loss
        if on_eval is not None:
            on_eval(point)
