from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest

from lth_bench.data.info import DatasetInfo, InputShape

IMAGES: dict[str, Any] = {
    "input_shape": (1, 8, 8), "classes": 10, "train_size": 100, "test_size": 20,
}  # fmt: skip
TOKENS = IMAGES | {"input_shape": (5,), "inputs": "tokens", "vocabulary": 7}


def test_plain_sizes_are_images_of_a_class() -> None:
    info = DatasetInfo(**IMAGES)
    assert (info.inputs, info.targets, info.objective) == ("images", "class", "cross_entropy")
    assert info.input_shape == (1, 8, 8) and info.input_shape.kind == "images"
    assert info.output_shape == (10,)


def test_a_shape_is_a_tuple_that_keeps_its_kind() -> None:
    shape = DatasetInfo(**TOKENS, targets="tokens").input_shape
    for copied in (copy.deepcopy(shape), pickle.loads(pickle.dumps(shape)), InputShape.of(shape)):
        assert copied == (5,) and (copied.kind, copied.vocabulary) == ("tokens", 7)
    assert json.dumps(shape) == "[5]"
    assert InputShape.of((3, 4, 4)).kind == "images"


@pytest.mark.parametrize(
    ("inputs", "targets", "objective", "output"),
    [
        ("features", "class", "cross_entropy", (10,)),
        ("features", "labels", "binary_cross_entropy", (10,)),
        ("features", "values", "squared_error", (10,)),
        ("tokens", "class", "cross_entropy", (10,)),
        ("tokens", "tokens", "next_token", (5, 10)),
    ],
)
def test_every_kind_names_its_objective(inputs, targets, objective, output) -> None:
    vocabulary = 7 if inputs == "tokens" else 0
    info = DatasetInfo((5,), 10, 100, 20, inputs=inputs, targets=targets, vocabulary=vocabulary)
    assert (info.objective, info.output_shape) == (objective, output)


def test_numbers_of_numpy_become_plain_ones() -> None:
    info = DatasetInfo(**TOKENS | {"input_shape": [np.int64(5)], "vocabulary": np.int32(7)})
    assert type(info.vocabulary) is int and all(type(n) is int for n in info.input_shape)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (IMAGES | {"input_shape": (8, 8)}, r"\[C, H, W\] of an image.* but got \(8, 8\)"),
        (IMAGES | {"inputs": "features", "input_shape": ()}, "input_shape must be the sizes"),
        (TOKENS | {"input_shape": (5, 2)}, r"input_shape must be \[T\]"),
        (TOKENS | {"vocabulary": 0}, "vocabulary must be how many tokens there are"),
        (IMAGES | {"vocabulary": 9}, "vocabulary belongs to inputs 'tokens'"),
        (IMAGES | {"inputs": "sound"}, "inputs must be one of images, .*'sound'"),
        (
            IMAGES | {"targets": "tokens"},
            "targets 'tokens' must stand at every place",
        ),
        (IMAGES | {"classes": 0}, "classes must be a whole number above 0"),
        (TOKENS | {"bytes_per_token": 0.0}, "bytes_per_token must be above 0"),
    ],
)
def test_what_no_dataset_can_be(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DatasetInfo(**given)


def test_info_that_differs_from_the_data_names_the_kind() -> None:
    said = DatasetInfo(**TOKENS)
    with pytest.raises(ValueError, match=r"info says vocabulary 7; the data has vocabulary 9"):
        said.require(DatasetInfo(**TOKENS | {"vocabulary": 9}))
    said.require(DatasetInfo(**TOKENS, objective="mine"))
