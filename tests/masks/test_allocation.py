"""Allocation over layers: against published densities, and by property."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.errors import Unreachable
from lth_bench.masks import Layer, er, erk, largest_remainder, smart_ratio, uniform
from lth_bench.masks.allocation import er_densities, erk_densities

LENET = (
    Layer("fc1", "linear", (300, 784)),
    Layer("fc2", "linear", (100, 300)),
    Layer("out", "output", (10, 100)),
)


def resnet(blocks: int, width: int) -> tuple[Layer, ...]:
    """A ResNet for CIFAR-10 with 1x1 convolutions in its two shortcuts."""
    layers = [Layer("conv1", "conv", (width, 3, 3, 3))]
    before = width
    for stage in range(3):
        width *= 1 + (stage > 0)
        for block in range(blocks):
            layers.append(Layer(f"{stage}.{block}.a", "conv", (width, before, 3, 3)))
            layers.append(Layer(f"{stage}.{block}.b", "conv", (width, width, 3, 3)))
            if before != width:
                layers.append(Layer(f"{stage}.shortcut", "conv", (width, before, 1, 1)))
            before = width
    return (*layers, Layer("fc", "output", (10, width)))


def vgg(*widths: int) -> tuple[Layer, ...]:
    """Convolutions of 3 × 3 and one linear layer, for CIFAR-10."""
    convs = [
        Layer(f"conv{i}", "conv", (n, before, 3, 3))
        for i, (before, n) in enumerate(zip((3, *widths), widths, strict=False), start=1)
    ]
    return (*convs, Layer("fc", "output", (10, widths[-1])))


VGG19 = vgg(64, 64, 128, 128, *[256] * 4, *[512] * 8)
THREE = (
    Layer("a", "conv", (8, 3, 3, 3)), Layer("b", "conv", (16, 8, 3, 3)),
    Layer("fc", "output", (10, 16)),
)  # fmt: skip


@pytest.mark.parametrize(
    ("density", "published"),
    [(0.10, (0.0796, 0.2302, 1.0)), (0.05, (0.0385, 0.1113, 0.9185))],
)
def test_erk_gives_the_published_densities_of_lenet(density, published):
    found = erk_densities(LENET, density)
    assert [found[x.name] for x in LENET] == pytest.approx(published, abs=6e-5)


def test_erk_gives_the_published_densities_of_resnet20():
    found = erk_densities(resnet(3, 16), 0.1)
    assert found["conv1"] == pytest.approx(0.983, abs=6e-4)
    assert found["0.0.a"] == pytest.approx(0.28, abs=6e-3)
    assert found["1.1.a"] == pytest.approx(0.129, abs=6e-4)
    assert found["2.1.a"] == pytest.approx(0.062, abs=6e-4)
    assert found["1.shortcut"] == 1.0
    assert found["2.shortcut"] == pytest.approx(0.813, abs=6e-4)
    assert found["fc"] == 1.0


def test_erdos_renyi_by_hand():
    """ε times 17/216, 30/1152, 26/160 with the kernel; 11/24, 24/128, 26/160 without."""
    kernel = [0.3295, 0.1090, 0.6803]
    assert [*erk_densities(THREE, 0.2).values()] == pytest.approx(kernel, abs=6e-5)
    plain = [0.4108, 0.1680, 0.1456]
    assert [*er_densities(THREE, 0.2).values()] == pytest.approx(plain, abs=6e-5)


def test_erk_gives_the_known_densities_of_vgg19():
    found = [*erk_densities(VGG19, 0.1).values()]
    expected = [0.6894, 0.5093, 0.3370, 0.2508, *[0.1666] * 3, 0.1244, *[0.0828] * 7]
    assert [found[0], *found[1:16], found[16]] == pytest.approx([1, *expected, 1], abs=6e-5)


def kept(layers, k, divided=False):
    counts = smart_ratio(layers, k, divided=divided)
    return [counts[x.name] / x.numel for x in layers]


def test_smart_ratios_by_hand():
    """(4 − l + 1)² + (4 − l + 1) is 20, 12, 6: 315 − 24 weights over 20·108 + 12·288 + 6·576. For
    VGGs 20, 3, 2/3: the first layer is full, and its surplus of 76.4 goes to the second.
    """
    layers = (
        Layer("1", "conv", (4, 3, 3, 3)), Layer("2", "conv", (8, 4, 3, 3)),
        Layer("3", "conv", (8, 8, 3, 3)), Layer("fc", "output", (10, 8)),
    )  # fmt: skip
    one = 1 / 108  # of the smallest layer: counts are whole
    assert kept(layers, 315) == pytest.approx([0.6415, 0.3849, 0.1925, 0.3], abs=one)
    assert kept(layers, 315, divided=True) == pytest.approx([1, 0.5216, 0.0569, 0.3], abs=2e-3)


def test_smart_ratios_of_vgg19():
    """The known values, of the authors' code."""
    total = sum(x.numel for x in VGG19)
    tenth = [0.3177, 0.1731, 0.1119, 0.0725, 0.0466, 0.0294, 0.0179, 0.0103, 0.0054, 0.0024]
    expected = [*[1] * 6, *tenth, 0.3]
    assert kept(VGG19, round(0.1 * total), True) == pytest.approx(expected, abs=6e-5)
    found = kept(VGG19, round(0.02 * total), True)
    fiftieth = [1, 1, 0.8384, 0.2635, 0.1461, 0.0870, 0.0541, 0.0345]
    assert found[:8] == pytest.approx(fiftieth, abs=6e-5)
    assert found[-2:] == pytest.approx([0.0005, 0.3], abs=6e-5)


def test_smart_ratios_of_resnet32():
    layers = resnet(5, 32)
    total = sum(x.numel for x in layers)
    assert (total, len(layers)) == (1_855_584, 34)
    counts = smart_ratio(layers, round(0.1 * total))
    found = {x.name: counts[x.name] / x.numel for x in layers}
    expected = {
        "conv1": 0.7984, "0.0.a": 0.7528, "0.4.b": 0.4026, "1.0.a": 0.3704, "1.0.b": 0.3395,
        "1.shortcut": 0.3100, "1.4.b": 0.1221, "2.0.a": 0.1047, "2.0.b": 0.0886,
        "2.shortcut": 0.0738, "2.4.b": 0.0040, "fc": 0.3,
    }  # fmt: skip
    # conv1 has 864 weights
    assert {n: found[n] for n in expected} == pytest.approx(expected, abs=6e-4)
    counts = smart_ratio(layers, round(0.02 * total))
    assert counts["conv1"] / 864 == pytest.approx(0.1584, abs=6e-4)
    assert counts["2.4.b"] / 128**2 / 9 == pytest.approx(0.0008, abs=6e-5)


def test_smart_ratios_where_the_output_layer_takes_the_rest_or_too_much():
    assert smart_ratio(THREE, 1528) == {"a": 216, "b": 1152, "fc": 160}
    assert smart_ratio(THREE, 1500) == {"a": 216, "b": 1152, "fc": 132}
    assert smart_ratio(THREE, 48) == {"a": 0, "b": 0, "fc": 48}
    with pytest.raises(Unreachable, match=r"keep 30% of the output layer.* than 47 .*0\.03141"):
        smart_ratio(THREE, 47)
    assert smart_ratio((Layer("fc", "output", (10, 8)),), 50) == {"fc": 50}


shapes = st.lists(
    st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (1, 1), (3, 3)])),
    min_size=1,
    max_size=6,
)


@given(shapes, st.floats(0.001, 1.0), st.sampled_from([er, erk, uniform, smart_ratio]))
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
