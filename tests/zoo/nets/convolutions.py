"""Convolutions of all kinds, and what moves pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from zoo.rows import COLOUR, row


@row("convolutions", relu=True)
def conv():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(45, 3),
    )


@row("convolutions", relu=True)
def conv_bn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 5, 3, bias=False),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )


@row("convolutions")
class transposed(nn.Module):
    """Down, and up again."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(1, 4, 2, stride=2), nn.ConvTranspose2d(4, 3, 4, 2, 1)
        self.head = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.head(F.relu(self.up(F.relu(self.down(x))))).mean((2, 3))


@row("convolutions", relu=True)
class transposed_groups(nn.Module):
    """Each half of the channels goes up on its own; the logits come from a transposed one too."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv1d(6, 4, 2, stride=2)
        self.up = nn.ConvTranspose1d(4, 6, 3, stride=2, groups=2)
        self.head = nn.ConvTranspose1d(6, 3, 1)

    def forward(self, x):
        return self.head(F.relu(self.up(F.relu(self.down(x.squeeze(1)))))).mean(2)


@row("convolutions", relu=True)
def grouped():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 3),
    )


@row("convolutions", relu=True)
def depthwise():
    return nn.Sequential(
        nn.Conv2d(1, 4, 1),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.BatchNorm2d(4),
        nn.ReLU6(),
        nn.Conv2d(4, 6, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


@row("convolutions", relu=True)
def dilated():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(4, 4, (3, 1), stride=(2, 1), padding="valid"),
        nn.ReLU(),
        nn.AvgPool2d(2, ceil_mode=True),
        nn.Flatten(),
        nn.Linear(12, 3),
    )


@row("convolutions", relu=True)
def pointwise():
    """1×1 convolutions to the logits: no linear layer at all."""
    return nn.Sequential(
        nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Conv2d(5, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


@row("convolutions", relu=True)
class conv1d(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.fc = nn.Conv1d(6, 5, 3), nn.Conv1d(5, 4, 2), nn.Linear(4, 3)

    def forward(self, x):
        h = F.max_pool1d(F.relu(self.a(x.squeeze(1))), 2, stride=1)
        return self.fc(F.relu(self.b(h)).amax(2))


@row("convolutions", relu=True)
class conv3d(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.fc = nn.Conv3d(1, 3, (2, 3, 3)), nn.Linear(24, 3)

    def forward(self, x):
        x = x.view(len(x), 1, 3, 2, 6).transpose(2, 3).reshape(len(x), 1, 2, 3, 6)
        h = F.relu(self.a(F.pad(x, (0, 0, 0, 1))))
        return self.fc(h.flatten(1))


@row("convolutions", relu=True)
def circular():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"),
        nn.ReLU(),
        nn.ReflectionPad2d(1),
        nn.Conv2d(4, 3, 3, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(27, 3),
    )


@row("convolutions", relu=True)
class shuffled(nn.Module):
    """Channels of two groups change places, pixels become channels."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.b, self.fc = nn.Conv2d(4, 4, 1, groups=2), nn.Linear(36, 3)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x):
        h = F.pixel_unshuffle(x, 2)
        h = F.relu(self.b(self.shuffle(F.relu(self.a(h)))))
        return self.fc(F.pixel_shuffle(h, 2).flatten(1))


@row("convolutions", relu=True)
class patches(nn.Module):
    """As an MLP-mixer: patches cut out by `unfold`, mixed over places and over channels."""

    def __init__(self):
        super().__init__()
        self.embed, self.places = nn.Linear(4, 5), nn.Linear(9, 9)
        self.channels, self.head = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x):
        h = F.relu(self.embed(F.unfold(x, 2, stride=2).transpose(1, 2)))
        h = h + F.relu(self.places(h.transpose(1, 2))).transpose(1, 2)
        h = h + F.relu(self.channels(h))
        return self.head(h.mean(1))


@row("convolutions", relu=True)
class upsampled(nn.Module):
    """As a U-Net: down, up by interpolation, and across."""

    def __init__(self):
        super().__init__()
        self.down, self.mid = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.up, self.head = nn.Conv2d(7, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        a = F.relu(self.down(x))
        b = F.relu(self.mid(F.max_pool2d(a, 2)))
        b = F.interpolate(b, scale_factor=2, mode="bilinear")
        h = F.relu(self.up(torch.cat([a, b], 1)))
        return self.head(F.adaptive_max_pool2d(h, 1).flatten(1))


@row("convolutions", COLOUR, relu=True)
def wide_image():
    """A pooled stem, as networks for larger images have it."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 7, stride=4, padding=3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(24, 3),
    )
