"""Initial values from a file fit the network, or are refused in one message."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.training.start import Start, check_start, read_start, started

LARGE = torch.tensor([0, 1, 1e39], dtype=torch.float64)
"""Infinite in float32."""


def network() -> nn.Module:
    parts = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)]
    return nn.Sequential(*parts)


def values(**changed: Tensor | None) -> dict[str, Tensor]:
    """A network's values; `_3_weight` for `3.weight`; None leaves one out."""
    torch.manual_seed(1)
    found = dict(network().state_dict())
    for name, value in changed.items():
        key = name.removeprefix("_").replace("_", ".", 1)
        found.pop(key, None)
        if value is not None:
            found[key] = value
    return found


def checked(path: Path, *patterns: str, dtype: torch.dtype = torch.float32) -> Start:
    with torch.device("meta"):
        module = network()
    names = [name for name, _ in module.named_parameters()]
    return check_start(
        path, "start", module.state_dict(), parameters=names, patterns=patterns, dtype=dtype
    )


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(tensors: dict[str, Tensor]) -> Path:
        save_file(tensors, tmp_path / "a.safetensors")
        return tmp_path / "a.safetensors"

    return write


def test_a_file_that_fits(file: Any):
    path = file(values())
    start = checked(path)
    assert start.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    # 18 + 2 of the convolution, 2 + 2 of batch norm, 24 + 3 of the linear layer
    assert start.drawn == () and start.fixed == 51
    for key, value in read_start(path, start.drawn).items():
        assert torch.equal(value, values()[key])


def test_what_is_drawn_in_spite_of_it(file: Any):
    path = file(values(_3_weight=torch.zeros(7, 8), _3_bias=None))
    start = checked(path, "3.*")
    assert start.drawn == ("3.bias", "3.weight") and start.fixed == 24
    drawn = {k: v + 1 for k, v in values().items()}
    found = started(drawn, read_start(path, start.drawn))
    assert torch.equal(found["0.weight"], values()["0.weight"])
    assert torch.equal(found["3.weight"], drawn["3.weight"])
    assert list(found) == list(drawn)


def test_a_heads_other_tensors_are_ignored_where_a_pattern_names_them(file: Any):
    path = file(values(head_weight=torch.zeros(7), _3_weight=None, _3_bias=None))
    assert checked(path, "head.*", "3.*").drawn == ("3.bias", "3.weight")


def test_batch_norms_count_may_be_missing(file: Any):
    old = {k: v for k, v in values().items() if not k.endswith("num_batches_tracked")}
    start = checked(file(old))
    assert start.drawn == () and start.fixed == 51
    found = started(values(), read_start(start.path, start.drawn))
    assert list(found) == list(values()) and found["1.num_batches_tracked"] == 0


def test_the_command_that_makes_a_missing_file(tmp_path: Path):
    state = network().state_dict()
    with pytest.raises(UserError, match=r"no file .*; the suite says that this makes it: make it$"):
        check_start(
            tmp_path / "a.safetensors",
            "start",
            state,
            parameters=[],
            patterns=[],
            dtype=torch.float32,
            command="make it",
        )


def test_other_precisions_are_converted(file: Any):
    path = file({k: v.half() if v.is_floating_point() else v.int() for k, v in values().items()})
    found = started(
        {k: v.double() for k, v in values().items()}, read_start(path, checked(path).drawn)
    )
    assert {v.dtype for v in found.values()} == {torch.float64}


@pytest.mark.parametrize(
    ("changed", "patterns", "says"),
    [
        ({"_3_bias": None}, (), "the file lacks 3.bias"),
        ({"more_weight": torch.zeros(1)}, (), "the network has no more.weight"),
        (
            {"_3_weight": torch.zeros(7, 8), "_3_bias": torch.zeros(7)},
            (),
            r"3.weight has shape \[7, 8\] in the file.*\[3, 8\] in the network.*\[\"3.\*\"\]",
        ),
        ({"_3_bias": torch.full([3], torch.nan)}, (), "3 of 3 values of 3.bias are NaN"),
        ({"_3_bias": LARGE}, (), "1 of 3 values of 3.bias are NaN"),
        ({"_3_bias": torch.tensor([1, 2, 3])}, (), "3.bias is int64 in the file, but float32"),
        ({}, ("fc.*",), "start_except names 'fc.*', but neither"),
        ({}, ("*",), "leaves nothing that the file would fix"),
    ],
)  # fmt: skip
def test_what_does_not_fit(
    file: Any, changed: dict[str, Any], patterns: tuple[str, ...], says: str
):
    path = file(values(**changed))
    with pytest.raises(UserError, match=says):
        checked(path, *patterns)


def test_what_is_infinite_in_float32_only(file: Any):
    path = file(values(_3_bias=LARGE))
    assert checked(path, dtype=torch.float64).fixed == 51


def test_a_file_of_masks(file: Any):
    path = file({"3.weight_mask": torch.ones(3, 8, dtype=torch.bool)})
    with pytest.raises(UserError, match=r"holds masks and no values; export.*--form dense"):
        checked(path)


def test_what_is_no_safetensors(tmp_path: Path):
    whole = save(values())
    bad = {
        "missing": (None, "there is no file"),
        "empty": (b"", "not a safetensors file, or is damaged"),
        "short": (whole[: len(whole) // 2], "not a safetensors file, or is damaged"),
        "long": (b"\xff" * 64, "not a safetensors file, or is damaged"),
        "text": (b"weights, honestly", "not a safetensors file, or is damaged"),
        "pickle": (pickle.dumps({"a": 1}), "is a pickle, and loading one can run any code"),
    }
    for name, (content, says) in bad.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=says):
            checked(tmp_path / name)
    torch.save(values(), tmp_path / "a.safetensors")  # whatever its name says
    with pytest.raises(UserError, match="is a pickle"):
        checked(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="is not a file"):
        checked(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
        with pytest.raises(UserError, match="is not a file"):
            checked(tmp_path / "pipe")


@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
def test_whatever_is_damaged_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, at: int, replace: bool
):
    """No damage raises anything but UserError."""
    whole = save(values())
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    path.write_bytes(whole[:at] + junk + whole[at + len(junk) * replace :])
    try:
        start = checked(path)
        read_start(path, start.drawn)
    except UserError as error:
        printed = error.message.isprintable()
    else:
        printed = True
    assert printed
