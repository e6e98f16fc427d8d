"""Weights in several places, or used without their layer's call."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from zoo.rows import row


@row("plain", relu=True)
def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 3)
    )


@row("plain", relu=True)
def linear():
    return nn.Sequential(nn.Flatten(), nn.Linear(36, 3))


@row("shared", relu=True)
class used_twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(36, 7), nn.Linear(7, 7), nn.Linear(7, 3)

    def forward(self, x):
        return self.c(F.relu(self.b(F.relu(self.b(F.relu(self.a(x.flatten(1))))))))


@row("shared", relu=True)
class two_names(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(36, 7), nn.Linear(7, 7), nn.Linear(7, 3)
        self.again = self.b

    def forward(self, x):
        return self.c(F.relu(self.again(F.relu(self.b(F.relu(self.a(x.flatten(1))))))))


@row("shared", relu=True)
class tied_weights(nn.Module):
    """Two layers with one weight, and biases of their own."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(36, 7), nn.Linear(7, 7), nn.Linear(7, 7)
        self.out = nn.Linear(7, 3)
        self.c.weight = self.b.weight

    def forward(self, x):
        return self.out(F.relu(self.c(F.relu(self.b(F.relu(self.a(x.flatten(1))))))))


@row("shared", relu=True)
class tied_transposed(nn.Module):
    """As an autoencoder ties its decoder to its encoder."""

    def __init__(self):
        super().__init__()
        self.encode, self.out = nn.Linear(36, 5), nn.Linear(36, 3)

    def forward(self, x):
        h = F.relu(self.encode(x.flatten(1)))
        return self.out(F.relu(F.linear(h, self.encode.weight.t())))


@row("shared", relu=True, other_flops=2 * 7 * 3, prunable=("inner",), not_prunable=("out.*",))
class declared(nn.Module):
    """A matrix outside of any layer, declared prunable, and a head that is not."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 7), nn.Linear(7, 3)
        self.inner = nn.Parameter(torch.randn(7, 7) / 3)

    def forward(self, x):
        return self.out(F.relu(F.relu(self.a(x.flatten(1))) @ self.inner))


@row("shared", relu=True)
class by_function(nn.Module):
    """Layers that only hold weights."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(16, 3)

    def forward(self, x):
        h = F.relu(F.conv2d(x, self.conv.weight, self.conv.bias, stride=2))
        return F.linear(h.flatten(1), self.fc.weight, self.fc.bias)


@row("shared", relu=True)
class side_by_side(nn.Module):
    """Two layers' weights in one product, cut apart again."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(36, 4), nn.Linear(36, 5), nn.Linear(9, 3)

    def forward(self, x):
        both = F.linear(x.flatten(1), torch.cat([self.a.weight, self.b.weight]))
        a, b = both.split([4, 5], dim=1)
        return self.out(F.relu(torch.cat([b, a], 1)))


@row("shared", relu=True)
class sliced(nn.Module):
    """As slimmable networks use parts of a weight."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(36, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = F.relu(self.a(x.flatten(1)))
        return F.linear(h[:, :5], self.b.weight[:, :5]) + F.linear(h[:, 3:], self.b.weight[:, 3:])


@row("shared", relu=True)
class einsum(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(36, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = F.relu(torch.einsum("nd,ed->ne", x.flatten(1), self.a.weight))
        return torch.einsum("nd,ed->ne", h, self.b.weight) + self.b.bias


@row("shared", other_flops=2 * 3 * 5 + 3 * 6 * 5)  # the second once for two examples
class low_rank(nn.Module):
    """A layer beside a product of two parameters, as adapters are."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(36, 5), nn.Linear(5, 3)
        self.down = nn.Parameter(0.1 * torch.randn(3, 6))
        self.up = nn.Parameter(0.1 * torch.randn(6, 5))

    def forward(self, x):
        h = F.relu(self.a(x.flatten(1)))
        return self.b(h) + F.linear(h, self.down @ self.up)
