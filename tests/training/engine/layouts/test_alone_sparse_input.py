"""Chains trained without the images' background, against the plain layout and a loop by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lth_bench.masks import Mask
from lth_bench.models.mlp import MLP
from lth_bench.training.engine import sparse_sequential
from lth_bench.training.engine.layouts import kind_of
from lth_bench.training.engine.layouts.alone import ByHand, KeptOnly, Plain, SparseInput
from lth_bench.training.engine.layouts.stacked import Explicit
from lth_bench.training.input.streaming import HostArrays, StreamedData
from lth_bench.training.recipe import Recipe

pytestmark = pytest.mark.usefixtures("any_size")
NET, ONE_HIDDEN = MLP(hidden=(40, 12)), MLP(hidden=(40,))
SHORT = Recipe(lr=0.1, steps=40, batch_size=20, val_size=60, eval_every=10)
DOUBLE = dataclasses.replace(SHORT, dtype="float64", label_smoothing=0.1)
OPTIMIZERS = {
    "sgd": (dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3), 1e-3),
    "adam": (dict(optimizer="adam", lr=0.01, weight_decay=1e-3), 1e-3),
    "adamw": (dict(optimizer="adamw", lr=0.01, weight_decay=0.1), 0.0),
}


@pytest.mark.parametrize("case", sorted(OPTIMIZERS))
def test_it_equals_the_plain_layout(case, make_bench, dark, half_mask, request_of, hand, train):
    bench = make_bench(NET, dataclasses.replace(DOUBLE, **OPTIMIZERS[case][0]), dark)
    mask = half_mask(bench)
    mask.kept["fc1"][3] = False
    mask = Mask(mask.kept, {"fc1.bias": torch.arange(40) != 3}, bench.layers)
    values = bench.initial(3).values
    mask.apply_(values)
    request = request_of(bench, mask=mask, values=values)
    plain, found = (train(kind, bench, request) for kind in (Plain, SparseInput))
    assert hand.far(found[0], plain[0]) <= 1e-12
    assert hand.far(found[0], request.values) > 1e-2
    assert found[1] == pytest.approx(plain[1], abs=1e-11)
    assert found[2] == pytest.approx(plain[2], abs=1e-11)
    for key, kept in mask.items_by_key().items():
        assert bool((found[0][key][~kept] == 0).all())


@pytest.mark.parametrize("case", sorted(OPTIMIZERS))
def test_a_hundred_rewired_steps_equal_those_by_hand(
    case, make_bench, dark, half_mask, request_of, hand, stack
):
    fields, l2 = OPTIMIZERS[case]
    update = {
        "sgd": hand.momentum_sgd(0.9, True),
        "adam": hand.adam,
        "adamw": hand.decoupled(0.1),
    }[case]
    bench = make_bench(ONE_HIDDEN, dataclasses.replace(DOUBLE, steps=100, **fields), dark)
    on_step, by_hand = hand.rewiring(bench, half_mask)
    requests = [
        request_of(bench),
        request_of(bench, seed=2, mask=half_mask(bench, 2), on_step=on_step, every=7),
    ]
    for request in requests:
        rewire = by_hand if request.on_step else None
        expected = hand.train(
            bench, request, lambda _: fields["lr"], update, l2=l2, smoothing=0.1, rewire=rewire
        )
        (one,) = stack(bench, [request], kind=SparseInput)
        (alone,) = stack(bench, [request], kind=Plain)
        assert one.error is None and one.outcome.variant == "sparse_input"
        assert hand.far(one.outcome.values, expected) <= 1e-12
        assert hand.far(one.outcome.best, alone.outcome.best) <= 1e-12
        assert one.outcome.mask == alone.outcome.mask
        for p, q in zip(one.outcome.curve, alone.outcome.curve, strict=True):
            assert dataclasses.astuple(p) == pytest.approx(dataclasses.astuple(q), abs=1e-11)


@pytest.mark.parametrize("room", [0, 2**30])
def test_the_same_bits_whether_batches_were_kept_or_not(
    room, make_bench, dark, half_mask, request_of, stack, hand
):
    bench = make_bench(NET, dataclasses.replace(SHORT, **OPTIMIZERS["adam"][0]), dark)
    layout = SparseInput(bench.network, bench.data, bench.recipe, 1)
    bench.data.kept.room = room
    request = request_of(bench, mask=half_mask(bench))
    first, second = (stack(bench, [request], layout=layout)[0].outcome for _ in range(2))
    fresh = stack(bench, [request], kind=SparseInput)[0].outcome
    assert hand.same(first.values, second.values) and hand.same(first.values, fresh.values)
    assert first.curve == second.curve == fresh.curve


def test_it_is_for_images_as_they_are_and_gradients_by_hand(make_bench, dark, blobs, request_of):
    bench = make_bench(NET, SHORT, dark)
    request = request_of(bench)

    def takes(**changes):
        return SparseInput.takes(bench.network, bench.data, dataclasses.replace(request, **changes))

    assert takes() and takes(until=lambda _: False) and takes(on_step=lambda _: None)
    for changes in (
        dict(penalty=lambda p: p["fc1.weight"].sum()),
        dict(parametrize=lambda p, m: p),
        dict(recipe=dataclasses.replace(SHORT, crop=1)),
        dict(recipe=dataclasses.replace(SHORT, flip=True)),
        dict(recipe=dataclasses.replace(SHORT, dtype="bfloat16")),
        dict(recipe=dataclasses.replace(SHORT, batch_size=15)),
    ):
        assert not takes(**changes)
    bright = make_bench(NET, SHORT, blobs)
    assert not SparseInput.takes(bright.network, bright.data, request)


def test_trainings_take_it_by_their_density(make_bench, dark, request_of, monkeypatch):
    monkeypatch.setattr(sparse_sequential, "SMALLEST", 400)
    monkeypatch.setattr(sparse_sequential, "LARGEST", 1000)
    bench = make_bench(NET, SHORT, dark)

    def kind(density, cohort_size=1, **changes):
        kept = {x.name: torch.arange(x.numel) < density * x.numel for x in bench.layers}
        shaped = {x.name: kept[x.name].view(x.shape) for x in bench.layers}
        request = request_of(bench, mask=Mask(shaped, layers=bench.layers), **changes)
        return kind_of(bench.network, bench.data, request, cohort_size)

    assert [kind(d) for d in (1.0, 0.2, 0.09)] == [SparseInput, SparseInput, KeptOnly]
    assert kind(0.09, on_step=lambda _: None) is SparseInput
    assert kind(1.0, penalty=lambda p: p["fc1.weight"].sum()) is ByHand
    assert kind(1.0, cohort_size=4) is Explicit
    # where another layer is the largest, its weights decide
    bench = make_bench(MLP(hidden=(40, 60)), SHORT, dark)
    assert [kind(d) for d in (1.0, 0.2, 0.09)] == [SparseInput, KeptOnly, KeptOnly]


def test_tickets_are_measured_without_the_background_too(
    make_bench, dark, half_mask, request_of, monkeypatch
):
    bench = make_bench(NET, dataclasses.replace(SHORT, dtype="float64"), dark)
    network, data, mask = bench.network, bench.data, half_mask(bench)
    values = bench.initial(1).values
    mask.apply_(values)
    network.load(values)
    parts = (data.train, data.val, data.sample(50))
    found = [network.evaluate(part, data, mask) for part in parts]
    monkeypatch.setattr(network, "sparse_input_sequential", lambda data: None)
    for one, part in zip(found, parts, strict=True):
        other = network.evaluate(part, data, mask)
        assert one.loss == pytest.approx(other.loss, abs=1e-12)
        assert one.metrics == pytest.approx(other.metrics, abs=1e-12)
    assert len(data.sample(50)) == 50 and data.sample(50) is data.sample(50)
    assert data.sample(10**6) is data.train


def test_callbacks_meet_contiguous_tensors(make_bench, dark, half_mask, request_of, stack):
    bench = make_bench(NET, dataclasses.replace(SHORT, **OPTIMIZERS["adam"][0]), dark)
    seen = []

    def on_step(view):
        tensors = [*view.values.values(), *view.gradients.values()]
        tensors += [t for entries in view.optimizer_state.values() for t in entries.values()]
        seen.append(all(t.is_contiguous() for t in tensors) and len(tensors) > 9)

    def until(view):
        seen.append(all(t.is_contiguous() for t in view.values.values()))
        return False

    request = request_of(bench, mask=half_mask(bench), on_step=on_step, until=until, every=10)
    (one,) = stack(bench, [request], kind=SparseInput)
    assert one.error is None and seen == [True] * 9


def test_another_data_s_normalisation_is_not_taken_over(make_bench, dark):
    bench = make_bench(NET, SHORT, dark)
    split, background = bench.data.train, bench.data.background
    first = split.without_background(background, torch.float32)
    assert split.without_background(background, torch.float32) is first
    other = dataclasses.replace(background, shades=2 * background.shades)
    again = split.without_background(other, torch.float32)
    (a,), (b,) = ((x.in_order(300)) for x in (first, again))
    assert torch.equal(2 * a.values[: a.starts[-2]], b.values[: b.starts[-2]])


def test_streamed_data_gives_the_same_bits(make_bench, dark, half_mask, request_of, stack, hand):
    bench = make_bench(NET, dataclasses.replace(SHORT, **OPTIMIZERS["adam"][0]), dark)
    request = request_of(bench, mask=half_mask(bench), start=3, end=33)
    (resident,) = stack(bench, [request], kind=SparseInput)
    metrics = bench.network.evaluate(bench.data.sample(50), bench.data, request.mask)
    bench.data = StreamedData(
        source=HostArrays(dark),
        val_size=SHORT.val_size,
        device=torch.device("cpu"),
        threads=1,
        keep=0,
    )
    assert kind_of(bench.network, bench.data, request, 1) is SparseInput
    (streamed,) = stack(bench, [request], kind=SparseInput)
    assert streamed.error is None and streamed.outcome.curve == resident.outcome.curve
    assert hand.same(streamed.outcome.values, resident.outcome.values)
    assert bench.network.evaluate(bench.data.sample(50), bench.data, request.mask) == metrics
    bench.data.close()
