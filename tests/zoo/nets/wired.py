"""Branches, sums and gates."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from zoo.rows import row


@row("wired", relu=True)
class residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        x = F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


@row("wired", relu=True)
class padded_shortcut(nn.Module):
    """A shortcut that is strided and filled up with zero channels."""

    def __init__(self):
        super().__init__()
        self.conv, self.conv1 = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 5, 3, 2, 1)
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        x = F.relu(self.conv(x))
        shortcut = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 1))
        return self.fc(F.relu(self.conv1(x) + shortcut).mean((2, 3)))


@row("wired", relu=True)
class dense_block(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)
        self.bn, self.fc = nn.BatchNorm2d(7), nn.Linear(7, 3)

    def forward(self, x):
        x = torch.cat([x, F.relu(self.a(x))], 1)
        x = torch.cat([x, F.relu(self.b(x))], 1)
        return self.fc(F.relu(self.bn(x)).mean((2, 3)))


@row("wired")
class squeeze_excite(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 6, 3), nn.Linear(6, 3)
        self.squeeze, self.excite = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1)

    def forward(self, x):
        x = F.relu(self.conv(x))
        gate = torch.sigmoid(self.excite(F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        return self.fc((x * gate).mean((2, 3)))


@row("wired", relu=True)
class multi_branch(nn.Module):
    """As Inception: branches of several sizes, side by side."""

    def __init__(self):
        super().__init__()
        self.one, self.three = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 3, padding=1)
        self.pool, self.fc = nn.Conv2d(1, 2, 1), nn.Linear(7, 3)

    def forward(self, x):
        parts = [self.one(x), self.three(x), self.pool(F.max_pool2d(x, 3, 1, 1))]
        return self.fc(F.relu(torch.cat(parts, 1)).mean((2, 3)))


@row("wired")
class highway(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.gate = nn.Linear(36, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        h = F.relu(self.a(x.flatten(1)))
        t = torch.sigmoid(self.gate(h))
        return self.out(t * F.relu(self.b(h)) + (1 - t) * h)


@row("wired")
class mixture(nn.Module):
    """Soft experts."""

    def __init__(self):
        super().__init__()
        self.experts = nn.ModuleList(nn.Linear(36, 5) for _ in range(3))
        self.router, self.out = nn.Linear(36, 3), nn.Linear(5, 3)

    def forward(self, x):
        x = x.flatten(1)
        gates = self.router(x).softmax(1)
        parts = torch.stack([F.relu(expert(x)) for expert in self.experts], 1)
        return self.out((gates[:, :, None] * parts).sum(1))


@row("wired", relu=True)
class maxout(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(36, 5), nn.Linear(36, 5), nn.Linear(5, 3)

    def forward(self, x):
        x = x.flatten(1)
        return self.out(F.relu(torch.maximum(self.a(x), self.b(x))))


@row("wired")
class layer_scale(nn.Module):
    """As ConvNeXt: a branch scaled by a small parameter."""

    def __init__(self):
        super().__init__()
        self.stem, self.depth = nn.Conv2d(1, 4, 2, 2), nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.norm, self.up, self.down = nn.LayerNorm(4), nn.Linear(4, 8), nn.Linear(8, 4)
        self.scale, self.head = nn.Parameter(torch.full((4,), 1e-2)), nn.Linear(4, 3)

    def forward(self, x):
        x = self.stem(x)
        y = self.down(F.gelu(self.up(self.norm(self.depth(x).permute(0, 2, 3, 1)))))
        return self.head((x + (self.scale * y).permute(0, 3, 1, 2)).mean((2, 3)))
