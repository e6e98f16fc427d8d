"""Small tasks of every kind of input, target and objective: what several tests train."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays
from lth_bench.models.conv1d import Conv1D
from lth_bench.models.lstm import LSTM
from lth_bench.models.mlp import MLP
from lth_bench.models.mlp_mixer import MLPMixer
from lth_bench.models.transformer import Transformer
from lth_bench.models.vit import ViT
from lth_bench.objectives import CrossEntropy
from lth_bench.objectives.binary import BinaryCrossEntropy
from lth_bench.objectives.cross_entropy import FocalLoss, WeightedCrossEntropy
from lth_bench.objectives.next_token import NextToken
from lth_bench.objectives.squared_error import SquaredError
from lth_bench.training.recipe import Recipe

N, TEST = 90, 30
RECIPE = Recipe(
    optimizer="adam", lr=0.01, steps=20, batch_size=15, val_size=20, eval_every=5, dtype="float64"
)
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {},
    "sgd": {"lr": 0.05, "momentum": 0.9},
    "adamw": {"weight_decay": 0.1},
}
"""What a recipe changes of `RECIPE` for each optimizer."""
MLP_NET, NET = MLP(hidden=(8,)), Transformer(depth=1, width=8, heads=2, mlp=12)


def features(*shape: int) -> Tensor:
    draws = torch.Generator().manual_seed(1)
    return 5 + 3 * torch.randn(N + TEST, *shape, generator=draws, dtype=torch.float64)


def tokens(vocabulary: int, places: int) -> Tensor:
    return torch.randint(0, vocabulary, (N + TEST, places), generator=torch.Generator())


def halves(x: Tensor, y: Tensor, classes: int, **kinds: Any) -> Arrays:
    return Arrays(x[:N], y[:N], x[N:], y[N:], classes=classes, **kinds)


X, T = features(4), tokens(6, 5)
CLASS = (X[:, 0] > 5).long() + (X[:, 1] > 7).long()
OF_FEATURES = {"inputs": "features"}
OF_TOKENS = {"inputs": "tokens", "vocabulary": 6}
OF_T = halves(T, T.sum(1) % 3, 3, **OF_TOKENS)
SHADES = torch.randint(0, 256, (N + TEST, 1, 4, 4), generator=torch.Generator(), dtype=torch.uint8)
IMAGES = halves(SHADES, (SHADES[:, 0, 0, 0] > 99).long(), 2)
TASKS: dict[str, tuple[Any, Arrays, Any]] = {
    "features, classes": (MLP_NET, halves(X, CLASS, 3, **OF_FEATURES), CrossEntropy()),
    "features of two dimensions": (
        MLP_NET, halves(features(2, 3), CLASS, 3, **OF_FEATURES), CrossEntropy(),
    ),
    "weighted": (MLP_NET, halves(X, CLASS, 3, **OF_FEATURES), WeightedCrossEntropy()),
    "focal": (MLP_NET, halves(X, CLASS, 3, **OF_FEATURES), FocalLoss()),
    "labels": (
        MLP_NET,
        halves(X, (X[:, :2] > 5).to(torch.uint8), 2, **OF_FEATURES, targets="labels"),
        BinaryCrossEntropy(),
    ),
    "values": (
        MLP_NET, halves(X, 100 * X[:, :1] + 7, 1, **OF_FEATURES, targets="values"), SquaredError(),
    ),
    "tokens, classes": (NET, OF_T, CrossEntropy()),
    "encoder": (
        dataclasses.replace(NET, causal=False), halves(T, T[:, 0], 6, **OF_TOKENS), FocalLoss(),
    ),
    "next token": (
        NET, halves(T, T.roll(-1, 1), 6, **OF_TOKENS, targets="tokens"), NextToken(),
    ),
}  # fmt: skip
NETWORKS: dict[str, tuple[Any, Arrays, Any]] = {
    "vit": (ViT(patch=2, width=8, depth=1, heads=2, mlp=12), IMAGES, CrossEntropy()),
    # 16 patches: a neuron whose inputs are all pruned adds one number to all channels, which the
    # norms take off again, so that its gradient is roundoff, and Adam follows that
    "mlp_mixer": (MLPMixer(patch=1, width=8, depth=1, channels_mlp=12), IMAGES, CrossEntropy()),
    "conv1d": (Conv1D(channels=(6, 4), kernels=(3, 3)), IMAGES, CrossEntropy()),
    "conv1d of tokens": (Conv1D(channels=(6,), kernels=(3,), embedding=5), OF_T, CrossEntropy()),
    "lstm": (LSTM(hidden=5, layers=2), IMAGES, CrossEntropy()),
    "lstm, next token": (
        LSTM(hidden=5), halves(T, T.roll(-1, 1), 6, **OF_TOKENS, targets="tokens"), NextToken(),
    ),
}  # fmt: skip
"""The other built-in networks for small inputs."""
