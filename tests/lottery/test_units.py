"""Kept weights per unit, per pixel and per place in a kernel: worked by hand."""

from __future__ import annotations

import torch

from lth_bench.lottery.units import by_unit, units_kept
from lth_bench.masks import Layer, Mask


def bits(*rows: list[int]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.bool)


def test_a_network_that_reads_an_image() -> None:
    layers = (Layer("fc1", "linear", (3, 4)), Layer("fc2", "output", (2, 3)))
    mask = Mask({
        "fc1": bits([1, 0, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1]),
        "fc2": bits([1, 0, 1], [1, 0, 0]),
    })  # fmt: skip
    assert units_kept(layers, mask, (1, 2, 2)) == [
        {"layer": "fc1", "side": "in", "shape": [1, 2, 2], "kept": [2, 0, 1, 2]},
        {"layer": "fc1", "side": "out", "shape": [], "kept": [3, 0, 2]},
        {"layer": "fc2", "side": "in", "shape": [], "kept": [2, 0, 1]},
        {"layer": "fc2", "side": "out", "shape": [], "kept": [2, 1]},
    ]
    features = units_kept(layers, mask, None)
    assert [entry["shape"] for entry in features] == [[]] * 4
    other = units_kept(layers, mask, (1, 3, 3))  # four inputs are not its nine pixels
    assert [entry["shape"] for entry in other] == [[]] * 4


def test_a_first_convolution_has_its_kernel() -> None:
    layer = Layer("conv", "conv", (2, 2, 1, 3))
    kept = torch.tensor([[[[1, 0, 1]], [[0, 0, 1]]], [[[1, 0, 0]], [[0, 0, 0]]]]).bool()
    out = Layer("fc", "output", (1, 2))
    mask = Mask({"conv": kept, "fc": bits([1, 1])})
    assert units_kept((layer, out), mask, (2, 8, 8))[:3] == [
        {"layer": "conv", "side": "in", "shape": [], "kept": [3, 1]},
        {"layer": "conv", "side": "out", "shape": [], "kept": [3, 1]},
        {"layer": "conv", "side": "kernel", "shape": [1, 1, 3], "kept": [2, 0, 2]},
    ]


def test_inputs_and_outputs_of_grouped_and_transposed_convolutions() -> None:
    kept = torch.zeros(4, 1, 1, 1, dtype=torch.bool)
    kept[2] = True  # the first output of the second group, which reads the second input
    grouped = Layer("c", "conv", (4, 1, 1, 1), groups=2)
    into, out_of = by_unit(grouped, kept)
    assert (into.tolist(), out_of.tolist()) == ([0, 0, 1, 0], [0, 1])
    turned = Layer("t", "conv", (4, 3, 1, 1), transposed=True, groups=2)
    kept = torch.zeros(4, 3, 1, 1, dtype=torch.bool)
    kept[3, 1] = True  # from the last input to the second output of the second group
    into, out_of = by_unit(turned, kept)
    assert (into.tolist(), out_of.tolist()) == ([0, 0, 0, 0, 1, 0], [0, 0, 0, 1])


def test_nothing_of_a_dense_network() -> None:
    layers = (Layer("fc", "output", (2, 4)),)
    assert units_kept(layers, Mask({"fc": torch.ones(2, 4, dtype=torch.bool)}), (1, 2, 2)) == []
