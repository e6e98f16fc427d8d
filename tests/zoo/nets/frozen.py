"""Parameters and parts that do not train."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from zoo.rows import row


def _normed(norm: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))


@row("frozen", relu=True)
def frozen_layer():
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 3))
    net[1].requires_grad_(False)
    return net


@row("frozen", relu=True)
def frozen_bias():
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 3))
    net[1].bias.requires_grad_(False)
    return net


@row("frozen", relu=True)
def frozen_by_hook():
    """Every other weight's gradient is made zero."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 7), nn.ReLU(), nn.Linear(7, 3))
    trains = torch.arange(7 * 36).view(7, 36) % 2
    net[1].weight.register_hook(lambda gradient: gradient * trains)
    return net


@row("frozen", relu=True)
def frozen_batch_norm():
    """Held in eval mode, and its parameters frozen."""
    net = _normed(nn.BatchNorm2d(4))
    net[1].requires_grad_(False).eval()
    return net


@row("frozen", relu=True)
class held_by_train(nn.Module):
    """Its own `train` keeps the norm in eval mode."""

    def __init__(self):
        super().__init__()
        self.net = _normed(nn.BatchNorm2d(4))

    def train(self, mode=True):
        super().train(mode)
        self.net[1].eval()
        return self

    def forward(self, x):
        return self.net(x)


@row("frozen", relu=True)
def norm_of_buffers():
    """torchvision's frozen batch norm has no parameters at all."""
    from torchvision.ops import FrozenBatchNorm2d

    return _normed(FrozenBatchNorm2d(4))


@row("frozen", relu=True)
class without_gradient(nn.Module):
    """Features that are computed under `no_grad`."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(64, 3)

    def forward(self, x):
        with torch.no_grad():
            h = F.relu(self.conv(x))
        return self.fc(h.flatten(1))


@row("frozen", relu=True)
class detached(nn.Module):
    """One of two branches gets no gradient."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Linear(36, 4), nn.Linear(36, 4), nn.Linear(8, 3)

    def forward(self, x):
        x = x.flatten(1)
        return self.fc(torch.cat([F.relu(self.a(x)), F.relu(self.b(x)).detach()], 1))
