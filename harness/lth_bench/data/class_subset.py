"""Some classes of another dataset, such as the halves between which tickets are transferred."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays, DatasetInfo
from lth_bench.errors import UnknownName, UserError
from lth_bench.params import Range, build

GROUP = "lth_bench.datasets"


@dataclass(frozen=True)
class ClassSubset:
    """Some classes of an installed dataset, for example half of them: `{ name = "class_subset",
    of = "digits", classes = [0, 1, 2, 3, 4] }`.

    The whole dataset is read to count its examples, also when a run is only planned, and kept in
    memory.
    """

    of: str
    """The dataset's name."""
    classes: tuple[Annotated[int, Range(0)], ...]
    """The classes to keep, at least two; the first becomes class 0, the second class 1, …"""
    params: Mapping[str, object] = field(default_factory=dict)
    """The dataset's own parameters."""

    def info(self, root: Path) -> DatasetInfo:
        """Counted in the data."""
        return self.load(root).info

    def fingerprint(self, root: Path) -> None:
        """Only reading tells. DataMissing where the dataset would have to be downloaded first."""
        whole = _dataset(self.of, dict(self.params))
        if callable(quick := getattr(whole, "fingerprint", None)):
            quick(root)

    def load(self, root: Path) -> Arrays:
        """The examples of these classes, in the dataset's order.

        UserError for a dataset that there is not, or that has no classes, for a class that it does
        not have, for one listed twice, and for fewer than two.
        """
        params = json.dumps(dict(self.params), sort_keys=True)
        return _subset(self.of, tuple(self.classes), params, root)


@lru_cache(maxsize=2)
def _subset(of: str, classes: tuple[int, ...], params: str, root: Path) -> Arrays:
    what = f"dataset 'class_subset' of {of!r}"
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise UserError(
            f"{what}: classes must be at least two different ones, but got {list(classes)}"
        )
    whole = _dataset(of, json.loads(params)).load(root)
    if not isinstance(whole, Arrays) or whole.targets != "class":
        raise UserError(f"{what}: its targets are no classes; choose a dataset that has classes")
    beyond = [c for c in classes if c >= whole.classes]
    if beyond:
        raise UserError(f"{what}: classes must be in [0, {whole.classes - 1}], but got {beyond[0]}")
    number = torch.full((whole.classes,), -1)
    number[list(classes)] = torch.arange(len(classes))

    def of_split(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        kept = number[y] >= 0
        return x[kept], number[y[kept]]

    train, test = of_split(whole.train_x, whole.train_y), of_split(whole.test_x, whole.test_y)
    if not len(train[1]) or not len(test[1]):
        raise UserError(f"{what}: no example is of class {', '.join(map(str, classes))}")
    return dataclasses.replace(
        whole, train_x=train[0], train_y=train[1], test_x=test[0], test_y=test[1],
        classes=len(classes),
    )  # fmt: skip


def _dataset(of: str, params: dict[str, Any]) -> Any:
    """The installed dataset of that name. This room is below the one that knows all plugins."""
    points = {point.name: point for point in importlib.metadata.entry_points(group=GROUP)}
    if of not in points:
        raise UnknownName("dataset", of, points)
    return build(points[of].load(), params, f"dataset {of!r}")
