"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lth_bench.masks import Mask
from lth_bench.training.request import FitRequest


@pytest.fixture
def half_mask() -> Callable[..., Mask]:
    """`half_mask(bench, seed=0)`: about half of each layer's weights, at random."""

    def make(bench: Any, seed: int = 0) -> Mask:
        draws = torch.Generator().manual_seed(seed)
        kept = {x.name: torch.rand(x.shape, generator=draws) < 0.5 for x in bench.layers}
        return Mask(kept, layers=bench.layers)

    return make


@pytest.fixture
def request_of() -> Callable[..., FitRequest]:
    """`request_of(bench, **changes)`: the dense run at seed 3, with changes to its fields."""

    def make(bench: Any, seed: int = 3, **changes: Any) -> FitRequest:
        fields: dict[str, Any] = {
            "values": bench.initial(seed).values,
            "mask": bench.dense_mask(),
            "start": 0,
            "end": bench.total_steps,
            "seed": seed,
            "recipe": bench.recipe,
        }
        return FitRequest(**{**fields, **changes})

    return make
