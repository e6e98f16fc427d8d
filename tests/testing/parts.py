"""Models, datasets and objectives that each break one contract; `breaks` says which one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import nn

from lth_bench import Arrays, DatasetInfo, Metric, Objective, Range


@dataclass(frozen=True)
class _Net:
    """A small network for anything but tokens."""

    width: Annotated[int, Range(1, 99)] = 8
    """Hidden neurons."""

    def build(self, input_shape, classes):
        if input_shape.kind == "tokens":
            raise ValueError("no tokens")
        return self.net(torch.Size(input_shape).numel(), classes)

    def net(self, n, classes):
        first, last = nn.Linear(n, self.width), nn.Linear(self.width, classes)
        return nn.Sequential(nn.Flatten(), first, nn.Tanh(), last)


class ForwardInPieces(_Net):
    breaks = "methods", r"build is called as build\(self, input_shape, classes\)"

    def build(self, input_shape):
        return nn.Linear(1, 1)


@dataclass(frozen=True)
class AnyWidth(_Net):
    breaks = "parameters", "depth may be any number: there is no Range on it"
    depth: int = 1
    """Layers."""


class ForNothing(_Net):
    breaks = "builds", "needs audio"

    def build(self, input_shape, classes):
        raise ValueError("needs audio")


class TooManyOutputs(_Net):
    breaks = "builds", r"outputs of shape \[2, 3\]"

    def net(self, n, classes):
        return super().net(n, classes + 1)


class NotFinite(_Net):
    breaks = "output_shape", "values not finite"

    def net(self, n, classes):
        class Log(nn.Module):
            def forward(self, x):
                return x.log() + x

        return nn.Sequential(super().net(n, classes), Log())


class FixedDraws(_Net):
    breaks = "seedable", "all initial values are the same at another seed"

    def net(self, n, classes):
        made = super().net(n, classes)
        rng = torch.Generator().manual_seed(0)
        for value in made.parameters():
            value.data = 0.1 * torch.randn(value.shape, generator=rng)
        return made


class BatchMean(_Net):
    breaks = "single_examples", "outputs of a batch of four and of its examples differ"

    def net(self, n, classes):
        class Centred(nn.Module):
            def forward(self, x):
                return x - x.mean(0, keepdim=True)

        made = super().net(n, classes)
        return nn.Sequential(nn.Flatten(), Centred(), made)


class DeadHead(_Net):
    breaks = "trains", "extra get no gradient"

    def net(self, n, classes):
        made = super().net(n, classes)
        made[1].register_parameter("extra", nn.Parameter(torch.ones(2)))
        return made


@dataclass(frozen=True)
class _Data:
    """Two features and three classes."""

    n: Annotated[int, Range(1, 1000)] = 30
    """Training examples."""

    def info(self, root):
        return DatasetInfo((2,), 3, self.n, 12, inputs="features")

    def load(self, root: Path) -> Arrays:
        return self.arrays(torch.Generator().manual_seed(0))

    def arrays(self, rng):
        x = torch.randn(self.n + 12, 2, generator=rng)
        y = torch.arange(len(x)) % 3
        n = self.n
        return Arrays(x[:n], y[:n], x[n:], y[n:], classes=3, inputs="features")


class NoFingerprint(_Data):
    breaks = "methods", "did you mean fingerprint?"

    def fingerprnt(self, root):
        return None


class NaN(_Data):
    breaks = "loads", "train_x must be finite, but 1 of its numbers are NaN"

    def arrays(self, rng):
        made = super().arrays(rng)
        made.train_x[2, 1] = float("nan")
        return dataclasses.replace(made)


class Dictionary(_Data):
    breaks = "loads", "load must return Arrays, but returned a dict"

    def load(self, root):
        return {}


class OtherInfo(_Data):
    breaks = "info", "info says training examples 31; the data has training examples 30"

    def info(self, root):
        return DatasetInfo((2,), 3, 31, 12, inputs="features")


class DrawsAnew(_Data):
    breaks = "deterministic", "a second load gives other data"

    def load(self, root):
        return self.arrays(None)


class Leaks(_Data):
    breaks = "disjoint", "12 of 12 test examples are in the training split too"

    def arrays(self, rng):
        made = super().arrays(rng)
        return dataclasses.replace(made, test_x=made.train_x[:12], test_y=made.train_y[:12])


class UnseenClass(_Data):
    breaks = "classes", r"4 of 12 test examples are of a class that no training example has \(2\)"

    def arrays(self, rng):
        made = super().arrays(rng)
        return dataclasses.replace(made, train_y=made.train_y % 2)


class OneClass(_Data):
    breaks = "classes", "it has one class, so there is nothing to learn"

    def info(self, root):
        return dataclasses.replace(super().info(root), classes=1)

    def arrays(self, rng):
        made = super().arrays(rng)
        lone = {"train_y": made.train_y * 0, "test_y": made.test_y * 0}
        return dataclasses.replace(made, classes=1, **lone)


class OwnFolder(_Data):
    breaks = "root", "with an empty data root load raised FileNotFoundError"

    def load(self, root):
        if root.is_dir() and not any(root.iterdir()):
            raise FileNotFoundError("no data.bin")
        return super().load(root)


@dataclass(frozen=True)
class _Distance(Objective):
    """Absolute error."""

    scale: Annotated[float, Range(0, 9, open_low=True)] = 1.0
    """Factor of the loss."""

    targets = ("values",)
    metrics = (Metric("mae", "", higher_is_better=False),)

    def losses(self, outputs, targets):
        return self.scale * (outputs - targets).abs().mean(1)

    def measure(self, evidence, targets):
        return {"mae": float((evidence - targets).abs().mean())}


class NoMetrics(_Distance):
    breaks = "methods", "metrics must be a tuple of Metric"
    metrics = ()


class BindsToNothing(_Distance):
    breaks = "bound", "bound must return a BindsToNothing, but returned None"

    def bound(self, train_targets, info):
        return None


class MeanOfTheBatch(_Distance):
    breaks = "losses", r"of 24 examples losses gives torch.float32 \[\], not floating point \[24\]"

    def losses(self, outputs, targets):
        return (outputs - targets).abs().mean()


class BesideOthers(_Distance):
    breaks = "losses", "an example's loss differs alone and in a batch"

    def losses(self, outputs, targets):
        return super().losses(outputs - outputs.mean(0), targets)


class Rounds(_Distance):
    breaks = "differentiable", "the gradient of the loss is zero everywhere"

    def losses(self, outputs, targets):
        return (outputs.round() - targets).abs().mean(1)


class OtherNames(_Distance):
    breaks = "metrics", "measure gives no mae, and `metrics` names it"

    def measure(self, evidence, targets):
        return {"error": 1.0}


class NoFraction(_Distance):
    breaks = "metrics", "mae is a fraction, but 1.9"
    metrics = (Metric("mae", "fraction", higher_is_better=False),)


class OtherExamplesRight(_Distance):
    breaks = "metrics", "mae is 1.9[0-9]*, but 1 of the examples are right"

    def right(self, evidence, targets):
        return {"mae": targets[:, 0] == targets[:, 0]}


class OfTheFirst(_Distance):
    breaks = "whole_splits", "in another order"

    def measure(self, evidence, targets):
        return super().measure(evidence[:9], targets[:9])


class ByBatch(_Distance):
    breaks = "whole_splits", "in batches of 7"

    def evidence(self, outputs, targets):
        return outputs + outputs.max()


class WrongWay(_Distance):
    breaks = "direction", "and higher is said to be better"
    metrics = (Metric("mae", "", higher_is_better=True),)
