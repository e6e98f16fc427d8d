"""Layers' arithmetic: every operator on either side, with every kind of operand."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import torch

from lth_bench import Layers, Mask


def layers(fc1, fc2):
    return Layers({"fc1": torch.tensor([fc1]).double(), "fc2": torch.tensor([fc2]).double()})


A = layers([1.0, 2.0], 4.0)
B = layers([2.0, 3.0], 0.5)

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]


def numbers(of):
    return {name: tensor.flatten().tolist() for name, tensor in of.items()}


def close(of, expected):
    """Processors differ in a power's last bit."""
    found = numbers(of)
    return found.keys() == expected.keys() and all(
        found[name] == pytest.approx(expected[name], rel=1e-14, abs=0) for name in found
    )


@pytest.mark.parametrize("f", OPERATORS)
@pytest.mark.parametrize(
    "other", [3, 0.5, torch.tensor(3.0), np.float64(3)], ids=["int", "float", "tensor", "numpy"]
)
def test_with_a_number_on_either_side(f, other):
    left, right = f(A, other), f(other, A)
    assert type(left) is type(right) is Layers
    n = float(other)
    assert close(left, {"fc1": [f(1.0, n), f(2.0, n)], "fc2": [f(4.0, n)]})
    assert close(right, {"fc1": [f(n, 1.0), f(n, 2.0)], "fc2": [f(n, 4.0)]})


@pytest.mark.parametrize("f", OPERATORS)
def test_with_layers_and_mappings_of_them(f):
    expected = {"fc1": [f(1.0, 2.0), f(2.0, 3.0)], "fc2": [f(4.0, 0.5)]}
    assert close(f(A, B), expected)
    assert close(f(A, dict(B)), expected)
    assert close(f(dict(A), B), expected)


def test_a_mask_s_kept_and_a_number_a_layer():
    mask = Mask({"fc1": torch.tensor([[True, False]]), "fc2": torch.tensor([True])})
    assert numbers(A * mask.kept) == {"fc1": [1.0, 0.0], "fc2": [4.0]}
    assert numbers(mask.kept * A) == numbers(A * mask.kept)
    # in another order than the network's
    assert numbers(A * {"fc2": 10.0, "fc1": 2.0}) == {"fc1": [2.0, 4.0], "fc2": [40.0]}


def test_reductions_are_over_the_whole_network():
    assert float(A.sum()) == 7
    assert float(A.mean()) == pytest.approx(7 / 3)  # each weight counts the same
    assert float(A.norm()) == pytest.approx(21**0.5)
    assert float(A.dot(B)) == 2 + 6 + 2
    assert A.flat().tolist() == [1, 2, 4]
    assert numbers(A / A.sum())["fc2"] == [pytest.approx(4 / 7)]
    assert A.sum().dim() == 0


def test_signs_and_functions():
    assert numbers(-A) == {"fc1": [-1, -2], "fc2": [-4]}
    assert numbers(abs(-A)) == numbers(A)
    assert numbers(A.map(torch.sqrt))["fc2"] == [2]


def test_what_would_be_broadcast_silently_is_refused():
    with pytest.raises(ValueError, match=r"Layers · a tensor of shape \[2\]"):
        A * torch.ones(2)
    with pytest.raises(ValueError, match="layers must match"):
        A + {"fc1": 1.0}
    with pytest.raises(ValueError, match="layers must match"):
        A + Layers({"fc1": torch.ones(1), "fc3": torch.ones(1)})


def test_it_shows_shapes_and_not_values():
    assert repr(A) == "Layers(fc1: [1, 2], fc2: [1])"
