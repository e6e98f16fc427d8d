"""The Deconstructing family: criteria and survivors' values, worked by hand."""

from __future__ import annotations

import pytest
import torch

from lth_bench import reshuffled, signed_constant
from lth_strategies.supermask import Supermask, ranks, score

INITIAL = torch.tensor([0.5, -0.1, 0.3, -0.4])
FINAL = torch.tensor([0.6, 0.4, 0.1, -0.5])


@pytest.mark.parametrize(("criterion", "expected"), [
    ("large_final", [0.6, 0.4, 0.1, 0.5]),
    ("small_final", [-0.6, -0.4, -0.1, -0.5]),
    ("magnitude_increase", [0.1, 0.3, -0.2, 0.1]),
    ("movement", [0.1, 0.5, 0.2, 0.1]),
    ("large_final_same_sign", [0.6, 0, 0.1, 0.5]),
    # ranks of |initial| 3 0 1 2, of |final| 3 1 0 2
    ("large_init_large_final", [3, 0, 0, 2]),
])  # fmt: skip
def test_criteria_of_four_weights(criterion, expected):
    assert score(criterion, INITIAL, FINAL).tolist() == pytest.approx(expected)


def test_ranks_keep_ties_in_order():
    assert ranks(torch.tensor([[0.2, 0.1], [0.2, 0.3]])).tolist() == [[1, 0], [2, 3]]


def test_survivors_are_reshuffled_among_themselves():
    weight = torch.arange(8.0)
    kept = torch.tensor([1, 0, 1, 1, 0, 1, 1, 0]).bool()
    moved = reshuffled(weight, kept, torch.Generator().manual_seed(1))
    assert moved[~kept].tolist() == weight[~kept].tolist()
    assert sorted(moved[kept].tolist()) == weight[kept].tolist()
    assert moved[kept].tolist() != weight[kept].tolist()


def test_rewound_survivors_have_their_own_sign():
    with pytest.raises(ValueError, match="keeps every weight's own sign"):
        Supermask(keep_sign=False).check_task(None)
    Supermask(keep_sign=False, survivors="constant").check_task(None)


def test_a_signed_constant_is_the_population_deviation():
    weight = torch.tensor([0.2, -0.4, 0.1, 0.3])
    found = signed_constant(weight, torch.Generator().manual_seed(0))
    assert found.abs().tolist() == pytest.approx([0.26926] * 4, rel=1e-4)
