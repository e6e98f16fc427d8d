"""Attention and recurrent layers in a loop of one's own: their masks hold as those of others do."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch

MATRICES = {
    "attention": {"layer.in_proj_weight", "layer.out_proj.weight", "head.weight"},
    "lstm": {
        *(f"layer.weight_{part}_l{i}" for part in ("ih", "hh") for i in range(2)), "head.weight",
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
        (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
        (torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.5}),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_masks_hold_under_every_optimizer(
    make_reader: Any, rigl: Any, holds: Any, kind: Any, options: Any, request: Any
) -> None:
    loop = make_reader(kind, **options)
    sparse = rigl(loop)
    keys = MATRICES[request.node.callspec.params["make_reader"]]
    assert set(sparse.mask.items_by_key()) == keys
    first, count = sparse.mask, sparse.mask.count
    for step in range(20):
        loop.train(range(step, step + 1))
        holds(sparse)
    assert sparse.mask != first and sparse.mask.count == count


@pytest.mark.parametrize("order", ["model first", "optimizer first"])
def test_a_saved_training_goes_on_bit_for_bit(
    make_reader: Any, rigl: Any, holds: Any, order: str
) -> None:
    whole = make_reader(torch.optim.AdamW, lr=0.01)
    expected = rigl(whole)
    whole.train(range(20))

    loop = make_reader(torch.optim.AdamW, lr=0.01)
    rigl(loop)
    loop.train(range(9))
    file = io.BytesIO()
    torch.save({"model": loop.net.state_dict(), "optimizer": loop.optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)

    again = make_reader(torch.optim.AdamW, lr=0.01)
    sparse = rigl(again, seed=99)  # whatever mask it selects
    parts = [(again.net, "model"), (again.optimizer, "optimizer")]
    for part, name in parts if order == "model first" else reversed(parts):
        part.load_state_dict(saved[name])
    again.train(range(9, 20))
    holds(sparse)
    assert sparse.mask == expected.mask
    for key, value in whole.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[key]), key


def test_masks_hold_while_gradients_accumulate(make_reader: Any, rigl: Any, holds: Any) -> None:
    loop = make_reader(momentum=0.9)
    sparse = rigl(loop, steps=5, params={"update_every": 2})
    first = sparse.mask
    for _ in loop.accumulate(range(20), parts=4):
        holds(sparse)
    assert sparse.step == 5 and sparse.mask != first


def test_masks_hold_under_autocast_and_a_scaler(make_reader: Any, rigl: Any, holds: Any) -> None:
    loop = make_reader(torch.optim.AdamW, lr=0.01)
    sparse = rigl(loop)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    for step in range(12):
        loop.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loop.loss(step)
        scaler.scale(loss).backward()
        scaler.step(loop.optimizer)
        scaler.update()
        holds(sparse)
    before = copy.deepcopy(loop.net.state_dict())
    loop.optimizer.zero_grad()
    scaler.scale(loop.loss(12) * float("inf")).backward()
    scaler.step(loop.optimizer)
    assert sparse.step == 12
    for key, value in loop.net.state_dict().items():
        assert torch.equal(value, before[key]), key
    holds(sparse)
