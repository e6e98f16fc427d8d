"""Arrays of every kind, invented: consistent ones tell what they are, others are refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.data.arrays import Arrays
from lth_bench.data.info import DatasetInfo

KINDS = [
    ("images", "class"), ("images", "labels"), ("images", "values"), ("features", "class"),
    ("features", "labels"), ("features", "values"), ("tokens", "class"), ("tokens", "labels"),
    ("tokens", "values"), ("tokens", "tokens"),
]  # fmt: skip


@st.composite
def consistent(draw: st.DrawFn) -> Arrays:
    inputs, targets = draw(st.sampled_from(KINDS))
    classes, n, test = draw(st.integers(1, 4)), draw(st.integers(1, 6)), draw(st.integers(1, 4))
    vocabulary = draw(st.integers(1, 5)) if inputs == "tokens" else 0
    sizes = {"images": 3, "tokens": 1}.get(inputs, draw(st.integers(1, 3)))
    shape = draw(st.lists(st.integers(1, 3), min_size=sizes, max_size=sizes))
    random = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))

    def split(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        x = {
            "images": lambda: torch.randint(0, 256, (n, *shape), generator=random).byte(),
            "features": lambda: torch.randn(n, *shape, generator=random),
            "tokens": lambda: torch.randint(0, vocabulary, (n, *shape), generator=random),
        }[inputs]()
        y = {
            "class": lambda: torch.randint(0, classes, (n,), generator=random),
            "labels": lambda: torch.randint(0, 2, (n, classes), generator=random).byte(),
            "values": lambda: torch.randn(n, classes, generator=random),
            "tokens": lambda: torch.randint(0, classes, (n, *shape), generator=random),
        }[targets]()
        return x, y

    return Arrays(
        *split(n), *split(test), classes=classes, inputs=inputs, targets=targets,
        vocabulary=vocabulary, standardise=draw(st.booleans()),
    )  # fmt: skip


@given(consistent())
def test_info_tells_what_arrays_are(arrays: Arrays) -> None:
    info = arrays.info
    assert (info.inputs, info.targets, info.classes) == (
        arrays.inputs, arrays.targets, arrays.classes,
    )  # fmt: skip
    assert info.input_shape == arrays.train_x.shape[1:]
    assert (info.train_size, info.test_size) == (len(arrays.train_y), len(arrays.test_y))
    info.require(dataclasses.replace(arrays).info)


@given(consistent(), st.data())
def test_fingerprints_differ_by_content_and_kind(arrays: Arrays, data: st.DataObject) -> None:
    fingerprint = arrays.fingerprint()
    assert dataclasses.replace(arrays).fingerprint() == fingerprint
    other: dict[str, Any] = {"classes": arrays.classes + 1}
    if arrays.targets in ("labels", "values"):
        other = {"train_y": 1 - arrays.train_y}
    elif arrays.inputs == "tokens":
        other = data.draw(st.sampled_from([other, {"vocabulary": arrays.vocabulary + 1}]))
    elif arrays.inputs == "features":
        other = data.draw(st.sampled_from([other, {"standardise": not arrays.standardise}]))
    assert dataclasses.replace(arrays, **other).fingerprint() != fingerprint


def test_the_same_numbers_of_another_kind_have_another_fingerprint() -> None:
    x, y = torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3, dtype=torch.int64)
    common: dict[str, Any] = {"inputs": "tokens", "vocabulary": 4}
    a = Arrays(x, y, x, y, classes=3, targets="tokens", **common)
    real = torch.zeros(2, 3)
    b = Arrays(x, real, x, real, classes=3, targets="values", **common)
    bits = torch.zeros(2, 3, dtype=torch.uint8)
    c = Arrays(x, bits, x, bits, classes=3, targets="labels", **common)
    pixels = torch.zeros(2, 1, 1, 3, dtype=torch.uint8)
    d = Arrays(pixels, bits, pixels, bits, classes=3, targets="labels")
    assert len({one.fingerprint() for one in (a, b, c, d)}) == 4


SPOILT = {
    "a split of fewer targets": lambda a: {"train_y": a.train_y[:-1]},
    "other types of targets": lambda a: {"test_y": a.test_y.to(torch.float16)},
    "other types of inputs": lambda a: {"test_x": a.test_x.to(torch.float16)},
    "test inputs of another shape": lambda a: {
        "test_x": torch.cat([a.test_x, a.test_x[..., :1]], -1)
    },
    "an unknown kind of input": lambda a: {"inputs": "sounds"},
    "an unknown kind of target": lambda a: {"targets": "boxes"},
    "no example": lambda a: {"train_x": a.train_x[:0], "train_y": a.train_y[:0]},
}
OF_KIND = {
    "class": lambda a: {"train_y": torch.full_like(a.train_y, a.classes)},
    "labels": lambda a: {"train_y": torch.full_like(a.train_y, 2)},
    "values": lambda a: {"train_y": torch.full_like(a.train_y, float("nan"))},
    "tokens": lambda a: {"train_y": torch.full_like(a.train_y, -1)},
}
OF_INPUT = {
    "images": lambda a: {"vocabulary": 3},
    "features": lambda a: {"test_x": torch.full_like(a.test_x, float("inf"))},
    "tokens": lambda a: {"test_x": torch.full_like(a.test_x, a.vocabulary)},
}


@given(consistent(), st.data())
def test_inconsistent_arrays_are_refused(arrays: Arrays, data: st.DataObject) -> None:
    ways = {**SPOILT, "targets": OF_KIND[arrays.targets], "inputs": OF_INPUT[arrays.inputs]}
    way = ways[data.draw(st.sampled_from(sorted(ways)))]
    with pytest.raises(ValueError, match=r"must|has no|belongs"):
        _ = dataclasses.replace(arrays, **way(arrays)).info


BAD = {
    "input_shape": [(), (0,), (2.5,), "three", None, (1, 2, 3, 4)],
    "classes": [
        0, -1, 2.0, "3", None, True, ["cat"], ("cat",), np.array(["cat"]), np.array([3]),
        np.array("cat"), torch.tensor([3]), torch.tensor(3.0),
    ],
    "train_size": [0, None, 1.5],
    "test_size": [0, None, 1.5],
    "inputs": ["image", "", None],
    "targets": ["classes", "", None],
    "vocabulary": [-1, "many", 2.5],
    "bytes_per_token": [0, -1.0, float("nan"), float("inf")],
}  # fmt: skip


@given(consistent(), st.data())
def test_inconsistent_infos_are_refused(arrays: Arrays, data: st.DataObject) -> None:
    info = arrays.info
    name = data.draw(st.sampled_from(sorted(BAD)))
    value = data.draw(st.sampled_from(BAD[name]))
    if name == "input_shape" and info.inputs == "features" and value == (1, 2, 3, 4):
        return  # features have any sizes
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(info, **{name: value})


@pytest.mark.parametrize("count", [3, np.int64(3), np.array(3), torch.tensor(3)])
def test_numpys_and_torchs_whole_numbers_count(count: Any) -> None:
    info = DatasetInfo((1, 2, 2), count, 8, 2)
    assert type(info.classes) is int and info.classes == 3


@given(st.sampled_from(KINDS), st.sampled_from(KINDS))
def test_infos_of_other_kinds_do_not_agree(one: tuple[str, str], other: tuple[str, str]) -> None:
    def info(kind: tuple[str, str]) -> DatasetInfo:
        inputs, targets = kind
        shape = {"images": (1, 2, 2), "features": (4,), "tokens": (4,)}[inputs]
        kinds: dict[str, Any] = {"inputs": inputs, "targets": targets}
        return DatasetInfo(shape, 3, 8, 2, vocabulary=5 * (inputs == "tokens"), **kinds)

    if one == other:
        info(one).require(info(other))
    else:
        with pytest.raises(ValueError, match="let info tell what load gives"):
            info(one).require(info(other))
