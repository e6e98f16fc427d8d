"""Training data of which one component is destroyed: what a search is shown in an ablation."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from lth_bench.errors import UserError
from lth_bench.training.input.augmentation import centre
from lth_bench.training.input.resident import ResidentData, ResidentSplit
from lth_bench.training.input.streaming import StreamedSplit
from lth_bench.training.input.task_data import Examples, TaskData
from lth_bench.training.randomness import generator

AblatedView = Literal["random_labels", "half_data", "shuffled_pixels"]


def ablated_data(data: TaskData, view: AblatedView) -> TaskData:
    """The same data under one ablation (Su et al., 2020, section 4), the same at every seed.

    `random_labels` permutes the targets within each split, so that classes stay as frequent;
    `half_data` keeps a random half of the training examples, all of validation;
    `shuffled_pixels` puts each example's pixels (all channels of a pixel together), features or
    tokens in an order of its own. Inputs are standardised as before.

    UserError for the pixels of data that are streamed: every image has an order of its own, and
    these are as large as the data.
    """
    if view == "shuffled_pixels" and not isinstance(data, ResidentData):
        raise UserError(
            f"the ablation {view!r} needs its dataset on the device, but it is too large and is "
            f"streamed; leave {view!r} out of the suite's ablations"
        )
    if view == "half_data":
        chosen = torch.randperm(len(data.train), generator=generator("half_data"))
        half = chosen[: len(data.train) // 2].sort().values
        return data.with_splits(data.train.take(half.to(data.device)), data.val)
    if view == "random_labels":
        train, val = (_random_labels(getattr(data, part), part) for part in ("train", "val"))
        return data.with_splits(train, val)
    train, val = (_shuffled_pixels(data, part) for part in ("train", "val"))
    return data.with_splits(train, val)


def _random_labels(split: Examples, name: str) -> Examples:
    assert isinstance(split, ResidentSplit | StreamedSplit)
    order = torch.randperm(len(split), generator=generator("random_labels", name))
    return replace(split, y=split.y[order.to(split.y.device)])


def _shuffled_pixels(data: TaskData, name: str) -> Examples:
    split = getattr(data, name)
    assert isinstance(split, ResidentSplit)
    seen = split.x
    if data.info.stored_shape != data.info.input_shape:  # else part of them would go unseen
        seen = centre(seen, data.info.input_shape)
    x = seen.flatten(2) if seen.ndim > 2 else seen[:, None]  # [N, C, places]
    rng = generator("shuffled_pixels", name)
    order = torch.rand(len(x), x.shape[2], generator=rng).argsort(dim=1).to(x.device)
    moved: Tensor = x.gather(2, order[:, None].expand_as(x))
    return ResidentSplit(moved.view(seen.shape), split.y)
