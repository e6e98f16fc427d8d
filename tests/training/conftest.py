"""What the tests of training share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.arrays import Arrays
from lth_bench.masks import Mask
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts import make_layout
from lth_bench.training.engine.sparse_input import linear
from lth_bench.training.pending_fit import FitContext, PendingFit
from lth_bench.training.request import Change, FitRequest


@pytest.fixture
def half_mask() -> Callable[..., Mask]:
    """`half_mask(bench, seed=0)`: about half of each layer's weights, at random."""

    def make(bench: Any, seed: int = 0) -> Mask:
        rng = torch.Generator().manual_seed(seed)
        kept = {x.name: torch.rand(x.shape, generator=rng) < 0.5 for x in bench.layers}
        return Mask(kept, layers=bench.layers)

    return make


@pytest.fixture(scope="session")
def dark(blobs: Any) -> Arrays:
    """`blobs` on a black background: 3 of 4 pixels, and one pixel in all images."""
    rng = torch.Generator().manual_seed(5)

    def darkened(x: Tensor) -> Tensor:
        x = x.clamp(min=1).masked_fill(torch.rand(x.shape, generator=rng) < 0.75, 0)
        x[:, :, 0, 0] = 0
        return x

    train, test = darkened(blobs.train_x), darkened(blobs.test_x)
    return Arrays(train, blobs.train_y, test, blobs.test_y, classes=3)


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """The background is left out of small networks too, and on CPUs without the fast kernel."""
    monkeypatch.setattr(linear, "SMALLEST", 100)
    monkeypatch.setattr(linear, "engines", lambda: ["fbgemm"])


@pytest.fixture
def request_of() -> Callable[..., FitRequest]:
    """`request_of(bench, **changes)`: the dense run at seed 3, with changes to its fields."""

    def make(bench: Any, seed: int = 3, **changes: Any) -> FitRequest:
        fields: dict[str, Any] = {
            "values": bench.initial(seed).values,
            "mask": bench.dense_mask(),
            "start": 0,
            "end": bench.total_steps,
            "seed": seed,
            "recipe": bench.recipe,
        }
        return FitRequest(**{**fields, **changes})

    return make


def mlp_by_hand(x: Tensor, used: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
    h = x.flatten(1) @ used["fc1.weight"].T + used["fc1.bias"]
    h = torch.where(h > 0, h, 0.0)  # not clamp, whose derivative at 0 depends on torch's version
    return h @ used["fc2.weight"].T + used["fc2.bias"]


def train_by_hand(
    bench: Any,
    request: FitRequest,
    rates: Callable[[int], float],
    update: Callable[..., Tensor],
    *,
    l2: float = 0.0,
    smoothing: float = 0.0,
    rewire: Callable[..., Any] | None = None,
    forward: Callable[..., Tensor] = mlp_by_hand,
) -> dict[str, Tensor]:
    """A network trained without the engine, torch.nn or torch.optim; by default one with one
    hidden layer. `forward` maps (x, weights, buffers) to logits and updates the buffers.

    Masks multiply the weights in the forward pass. `update` maps (key, θ, gradient, rate, number
    of the update from 1, state) to the new θ; `rewire` maps (step, θ, dense gradients, state) to
    new masks, at the steps that it knows.
    """
    start = {k: v.double().clone() for k, v in request.values.items()}
    buffers = {k: v for k, v in start.items() if "running" in k or "tracked" in k}
    theta = {k: v for k, v in start.items() if k not in buffers}
    masks = {k: m.double() for k, m in request.mask.items_by_key().items()}
    state = {k: {} for k in theta}
    for step in range(request.start, request.end):
        x, y = bench.data.batch(step, request.seed, request.recipe)
        leaves = {k: v.clone().requires_grad_() for k, v in theta.items()}
        used = {k: v * masks[k] if k in masks else v for k, v in leaves.items()}
        for v in used.values():
            v.retain_grad()
        logits = forward(x.double(), used, buffers)
        log_p = logits - logits.exp().sum(1, keepdim=True).log()
        classes = logits.shape[1]
        wanted = (1 - smoothing) * F.one_hot(y, classes).double() + smoothing / classes
        (-(wanted * log_p).sum(1).mean()).backward()
        dense = {k: v.grad for k, v in used.items()}
        answer = rewire(step, theta, dense, state, masks) if rewire is not None else None
        if answer is None or not answer["skip"]:
            for k, v in leaves.items():
                gradient = v.grad + l2 * theta[k]
                theta[k] = update(
                    k, theta[k], gradient, rates(step), step - request.start + 1, state[k]
                )
        if answer is not None:
            masks = answer["masks"]
            theta |= answer["values"]
        theta = {k: v * masks[k] if k in masks else v for k, v in theta.items()}
    return theta | buffers


def momentum_sgd(mu, nesterov=False):
    def update(key, theta, gradient, lr, number, state):
        state["v"] = mu * state.get("v", torch.zeros_like(theta)) + gradient
        return theta - lr * (gradient + mu * state["v"] if nesterov else state["v"])

    return update


def adam(key, theta, gradient, lr, number, state):
    m = state["m"] = 0.9 * state.get("m", torch.zeros_like(theta)) + 0.1 * gradient
    v = state["v"] = 0.999 * state.get("v", torch.zeros_like(theta)) + 0.001 * gradient**2
    return theta - lr * (m / (1 - 0.9**number)) / ((v / (1 - 0.999**number)).sqrt() + 1e-8)


def far(values, expected):
    """The largest difference of two state dicts with the same keys."""
    assert values.keys() == expected.keys()
    return max(float((values[k].double() - expected[k].double()).abs().max()) for k in values)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


def decoupled(decay):
    def update(key, theta, gradient, lr, number, state):
        return adam(key, theta, gradient, lr, number, state) - lr * decay * theta

    return update


def rewiring(bench, half_mask):
    """RigL's move: at steps 7, 14, … other weights, no update, momentum zero where they grew."""

    def answer(step, mask):
        new = half_mask(bench, step)
        return new, {n: m & ~mask.kept[n] for n, m in new.kept.items()}

    def on_step(view):
        if view.step == 0:
            return None
        new, grown = answer(view.step, view.mask)
        return Change(new, reset_momentum=grown, replace_update=True)

    def by_hand(step, theta, dense, state, masks):
        if step % 7 or step == 0:
            return None
        before = Mask({k.removesuffix(".weight"): m.bool() for k, m in masks.items()})
        new, grown = answer(step, before)
        for name, where in grown.items():
            entries = state[f"{name}.weight"]
            for entry in entries:
                entries[entry] = entries[entry].masked_fill(where, 0.0)
        revived = {
            f"{n}.weight": theta[f"{n}.weight"].masked_fill(w, 0.0) for n, w in grown.items()
        }
        masks = {k: m.double() for k, m in new.items_by_key().items()}
        return {"masks": masks, "values": revived, "skip": True}

    return on_step, by_hand


def stack_together(bench, requests, cohort_size=None, kind=None, layout=None):
    """Fits that a cohort has answered, one a member. `kind` is a layout's class."""
    cohort_size = cohort_size or len(requests)
    if layout is None:
        make = kind or make_layout
        layout = make(bench.network, bench.data, requests[0].recipe, cohort_size)
    asked = [PendingFit(r) for r in requests]
    Cohort(layout, [[one] for one in asked]).run()
    return asked


CASES = {
    "sgd": (dict(lr=0.2), momentum_sgd(0.0)),
    "weight decay": (dict(lr=0.2, weight_decay=0.02), momentum_sgd(0.0)),
    "momentum": (dict(lr=0.05, momentum=0.9, weight_decay=0.01), momentum_sgd(0.9)),
    "nesterov": (
        dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01),
        momentum_sgd(0.9, True),
    ),
    "adam": (dict(optimizer="adam", lr=0.01, weight_decay=0.01), adam),
}


@pytest.fixture
def hand() -> SimpleNamespace:
    """Training without the engine: `train`, its update rules, and comparisons."""
    return SimpleNamespace(
        train=train_by_hand,
        momentum_sgd=momentum_sgd,
        adam=adam,
        decoupled=decoupled,
        far=far,
        same=same,
        cases=CASES,
        rewiring=rewiring,
    )


@pytest.fixture
def stack() -> Callable[..., list[PendingFit]]:
    """`stack(bench, requests, cohort_size=…, kind=…, layout=…)`: the requests answered by one
    cohort.
    """
    return stack_together


@pytest.fixture
def queue() -> Callable[..., list[PendingFit]]:
    """`queue(bench, *requests, callbacks=None, starts=())`: fits that wait, as experiments' threads
    do; `starts` are steps besides 0 that many trainings start from.
    """

    class Queued(Exception):
        pass

    def collect(
        bench: Any, *requests: FitRequest, callbacks: Any = None, starts: Iterable[int] = ()
    ) -> list[PendingFit]:
        waiting: list[PendingFit] = []

        def wait(one: PendingFit) -> None:
            waiting.append(one)
            raise Queued

        context = FitContext(wait=wait, common_starts=frozenset(starts))
        for request in requests:
            with pytest.raises(Queued):
                bench.fit(request, callbacks, context=context)
        return waiting

    return collect


@pytest.fixture
def cohorts(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What ran since: (cohort size, fits of each member) of every cohort."""
    found: list[Any] = []
    run = Cohort.run

    def counted(self: Cohort) -> None:
        found.append((self.layout.cohort_size, [len(m.fits) for m in self.members]))
        run(self)

    monkeypatch.setattr(Cohort, "run", counted)
    return found
