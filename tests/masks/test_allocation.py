"""Allocation over layers: against published densities, and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.masks import Layer, erk, largest_remainder, uniform
from lth_bench.masks.allocation import erk_densities

LENET = (
    Layer("fc1", "linear", (300, 784)),
    Layer("fc2", "linear", (100, 300)),
    Layer("out", "output", (10, 100)),
)


def resnet20() -> tuple[Layer, ...]:
    """ResNet-20 for CIFAR-10 with 1x1 convolutions in its two shortcuts."""
    layers = [Layer("conv1", "conv", (16, 3, 3, 3))]
    before = 16
    for stage, width in enumerate((16, 32, 64)):
        for block in range(3):
            layers.append(Layer(f"{stage}.{block}.a", "conv", (width, before, 3, 3)))
            layers.append(Layer(f"{stage}.{block}.b", "conv", (width, width, 3, 3)))
            if before != width:
                layers.append(Layer(f"{stage}.shortcut", "conv", (width, before, 1, 1)))
            before = width
    return (*layers, Layer("fc", "output", (10, 64)))


@pytest.mark.parametrize(
    ("density", "published"),
    [(0.10, (0.0796, 0.2302, 1.0)), (0.05, (0.0385, 0.1113, 0.9185))],
)
def test_erk_gives_the_published_densities_of_lenet(density, published):
    found = erk_densities(LENET, density)
    assert [found[x.name] for x in LENET] == pytest.approx(published, abs=6e-5)


def test_erk_gives_the_published_densities_of_resnet20():
    found = erk_densities(resnet20(), 0.1)
    assert found["conv1"] == pytest.approx(0.983, abs=6e-4)
    assert found["0.0.a"] == pytest.approx(0.28, abs=6e-3)
    assert found["1.1.a"] == pytest.approx(0.129, abs=6e-4)
    assert found["2.1.a"] == pytest.approx(0.062, abs=6e-4)
    assert found["1.shortcut"] == 1.0
    assert found["2.shortcut"] == pytest.approx(0.813, abs=6e-4)
    assert found["fc"] == 1.0


shapes = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (1, 1), (3, 3)])),
    min_size=1,
    max_size=6,
)


@given(shapes, st.floats(0.001, 1.0), st.sampled_from([erk, uniform]))
def test_counts_are_exact_and_fit(shape_list, density, allocate):
    layers = [Layer(f"l{i}", "linear", (o, n, *k)) for i, (o, n, k) in enumerate(shape_list)]
    total = sum(x.numel for x in layers)
    k = max(1, round(density * total))
    counts = allocate(layers, k)
    assert sum(counts.values()) == k
    assert all(0 <= counts[x.name] <= x.numel for x in layers)


def test_erk_counts_follow_its_densities():
    counts = erk(LENET, 26_620)
    assert counts == pytest.approx(
        {"fc1": 0.0796 * 235_200, "fc2": 0.2302 * 30_000, "out": 1000}, rel=2e-3
    )


def test_largest_remainder_by_hand():
    # 2.5 + 2.5 + 5.0 = 10: the tie of the two halves goes to the earlier
    assert largest_remainder([2.5, 2.5, 5.0], 10) == [3, 2, 5]
    assert largest_remainder([0.9, 0.8, 0.3], 2) == [1, 1, 0]


def test_largest_remainder_respects_caps():
    assert largest_remainder([3.9, 0.1], 4, caps=[3, 5]) == [3, 1]
    with pytest.raises(ValueError, match="cannot allocate 9"):
        largest_remainder([3.0, 3.0], 9, caps=[3, 5])


@given(st.lists(st.floats(0, 50), min_size=1, max_size=8))
def test_no_share_is_rounded_by_more_than_one(shares):
    total = round(sum(shares))
    counts = largest_remainder(shares, total)
    assert sum(counts) == total
    assert all(abs(c - s) <= 1.5 for c, s in zip(counts, shares, strict=True))
