"""A training without the engine: plain torch, SGD with momentum, the mask multiplied in."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.training.randomness import seed_global, seed_of


def plain_torch(module: nn.Module, bench: Any, request: Any) -> dict[str, Tensor]:
    """The values after a request's steps; `module` is the model's own, and is trained."""
    recipe = bench.recipe
    module = module.double()
    module.load_state_dict(request.values)
    if not module.training:
        module.train()
    masks = request.mask.items_by_key()
    velocity: dict[str, Tensor] = {}

    @torch.no_grad()
    def prune() -> None:
        for key, kept in masks.items():
            module.get_parameter(key).mul_(kept)

    @torch.no_grad()
    def update() -> None:
        for key, parameter in module.named_parameters():
            if parameter.grad is not None:
                velocity[key] = recipe.momentum * velocity.get(key, 0.0) + parameter.grad
                parameter -= recipe.lr * velocity[key]
        prune()

    prune()
    for step in range(request.start, request.end):
        x, y = bench.data.batch(step, request.seed, recipe)
        seed_global(seed_of("forward", request.seed, step), torch.device("cpu"))
        module.zero_grad()
        F.cross_entropy(module(x.double()), y).backward()
        update()
    return module.state_dict()
