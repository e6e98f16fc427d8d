"""Networks that cannot be pruned as they are: refused with the layer's name and what to do."""

from __future__ import annotations

import warnings

import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from zoo.rows import row


def _mlp() -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 3))


@row("refused")
def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(6), nn.ReLU(), nn.Linear(6, 3))


@row("refused")
def old_weight_norm():
    net = _mlp()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net[1] = nn.utils.weight_norm(net[1])
    return net


@row("refused")
def weight_norm():
    net = _mlp()
    net[1] = parametrizations.weight_norm(net[1])
    return net


@row("refused")
def spectral_norm():
    net = _mlp()
    net[1] = parametrizations.spectral_norm(net[1])
    return net


@row("refused")
def pruned_by_torch():
    net = _mlp()
    prune.l1_unstructured(net[1], "weight", 0.5)
    return net


@row("refused")
class auxiliary(nn.Module):
    """A second answer in training."""

    def __init__(self):
        super().__init__()
        self.a, self.out, self.aux = nn.Linear(36, 6), nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x):
        h = self.a(x.flatten(1)).relu()
        return (self.out(h), self.aux(h)) if self.training else self.out(h)


@row("refused")
def nothing_to_prune():
    return _Scaled()


class _Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, x):
        return self.scale * x.flatten(1)[:, :3]


@row("refused")
def all_frozen():
    return _mlp().requires_grad_(False)


@row("refused")
def scripted():
    """Compiled by TorchScript's tracer, as older code is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.trace(_mlp(), torch.zeros(2, 1, 6, 6), check_trace=False)
