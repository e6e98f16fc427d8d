"""The one-dimensional convolutional network: its inputs, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError
from lth_bench.models.conv1d import Conv1D


@pytest.mark.parametrize(
    "shape",
    [
        (3, 5, 6), InputShape((9, 2), "features"), InputShape((9,), "features"),
        InputShape((5,), "tokens", 7),
    ],
)  # fmt: skip
def test_every_kind_of_sequence(shape: Any) -> None:
    kind = InputShape.of(shape).kind
    x = torch.zeros(3, *shape, dtype=torch.int64 if kind == "tokens" else torch.float32)
    net = Conv1D(channels=(4, 5), kernels=(5, 3)).build(shape, 4)
    assert net(x).shape == (3, 4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"channels": (3,)}, "one number for each convolution, but got 1 and 3"),
        ({"channels": (), "kernels": ()}, "one number for each convolution"),
        ({"channels": (3,), "kernels": (4,)}, "kernels must be odd.*but got 4"),
    ],
)
def test_sizes_that_do_not_fit(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Conv1D(**options)


def test_what_it_cannot_take() -> None:
    with pytest.raises(UserError, match="answers once for a whole sequence"):
        Conv1D().build(InputShape((5,), "tokens", 7, "tokens"), 7)
    with pytest.raises(UserError, match=r"features of shape \[T\] or \[T, F\], but got"):
        Conv1D().build(InputShape((2, 3, 4), "features"), 7)
