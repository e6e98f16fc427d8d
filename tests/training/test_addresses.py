"""Data, source and numerics in a training's address, and that no failure has one; what else is in
it, test_workbench.py says.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lth_bench.data.arrays import Arrays
from lth_bench.errors import Diverged
from lth_bench.models.mlp import MLP
from lth_bench.training import keys
from lth_bench.training.recipe import Recipe

NET = MLP(hidden=(7,))
RECIPE = Recipe(lr=0.2, steps=30, batch_size=20, val_size=60, eval_every=10)
CALLBACKS = {"strategy": "mine", "source": "abc", "params": {"rate": 0.1}, "call": 0}


@pytest.fixture
def key(make_bench: Any, half_mask: Any, request_of: Any) -> Callable[..., str]:
    """`key(model=…, recipe=…, arrays=…, callbacks=…, **changes of the request)`."""

    def make(
        model: Any = NET, recipe: Recipe = RECIPE, arrays: Any = None, callbacks: Any = None,
        **changes: Any,
    ) -> str:  # fmt: skip
        bench = make_bench(model, recipe, **({"arrays": arrays} if arrays is not None else {}))
        request = dataclasses.replace(request_of(bench, mask=half_mask(bench)), **changes)
        found: str = bench.key(request, callbacks)
        return found

    return make


@pytest.mark.parametrize(
    "changed",
    [{"source": "abd"}, {"params": {"rate": 0.2}}, {"call": 1}, {"strategy": "yours"}],
)
def test_callbacks_count_by_source_and_parameters(key: Any, changed: dict[str, Any]) -> None:
    assert key(callbacks=CALLBACKS) != key(callbacks={**CALLBACKS, **changed})


@pytest.mark.parametrize("part", ["train_x", "train_y", "test_x"])
def test_one_byte_of_the_data(key: Any, blobs: Arrays, part: str) -> None:
    other = {p: getattr(blobs, p).clone() for p in ("train_x", "train_y", "test_x", "test_y")}
    flat = other[part].view(-1)
    flat[17] = flat[17] ^ 1 if part != "train_y" else (flat[17] + 1) % 3
    assert key() != key(arrays=Arrays(**other, classes=3))
    assert key() == key(arrays=dataclasses.replace(blobs))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("torch.__version__", "2.99.0"),
        ("torch.get_num_threads", lambda: 7),
        ("lth_bench.training.keys.ENGINE_REVISION", keys.ENGINE_REVISION + 1),
    ],
)
def test_the_numerics(key: Any, monkeypatch: pytest.MonkeyPatch, place: str, value: Any) -> None:
    before = key()
    monkeypatch.setattr(place, value)
    assert key() != before


def test_device_and_dtype(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert key() != key(recipe=dataclasses.replace(RECIPE, dtype="bfloat16"))
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"GPU {device.index}")
    cpu, one, two = torch.device("cpu"), torch.device("cuda:0"), torch.device("cuda:1")
    numerics = [keys.digest(keys.numerics(device, "float32")) for device in (cpu, one, two)]
    assert len(set(numerics)) == 3


def kept(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if p.is_dir()] if folder.exists() else []


def test_no_failure_is_kept(
    make_bench: Any, half_mask: Any, request_of: Any, tmp_path: Path
) -> None:
    def fail(view: Any) -> None:
        if view.step == 4:
            raise OSError("no luck")

    bench = make_bench(NET, RECIPE)
    good = request_of(bench, mask=half_mask(bench))
    with pytest.raises(OSError, match="no luck"):
        bench.fit(dataclasses.replace(good, on_step=fail), CALLBACKS)
    assert kept(tmp_path / "kept") == []
    wild = dataclasses.replace(good, recipe=dataclasses.replace(RECIPE, lr=1e30))
    for _ in range(2):  # it diverges again: nothing was kept to be found
        with pytest.raises(Diverged):
            bench.fit(wild)
        assert kept(tmp_path / "kept") == []
    assert not bench.fit(good).reused
    assert len(kept(tmp_path / "kept")) == 1
