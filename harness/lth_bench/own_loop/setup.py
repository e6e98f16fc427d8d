"""`lth_bench.sparsify`: a strategy in a training loop of one's own."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lth_bench.errors import UserError, suggest
from lth_bench.masks import Layer
from lth_bench.models.matrices import DEFAULT
from lth_bench.models.prunable import layers_by_name
from lth_bench.objectives import Objective
from lth_bench.own_loop.loop_bench import LoopBench
from lth_bench.own_loop.loss import Loss
from lth_bench.own_loop.refusal import KINDS
from lth_bench.own_loop.selection import select
from lth_bench.own_loop.sparsifier import Sparsifier
from lth_bench.params import build
from lth_bench.plugins import load_registry


def sparsify(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    strategy: str | object = "rigl",
    density: float = 0.1,
    *,
    steps: int | None = None,
    params: Mapping[str, Any] | None = None,
    data: object = None,
    loss: Objective | Loss | None = None,
    seed: int = 0,
    exclude: str | Sequence[str] = (),
    plugins: str | Path | Sequence[str | Path] = (),
) -> Sparsifier:
    """Train `model` sparsely in a loop of your own: prune it now, hold the mask from here on.

    Every `optimizer.step()` leaves pruned weights at zero, whatever the optimizer, and rewires the
    mask where the strategy does. It is the strategy object of `lth_bench.run`: in float64 a plain
    loop over the same batches gives the same masks and values.

        sparse = lth_bench.sparsify(model, optimizer, "rigl", density=0.1, steps=10_000)

    `strategy` is a name, or an instance; `params` are its parameters by name. `density` is the kept
    fraction of the weights of all convolutions and linear layers, in (0, 1), without those whose
    names match a pattern of `exclude` (`"lm_head"`, `"*.norm*"`). `steps` is the number of
    `optimizer.step()` calls of the whole training, which strategies that rewire need. `data`, which
    strategies that score examples need (snip), is a pair of tensors (inputs, targets), a map-style
    Dataset of such pairs, or a DataLoader of one; inputs are floats or tokens as the model takes
    them. `loss` is what they score by: a function of outputs [N, …] and targets [N, …] that returns
    a batch's mean loss or the loss of each example, or an objective (`lth_bench.objectives`);
    cross-entropy where targets are one class an example. `seed` decides what the strategy draws.
    `plugins` are one-file plugins.

    Saving `model.state_dict()` and `optimizer.state_dict()` saves all: on resuming, call `sparsify`
    as before and load both. Under DDP every process calls it. UserError for a strategy that needs
    trainings of its own (imp, late_rewind, early_bird, …), and for whatever does not fit together.
    """
    plain = _unwrapped(model)
    plain_optimizer = _optimizer(optimizer)
    name, made = _strategy(strategy, params or {}, plugins)
    if not _number(density) or not 0 < density < 1:
        raise UserError(f"density is the kept fraction, in (0, 1), but got {density!r}")
    if steps is not None and not (_number(steps) and steps % 1 == 0 and steps > 0):
        raise UserError(f"steps is the number of optimizer steps, 1 or more, but got {steps!r}")
    if getattr(made, "dense_only", False):
        raise UserError(f"strategy {name!r} prunes nothing; use {KINDS}")
    layers = _prunable(plain, exclude)
    _require_updated(plain, plain_optimizer, layers)
    bench = LoopBench(plain, layers, data, steps=steps, optimizer=plain_optimizer, loss=loss)
    selection = select(name, made, bench, float(density), seed)
    if selection.on_step is not None and isinstance(plain_optimizer, torch.optim.LBFGS):
        raise UserError(
            f"strategy {name!r} rewires between gradient and update, but LBFGS computes several "
            f"gradients in a step; use another optimizer"
        )
    return Sparsifier(plain, plain_optimizer, layers, selection, name=name, seed=seed, steps=steps)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _unwrapped(model: object) -> nn.Module:
    """The user's own module, inside of DDP and torch.compile."""
    while isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        model = model.module
    model = getattr(model, "_orig_mod", model)
    if not isinstance(model, nn.Module):
        raise UserError(f"model must be a torch.nn.Module, but got a {type(model).__name__}")
    return model


def _optimizer(optimizer: object) -> torch.optim.Optimizer:
    """The optimizer that steps, inside of Accelerate's and Lightning's."""
    for name in ("optimizer", "_optimizer"):
        optimizer = getattr(optimizer, "__dict__", {}).get(name, optimizer)
    if not isinstance(optimizer, torch.optim.Optimizer):
        kind = type(optimizer).__name__
        raise UserError(f"optimizer must be a torch.optim.Optimizer, but got a {kind}")
    return optimizer


def _strategy(
    strategy: str | object,
    params: Mapping[str, Any],
    plugins: str | Path | Sequence[str | Path],
) -> tuple[str, Any]:
    if not isinstance(strategy, str):
        if params:
            raise UserError("params belong to a strategy's name; an instance has its own already")
        return type(strategy).__name__, strategy
    files = [plugins] if isinstance(plugins, str | Path) else plugins
    registry = load_registry([Path(file) for file in files])
    cls = registry.get("strategies", strategy)
    return strategy, build(cls, dict(params), f"strategy {strategy!r}")


def _prunable(model: nn.Module, exclude: str | Sequence[str]) -> tuple[Layer, ...]:
    every = layers_by_name(model)
    remaining = dict(every)
    for pattern in [exclude] if isinstance(exclude, str) else exclude:
        matching = fnmatch.filter(every, pattern)
        if not matching:
            raise UserError(f"exclude: no layer is called {pattern!r}{suggest(pattern, every)}")
        for name in matching:
            remaining.pop(name, None)
    if not remaining:
        what = "after exclude" if every else f"no {DEFAULT} layer"
        raise UserError(f"{type(model).__name__} has nothing to prune: {what}")
    return tuple(remaining.values())


def _require_updated(
    model: nn.Module, optimizer: torch.optim.Optimizer, layers: Sequence[Layer]
) -> None:
    """The optimizer is this model's, and its parameters are whole tensors."""
    updated = {id(p) for group in optimizer.param_groups for p in group["params"]}
    weights = {layer.name: model.get_parameter(layer.key) for layer in layers}
    if not any(id(weight) in updated for weight in weights.values()):
        raise UserError(
            "the optimizer updates none of the model's prunable weights; make it of this model's "
            "parameters, after the model is moved or changed"
        )
    for name, weight in weights.items():
        if type(weight) is not nn.Parameter:
            raise UserError(
                f"layer {name!r} has a weight of type {type(weight).__name__}: sharded and "
                f"quantized weights cannot be masked; use DDP, or exclude the layer"
            )
