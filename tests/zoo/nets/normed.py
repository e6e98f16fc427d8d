"""Norms and activations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from zoo.rows import row


def _with(norm: nn.Module, activation: nn.Module | None = None) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        norm,
        activation or nn.ReLU(),
        nn.Conv2d(4, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 3),
    )


@row("norms")
def group_norm():
    return _with(nn.GroupNorm(2, 4))


@row("norms")
def instance_norm():
    return _with(nn.InstanceNorm2d(4, affine=True, track_running_stats=True))


@row("norms")
def layer_norm():
    return _with(nn.LayerNorm([4, 4, 4]), nn.GELU())


@row("norms")
def rms_norm():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 7), nn.RMSNorm(7), nn.SiLU(), nn.Linear(7, 3))


@row("norms", relu=True)
def not_affine():
    return _with(nn.BatchNorm2d(4, affine=False))


@row("norms")
def untracked():
    return _with(nn.BatchNorm2d(4, track_running_stats=False))


@row("norms", relu=True)
def cumulative():
    """A running mean of all batches."""
    return _with(nn.BatchNorm2d(4, momentum=None))


@row("norms", relu=True)
def norm_of_features():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(36, 7, bias=False), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3)
    )


@row("norms")
class norm_by_hand(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.out = nn.Linear(36, 7), nn.Linear(7, 3)
        self.gain = nn.Parameter(torch.ones(7))

    def forward(self, x):
        h = self.fc(x.flatten(1))
        h = (h - h.mean(1, keepdim=True)) / (h.std(1, keepdim=True) + 1e-5)
        return self.out(F.relu(self.gain * h))


@row("norms")
def prelu():
    return _with(nn.BatchNorm2d(4), nn.PReLU(4))


@row("norms")
def smooth_activations():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(36, 6),
        nn.SELU(),
        nn.Linear(6, 6),
        nn.Mish(),
        nn.Linear(6, 6),
        nn.Hardswish(),
        nn.Linear(6, 6),
        nn.Softplus(),
        nn.Linear(6, 6),
        nn.LeakyReLU(),
        nn.Linear(6, 8),
        nn.GLU(),
        nn.Linear(4, 3),
        nn.LogSoftmax(1),
    )


@row("norms")
class standardised_weights(nn.Module):
    """Convolutions whose weights are normalised before they are used."""

    class Conv(nn.Conv2d):
        def forward(self, x):
            w = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
            return F.conv2d(x, w / (w.std((1, 2, 3), keepdim=True) + 1e-5), self.bias)

    def __init__(self):
        super().__init__()
        self.conv, self.fc = self.Conv(1, 4, 3), nn.Linear(64, 3)

    def forward(self, x):
        return self.fc(F.relu(self.conv(x)).flatten(1))
