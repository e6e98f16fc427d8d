"""Masks hold whatever the optimizer does, and go on where a saved training left off."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import nn

import lth_bench
from lth_bench import Change, Mask, StepView, UserError

OPTIMIZERS = [
    (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    (torch.optim.Adam, {"lr": 0.01, "weight_decay": 0.01}),
    (torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "fused": True}),
    (torch.optim.RMSprop, {"lr": 0.01, "momentum": 0.5}),
    (torch.optim.Adagrad, {"lr": 0.01}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIMIZERS, ids=lambda x: getattr(x, "__name__", ""))
def test_masks_hold_under_every_optimizer(
    make_loop: Any, rigl: Any, holds: Any, kind: Any, options: dict[str, Any]
) -> None:
    loop = make_loop(kind, **options)
    sparse = rigl(loop)
    first, count = sparse.mask, sparse.mask.count
    assert count == round(0.3 * sparse.mask.total)
    for step in range(20):
        loop.train(range(step, step + 1))
        holds(sparse)
    assert sparse.step == 20
    assert sparse.mask != first
    assert sparse.mask.count == count
    assert sparse.density == pytest.approx(0.3, abs=1e-3)


@pytest.mark.parametrize(
    ("kind", "options"), OPTIMIZERS[:3], ids=lambda x: getattr(x, "__name__", "")
)
@pytest.mark.parametrize(
    ("step", "order"), [(3, "model first"), (9, "optimizer first"), (14, "model before")]
)
def test_a_saved_training_goes_on_bit_for_bit(
    make_loop: Any, rigl: Any, holds: Any, kind: Any, options: Any, step: int, order: str
) -> None:
    """Model and optimizer are saved as always; what is loaded wins over what sparsify selects."""
    whole = make_loop(kind, **options)
    expected = rigl(whole)
    whole.train(range(20))

    loop = make_loop(kind, **options)
    rigl(loop)
    loop.train(range(step))
    file = io.BytesIO()
    torch.save({"model": loop.net.state_dict(), "optimizer": loop.optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    assert all("mask" not in key for key in saved["model"])  # a plain state dict

    again = make_loop(kind, **options)
    if order == "model before":  # as Lightning does
        again.net.load_state_dict(saved["model"])
    sparse = rigl(again, seed=99)  # whatever mask it selects
    if order == "model first":
        again.net.load_state_dict(saved["model"])
    again.optimizer.load_state_dict(saved["optimizer"])
    if order == "optimizer first":
        again.net.load_state_dict(saved["model"])
    assert sparse.step == step
    again.train(range(step, 20))
    holds(sparse)
    assert sparse.mask == expected.mask
    for key, value in whole.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[key]), key


def test_a_dense_checkpoint_is_masked_before_it_is_used(make_loop: Any, rigl: Any) -> None:
    loop = make_loop()
    dense = copy.deepcopy(loop.net.state_dict())
    sparse = rigl(loop)
    loop.net.load_state_dict(dense)
    loop.net(loop.batch(0)[0])
    sparse.mask.apply_(dense)
    for key in sparse.mask.items_by_key():
        assert torch.equal(loop.net.state_dict()[key], dense[key])


def test_gradient_accumulation_counts_updates(make_loop: Any, rigl: Any, holds: Any) -> None:
    loop = make_loop(momentum=0.9)
    sparse = rigl(loop, steps=5, params={"update_every": 2})
    first = sparse.mask
    for _ in loop.accumulate(range(20), parts=4):
        holds(sparse)
    assert sparse.step == 5
    assert sparse.mask != first


@pytest.mark.parametrize("fused", [False, True])
def test_a_gradient_scaler_that_skips_a_step_skips_it_here(
    make_loop: Any, rigl: Any, holds: Any, fused: bool
) -> None:
    loop, twin = (make_loop(torch.optim.AdamW, fused=fused) for _ in range(2))
    sparse, plain = rigl(loop), rigl(twin)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    for step in range(20):
        loop.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=False):
            loss = loop.loss(step)
        scaler.scale(loss).backward()
        scaler.step(loop.optimizer)
        scaler.update()
    twin.train(range(20))
    # the scale is a power of two, so that scaling changes no bit
    assert sparse.mask == plain.mask
    before = copy.deepcopy(loop.net.state_dict())
    loop.optimizer.zero_grad()
    scaler.scale(loop.loss(20) * float("inf")).backward()
    scaler.step(loop.optimizer)
    scaler.update()
    assert sparse.step == 20
    assert torch.equal(loop.net[4].weight, before["4.weight"])
    holds(sparse)


def test_masks_hold_under_autocast(make_loop: Any, rigl: Any, holds: Any) -> None:
    loop = make_loop(torch.optim.AdamW)
    sparse = rigl(loop)
    for step in range(12):
        loop.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loop.loss(step)
        loss.backward()
        loop.optimizer.step()
        holds(sparse)


def test_a_strategy_s_draws_leave_those_of_the_loop_alone(make_loop: Any) -> None:
    class Draws:
        @lth_bench.hookimpl
        def select_mask(self, ticket: lth_bench.Ticket) -> Mask:
            counts = lth_bench.uniform(ticket.layers, ticket.target_count)
            return Mask.top_k_per_layer(abs(ticket.initial.weights), counts)

        @lth_bench.hookimpl
        def train(self, ticket: lth_bench.Ticket) -> lth_bench.Trained:
            return ticket.fit(on_step=self.draw)

        def draw(self, view: StepView) -> Change | None:
            view.memo.setdefault("drawn", []).append(float(torch.rand(())))
            return None

    def drawn(seed: int) -> list[float]:
        loop = make_loop()
        torch.manual_seed(1)
        sparse = lth_bench.sparsify(loop.net, loop.optimizer, Draws(), 0.5, steps=4, seed=seed)
        loop.train(range(4))
        assert torch.equal(torch.rand(()), torch.manual_seed(1) and torch.rand(()))
        return list(sparse.memo["drawn"])

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


def test_a_copy_and_a_pickle_of_the_model_are_plain(make_loop: Any, rigl: Any) -> None:
    loop = make_loop()
    rigl(loop)
    for other in (copy.deepcopy(loop.net), pickle.loads(pickle.dumps(loop.net))):
        dense = {k: torch.ones_like(v) for k, v in other.state_dict().items()}
        other.load_state_dict(dense)
        other.eval()(loop.batch(0)[0])
        assert other[4].weight.eq(1).all()


def test_removed_it_lets_go(make_loop: Any, rigl: Any) -> None:
    loop = make_loop()
    sparse = rigl(loop)
    loop.train(range(2))
    assert sparse.remove() is loop.net
    assert lth_bench.mask_from(loop.net) == sparse.mask
    loop.train(range(2, 4))
    assert lth_bench.mask_from(loop.net).count > sparse.mask.count
    assert sparse.step == 2
    assert "lth_bench" not in loop.optimizer.state_dict()


def test_a_wrapped_or_compiled_model_is_the_same(make_loop: Any, rigl: Any) -> None:
    loop = make_loop()
    wrapped = torch.compile(loop.net, backend="eager")
    sparse = lth_bench.sparsify(wrapped, loop.optimizer, "random", 0.3)
    assert sparse.model is loop.net
    assert set(sparse.mask.kept) == {"0", "4", "6"}


def test_a_state_of_another_strategy_or_model_is_refused(make_loop: Any, rigl: Any) -> None:
    loop = make_loop()
    saved = rigl(loop).state_dict()
    other = make_loop()
    sparse = lth_bench.sparsify(other.net, other.optimizer, "random", 0.3)
    with pytest.raises(UserError, match="of strategy 'rigl', not 'random'"):
        sparse.load_state_dict(saved)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    sparse = lth_bench.sparsify(net, optimizer, "rigl", 0.3, steps=20)
    with pytest.raises(UserError, match="saved masks do not fit this model: layer '1'"):
        sparse.load_state_dict(saved)


def test_a_last_change_off_the_target_is_an_error(make_loop: Any) -> None:
    class Grows:
        dynamic = True

        @lth_bench.hookimpl
        def select_mask(self, ticket: lth_bench.Ticket) -> Mask:
            counts = lth_bench.uniform(ticket.layers, ticket.target_count)
            return Mask.top_k_per_layer(abs(ticket.initial.weights), counts)

        @lth_bench.hookimpl
        def train(self, ticket: lth_bench.Ticket) -> lth_bench.Trained:
            return ticket.fit(on_step=self.grow, every=2)

        def grow(self, view: StepView) -> Change:
            return Change(Mask({n: torch.ones_like(k) for n, k in view.mask.kept.items()}))

    loop = make_loop()
    sparse = lth_bench.sparsify(loop.net, loop.optimizer, Grows(), 0.5, steps=4)
    loop.train(range(2))
    assert sparse.density == 1.0
    with pytest.raises(UserError, match="its last change, at step 2, keeps"):
        loop.train(range(2, 3))


def test_on_a_gpu_it_does_what_it_does_on_the_cpu(
    pretend_gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mask and values, with the model moved before the optimizer is made."""
    # the pretend GPU's tensors are a subclass, as sharded and quantized weights are
    monkeypatch.setattr("lth_bench.own_loop.setup._require_updated", lambda *_: None)

    def trained(device: str) -> tuple[Any, list[torch.Tensor]]:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).double()
        x, y = torch.randn(16, 6, dtype=torch.float64), torch.arange(16) % 3
        net, x, y = net.to(device), x.to(device), y.to(device)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
        params = {"update_every": 3, "drop_fraction": 0.5}
        sparse = lth_bench.sparsify(net, optimizer, "rigl", 0.3, steps=20, params=params)
        for _ in range(20):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()
        masks = {key: kept.cpu() for key, kept in sparse.mask.items_by_key().items()}
        return masks, [p.detach().cpu() for p in net.parameters()]

    masks, values = trained("cuda")
    expected_masks, expected = trained("cpu")
    assert {k: m.tolist() for k, m in masks.items()} == {
        k: m.tolist() for k, m in expected_masks.items()
    }
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-12)
