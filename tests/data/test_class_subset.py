"""Some classes of another dataset."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lth_bench.data.class_subset import ClassSubset
from lth_bench.data.digits import Digits
from lth_bench.errors import UserError
from lth_bench.testing import DatasetConformance


class TestConformance(DatasetConformance):
    dataset = "class_subset"
    params = {"of": "digits", "classes": [5, 6, 7, 8, 9]}


def test_halves_of_digits(tmp_path: Path) -> None:
    whole = Digits().load(tmp_path)
    halves = [
        ClassSubset("digits", half).load(tmp_path) for half in ((0, 1, 2, 3, 4), (9, 8, 7, 6, 5))
    ]
    assert sum(len(half.train_y) for half in halves) == 1297
    assert sum(len(half.test_y) for half in halves) == 500
    for half, classes in zip(halves, ((0, 1, 2, 3, 4), (9, 8, 7, 6, 5)), strict=True):
        assert half.info.classes == 5
        for new, old in enumerate(classes):
            assert torch.equal(
                half.train_x[half.train_y == new], whole.train_x[whole.train_y == old]
            )
            assert int((half.test_y == new).sum()) == int((whole.test_y == old).sum())
    assert halves[0].fingerprint() != halves[1].fingerprint()
    assert ClassSubset("digits", (0, 1)).info(tmp_path).classes == 2


def test_the_datasets_own_parameters(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"dataset 'digits'"):
        ClassSubset("digits", (0, 1), {"size": 3}).load(tmp_path)


@pytest.mark.parametrize(
    ("of", "classes", "message"),
    [
        ("digits", (3,), r"classes must be at least two different ones, but got \[3\]"),
        ("digits", (3, 4, 3), r"at least two different ones, but got \[3, 4, 3\]"),
        ("digits", (3, 10), r"classes must be in \[0, 9\], but got 10"),
        ("digitz", (0, 1), "unknown dataset 'digitz'"),
        ("modular", (0, 1), None),
        ("stdlib_text", (0, 1), "its targets are no classes"),
    ],
)
def test_mistakes(tmp_path: Path, of: str, classes: tuple[int, ...], message: str | None) -> None:
    subset = ClassSubset(of, classes)
    if message is None:  # tokens with one class an example
        assert subset.info(tmp_path).classes == 2
        return
    with pytest.raises(UserError, match=message):
        subset.info(tmp_path)
