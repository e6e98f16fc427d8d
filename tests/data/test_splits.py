from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.data.splits import channel_stats, split
from lth_bench.errors import UserError

labels = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(torch.tensor)


@given(labels, st.data(), st.text(max_size=5))
def test_a_split_divides_and_keeps_proportions(
    y: torch.Tensor, data: st.DataObject, fingerprint: str
) -> None:
    n = len(y)
    size = data.draw(st.integers(0, n - 1))
    train, val = split(n, y, size, fingerprint)
    assert len(val) == size
    assert torch.equal(torch.cat([train, val]).sort().values, torch.arange(n))
    assert torch.equal(train, train.sort().values)
    for c in y.unique():
        expected = float((y == c).sum()) * size / n
        # each class is off by rounding, and by what the others' rounding leaves
        assert abs(int((y[val] == c).sum()) - expected) <= 1 + y.unique().numel() / 2


@given(labels, st.data())
def test_a_smaller_part_lies_within_a_larger(y: torch.Tensor, data: st.DataObject) -> None:
    n = len(y)
    large = data.draw(st.integers(0, n - 1))
    small = data.draw(st.integers(0, large))
    inner, outer = (set(split(n, y, size, "f")[1].tolist()) for size in (small, large))
    assert inner <= outer


def test_a_split_depends_on_the_dataset_alone() -> None:
    y = torch.arange(100) % 10
    first = split(100, y, 20, "a")
    torch.manual_seed(5)
    assert all(map(torch.equal, first, split(100, y, 20, "a")))
    assert not torch.equal(first[1], split(100, y, 20, "b")[1])
    # recorded: a change would give every stored result another validation split
    assert split(20, torch.arange(20) % 2, 4, "recorded")[1].tolist() == [8, 13, 15, 16]


@pytest.mark.parametrize("size", [-1, 10, 11])
def test_sizes_that_leave_nothing(size: int) -> None:
    with pytest.raises(UserError, match=rf"\[0, 9\], but got {size}"):
        split(10, torch.zeros(10, dtype=torch.int64), size, "")


def test_channel_stats() -> None:
    x = torch.randint(0, 256, (50, 3, 4, 5), dtype=torch.uint8)
    x[:, 2] = 51
    mean, std = channel_stats(x)
    floats = x.double() / 255
    assert torch.allclose(mean, floats.mean((0, 2, 3)).float(), rtol=1e-6)
    assert torch.allclose(std, floats.std((0, 2, 3), correction=0).float(), atol=1e-7)
    assert mean[2] == pytest.approx(0.2)
    assert std[2] == pytest.approx(0, abs=1e-7)
    assert mean.dtype == std.dtype == torch.float32


def test_channel_stats_do_not_depend_on_order() -> None:
    x = torch.randint(0, 256, (50, 2, 4, 4), dtype=torch.uint8)
    for one, other in zip(channel_stats(x), channel_stats(x[torch.randperm(50)]), strict=True):
        assert torch.equal(one, other)
