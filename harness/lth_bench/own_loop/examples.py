"""Training examples of a loop of one's own, as a ticket's hooks read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from lth_bench.own_loop.loss import kind_of
from lth_bench.own_loop.refusal import Missing

WHAT = (
    "a pair of tensors (inputs, targets), a map-style Dataset of such pairs, or a DataLoader of one"
)


class LoopData:
    """Inputs as the model takes them, and targets: nothing is normalised here."""

    def __init__(self, data: object, device: torch.device) -> None:
        """`data` is what the user gave: None, or one of `WHAT`."""
        self._given, self._device = data, device
        self._opened: ExamplePairs | None = None

    @property
    def train(self) -> ExamplePairs:
        """The training split. Missing where there is none, or it is of another kind."""
        if self._opened is None:
            self._opened = _open(self._given, self._device)
        return self._opened

    @property
    def batch_size(self) -> int | None:
        """Examples a step, where a DataLoader tells."""
        return getattr(self._given, "batch_size", None)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example's input."""
        return tuple(self.train.x[torch.tensor([0], device=self._device)].shape[1:])

    @property
    def classes(self) -> int:
        """Classes, tokens or labels: as many as the largest target tells; components of values."""
        targets = self.train.y.cpu()
        kind = kind_of(targets)
        return int(targets.max()) + 1 if kind in ("class", "tokens") else targets.shape[-1]

    @property
    def info(self) -> Any:
        """What the targets are, under the name that a dataset's info has for it."""
        first = self.train.y[torch.tensor([0], device=self._device)]
        return SimpleNamespace(targets=kind_of(first))

    def normalise(self, x: Tensor) -> Tensor:
        """The same: a loop of one's own has prepared its inputs."""
        return x


@dataclass(frozen=True)
class ExamplePairs:
    """Examples by their position. `x` and `y` are indexed by an int64 vector, on any device."""

    x: Tensor | HalfOfPairs
    y: Tensor | HalfOfPairs
    size: int

    def __len__(self) -> int:
        return self.size


class HalfOfPairs:
    """One half of a dataset's pairs, read when it is asked for."""

    def __init__(self, dataset: Any, place: int, collate: Any, device: torch.device) -> None:
        self._dataset, self._place, self._collate = dataset, place, collate
        self._device = device

    def __getitem__(self, index: Tensor) -> Tensor:
        batch = self._collate([self._dataset[int(i)] for i in index.tolist()])
        pair = isinstance(batch, Sequence) and len(batch) == 2
        if not pair or not all(isinstance(part, Tensor) for part in batch):
            raise Missing(f"data must be {WHAT}, but an example is a {type(batch).__name__}")
        found: Tensor = batch[self._place]
        return found.to(self._device)

    def cpu(self) -> Tensor:
        """All of it; reads the whole dataset."""
        return self[torch.arange(len(self._dataset))].cpu()


def _open(data: object, device: torch.device) -> ExamplePairs:
    if data is None:
        raise Missing(f"it looks at training examples to choose its mask; pass data=: {WHAT}")
    collate: Any = default_collate
    if isinstance(data, DataLoader):
        collate, data = data.collate_fn, data.dataset
    if isinstance(data, tuple | list) and len(data) == 2 and isinstance(data[0], Tensor):
        x, y = data
        if not isinstance(y, Tensor) or len(x) != len(y) or not len(x):
            raise Missing(f"data must be {WHAT}, as many of each, but got {_shape(x)}, {_shape(y)}")
        return ExamplePairs(x.to(device), y.to(device), len(x))
    if isinstance(data, Dataset) and hasattr(data, "__len__") and hasattr(data, "__getitem__"):
        x, y = (HalfOfPairs(data, place, collate, device) for place in (0, 1))
        return ExamplePairs(x, y, len(data))
    raise Missing(f"data must be {WHAT}, but got a {type(data).__name__}")


def _shape(value: object) -> str:
    return str(list(value.shape)) if isinstance(value, Tensor) else f"a {type(value).__name__}"
