"""What else people's code does."""

from __future__ import annotations

import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from zoo.rows import row


@row("odd", relu=True)
class unused_head(nn.Module):
    """A second head that nothing is computed with."""

    def __init__(self):
        super().__init__()
        self.a, self.out, self.other = nn.Linear(36, 6), nn.Linear(6, 3), nn.Linear(6, 4)

    def forward(self, x):
        return self.out(F.relu(self.a(x.flatten(1))))


@row("odd", relu=True)
class dropped_units(nn.Module):
    """Half of a layer's outputs are computed and left."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 8), nn.Linear(4, 3)

    def forward(self, x):
        return self.out(F.relu(self.a(x.flatten(1))).chunk(2, 1)[0])


@row("odd", relu=True)
class normalises_itself(nn.Module):
    """Its input's mean and deviation are constants of its own."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(64, 3)

    def forward(self, x):
        return self.fc(F.relu(self.conv((x - 0.5) / 0.25)).flatten(1))


@row("odd", relu=True)
class in_place_input(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)

    def forward(self, x):
        x.sub_(0.1).clamp_(-2, 2)
        h = self.a(x.flatten(1))
        h[:, 0] += 1
        return self.out(h.relu_())


@row("odd", relu=True)
class control_flow(nn.Module):
    """Which way depends on the data."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = self.a(x.flatten(1))
        return self.out(F.relu(h) if h.mean() > -1000 else h)


@row("odd", relu=True)
class dropout(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.drop, self.out = nn.Linear(36, 6), nn.Dropout(0.3), nn.Linear(6, 3)

    def forward(self, x):
        return self.out(self.drop(F.relu(self.a(x.flatten(1)))))


@row("odd", relu=True)
class drop_path(nn.Module):
    """A residual branch that is left out at random."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(36, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = F.relu(self.a(x.flatten(1)))
        if self.training and random.random() < 0.5:
            return self.out(h)
        return self.out(h + F.relu(self.b(h)))


@row("odd", relu=True)
class noise_of_numpy(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)
        nn.init.constant_(self.out.bias, float(np.random.rand()))

    def forward(self, x):
        h = F.relu(self.a(x.flatten(1)))
        return self.out(h * float(1 + np.random.rand()) if self.training else h)


@row("odd", relu=True)
def fixed_values():
    """Initial values that no seed decides, as pretrained ones are."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.linspace(-0.3, 0.4, parameter.numel()).sin().view_as(parameter))
    return net


@row("odd")
class coordinates(nn.Module):
    """Channels that tell where a pixel is: their weights read no example."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(64, 3)
        lines = torch.linspace(-1, 1, 6)
        grid = torch.stack(torch.meshgrid(lines, lines, indexing="ij"))
        self.register_buffer("grid", grid[None], persistent=False)

    def forward(self, x):
        x = torch.cat([x, self.grid.expand(len(x), -1, -1, -1)], 1)
        return self.fc(F.relu(self.conv(x)).flatten(1))


@row("odd", relu=True)
class running_mean(nn.Module):
    """A buffer that is replaced in every pass."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)
        self.register_buffer("mean", torch.zeros(36))

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return self.out(F.relu(self.a(x - self.mean)))


@row("odd", relu=True)
def forward_hook():
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 3))
    net[2].register_forward_hook(lambda part, args, out: 2 * out)
    return net


@row("odd", relu=True)
class spread_tokens(nn.Module):
    """Rows are written one after the other into a buffer made for them."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(6, 4), nn.Linear(24, 3)

    def forward(self, x):
        rows = x.new_empty(len(x), 6, 4)
        for i in range(6):
            rows[:, i] = F.relu(self.a(x[:, 0, i]))
        return self.out(rows.flatten(1))


@row("odd", relu=True)
class batch_statistics(nn.Module):
    """What one example gives depends on the others."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = self.a(x.flatten(1))
        return self.out(F.relu(h - h.mean(0) if self.training else h))


@row("odd", relu=True, slow=True)  # the compiler takes four seconds to import
def compiled():
    """By `torch.compile`."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 6), nn.ReLU(), nn.Linear(6, 3))
    return torch.compile(net, backend="eager")


@row("odd")
class fourier(nn.Module):
    """Mixes tokens by a Fourier transform (FNet)."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(6, 5), nn.Linear(5, 3)

    def forward(self, x):
        h = torch.fft.fft(self.a(x.squeeze(1)), dim=1).real
        return self.out(F.relu(h).mean(1))
