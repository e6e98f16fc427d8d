"""Training examples of a loop of one's own, as a ticket's hooks read them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from lth_bench.data.info import Inputs, InputShape, Targets
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
    def input_shape(self) -> InputShape:
        """Shape of one example's input, and what stands there."""
        x, targets = self._first(self.train.x), self.info.targets
        return LoopShape(tuple(x.shape[1:]), kind_of_inputs(x), targets, self._vocabulary)

    @property
    def classes(self) -> int:
        """Classes, tokens or labels: as many as the largest target tells; components of values."""
        targets = self.train.y.cpu()
        kind = kind_of(targets)
        return int(targets.max()) + 1 if kind in ("class", "tokens") else targets.shape[-1]

    @property
    def info(self) -> Any:
        """What the targets are, under the name that a dataset's info has for it."""
        return SimpleNamespace(targets=kind_of(self._first(self.train.y)))

    def _first(self, examples: Tensor | HalfOfPairs) -> Tensor:
        return examples[torch.tensor([0], device=self._device)]

    def _vocabulary(self) -> int:
        return int(self.train.x.cpu().max()) + 1

    def normalise(self, x: Tensor) -> Tensor:
        """The same: a loop of one's own has prepared its inputs."""
        return x


class LoopShape(InputShape):
    """The shape of one example's input. Its vocabulary is counted when it is asked for, as that
    reads all inputs.
    """

    def __new__(
        cls, sizes: tuple[int, ...], kind: Inputs, targets: Targets, count: Callable[[], int]
    ) -> Self:
        """`count` is the vocabulary, where inputs are tokens."""
        made = tuple.__new__(cls, sizes)
        made.kind, made.targets, made._count = kind, targets, count
        return made

    _count: Callable[[], int]

    @property
    def vocabulary(self) -> int:  # type: ignore[override]  # of a plain shape it is known
        """Tokens are below it, as the largest one tells; 0 of other inputs."""
        return self._count() if self.kind == "tokens" else 0


def kind_of_inputs(x: Tensor) -> Inputs:
    """What a batch of inputs is: three sizes an image's, other whole numbers tokens."""
    whole = not x.is_floating_point() and not x.is_complex()
    if x.ndim == 4 and (not whole or x.dtype == torch.uint8):
        return "images"
    return "tokens" if whole else "features"


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
