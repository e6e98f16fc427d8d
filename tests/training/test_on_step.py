"""Callbacks of a training: rewiring, `until`, memo."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lth_bench import Mask
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts.alone import ByHand, Plain
from lth_bench.training.engine.layouts.branches import Branches
from lth_bench.training.engine.layouts.stacked import Explicit, Vmapped
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.recipe import Recipe
from lth_bench.training.request import Change

NET = MLP(hidden=(7,))
SHORT = Recipe(lr=0.2, steps=40, batch_size=20, val_size=60, eval_every=10)
DOUBLE = dataclasses.replace(SHORT, dtype="float64")

OTHER = {10: 1, 25: 2}  # step → seed of the mask that comes in there


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("case", ["momentum", "nesterov", "adam"])
def test_rewiring_equals_a_loop_by_hand(case, skip, make_bench, half_mask, request_of, hand):
    fields, update = hand.cases[case]
    fields = {**fields, "weight_decay": 0.0}
    bench = make_bench(NET, dataclasses.replace(DOUBLE, **fields))
    checked = []

    def on_step(view):
        if view.step not in OTHER:
            return None
        mask = half_mask(bench, OTHER[view.step])
        revived = {n: m & ~view.mask.kept[n] for n, m in mask.kept.items()}
        checked.append({n: g.clone() for n, g in view.gradients.items()})
        return Change(mask, reset_momentum=revived, replace_update=skip)

    request = request_of(bench, mask=half_mask(bench), on_step=on_step, every=5)
    trained = bench.fit(request, {"strategy": "test"})
    dense_seen = []

    def rewire(step, theta, dense, state, masks):
        if step not in OTHER:
            return None
        dense_seen.append(dense)
        new = {k: m.double() for k, m in half_mask(bench, OTHER[step]).items_by_key().items()}
        fresh = {k: (m == 1) & (masks[k] == 0) for k, m in new.items()}
        values = {}
        if not skip:  # the update comes before the change, under the mask before
            for k in theta:
                gradient = dense[k] * masks[k] if k in masks else dense[k]
                theta[k] = update(k, theta[k], gradient, fields["lr"], step + 1, state[k])
        for k, where in fresh.items():
            values[k] = theta[k].masked_fill(where, 0.0)
            for name, entry in state[k].items():
                state[k][name] = entry.masked_fill(where, 0.0)
        return {"masks": new, "values": values, "skip": True}

    expected = hand.train(bench, request, lambda step: fields["lr"], update, rewire=rewire)
    assert hand.far(trained.values, expected) <= 1e-12
    # dense gradients, pruned weights included
    for got, dense in zip(checked, dense_seen, strict=True):
        assert max(float((got[n] - dense[f"{n}.weight"]).abs().max()) for n in got) <= 1e-12
    assert trained.mask == half_mask(bench, 2)


def test_a_skipped_update_leaves_everything_but_what_is_given(make_bench, request_of, hand):
    bench = make_bench(NET, dataclasses.replace(SHORT, momentum=0.9))
    before, after = {}, {}

    def on_step(view):
        if view.step == 6:
            before.update({k: v.clone() for k, v in view.values.items()})
            before["momentum"] = view.optimizer_state["fc1.weight"]["momentum_buffer"].clone()
            given = torch.full_like(view.values["fc2.bias"], 0.25)
            return Change(values={"fc2.bias": given}, replace_update=True)
        if view.step == 7:
            after.update({k: v.clone() for k, v in view.values.items()})
            after["momentum"] = view.optimizer_state["fc1.weight"]["momentum_buffer"].clone()
        return None

    bench.fit(request_of(bench, on_step=on_step, end=8), {"strategy": "test"})
    assert torch.equal(after.pop("fc2.bias"), torch.full((3,), 0.25))
    before.pop("fc2.bias")
    assert hand.same(before, after)


def test_momentum_is_zeroed_exactly_where_asked(make_bench, request_of):
    bench = make_bench(NET, dataclasses.replace(SHORT, optimizer="adam", lr=0.01))
    where = torch.zeros(7, 36, dtype=torch.bool)
    where[2, 5] = where[6, 35] = True
    seen = {}

    def on_step(view):
        entries = {
            f"{key} {name}": entry.clone()
            for key, state in view.optimizer_state.items()
            for name, entry in state.items()
        }
        seen[view.step] = entries
        return (
            Change(reset_momentum={"fc1": where}, replace_update=True) if view.step == 5 else None
        )

    bench.fit(request_of(bench, on_step=on_step, end=7), {"strategy": "test"})
    assert all(not entry.any() for entry in seen[0].values())
    # the step is a step also where its update was skipped
    assert seen[5]["fc1.weight step"] == 5 and seen[6]["fc1.weight step"] == 6
    changed = set()
    for name, entry in seen[5].items():
        now = seen[6][name]
        if not name.endswith(" step") and not torch.equal(entry, now):
            changed.add(name)
            assert torch.equal(now, entry.masked_fill(where, 0.0))
    assert changed == {"fc1.weight exp_avg", "fc1.weight exp_avg_sq"}


@pytest.mark.parametrize("skip", [True, False])
def test_revived_weights_start_at_zero_unless_given(skip, make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    mask, everything = half_mask(bench), bench.dense_mask()
    seen = {}

    def on_step(view):
        if view.step == 4:
            given = torch.full_like(view.values["fc2.weight"], 0.5)
            return Change(everything, values={"fc2.weight": given}, replace_update=skip)
        if view.step == 5:
            seen.update({k: v.clone() for k, v in view.values.items()})
        return None

    bench.fit(request_of(bench, mask=mask, on_step=on_step, end=6), {"strategy": "test"})
    assert bool((seen["fc1.weight"][~mask.kept["fc1"]] == 0).all())
    assert bool((seen["fc2.weight"] == 0.5).all())


def test_memo_lasts_from_call_to_call_and_calls_come_every_n_steps(make_bench, request_of):
    bench = make_bench(NET, SHORT)
    steps = []

    def on_step(view):
        view.memo["calls"] = view.memo.get("calls", 0) + 1
        steps.append((view.step, view.memo["calls"], view.end))

    request = request_of(bench, on_step=on_step, every=7, start=5, end=30)
    bench.fit(request, {"strategy": "test"})
    assert steps == [(7, 1, 30), (14, 2, 30), (21, 3, 30), (28, 4, 30)]


def test_until_stops_before_the_step_it_is_asked_at(make_bench, request_of, hand):
    bench = make_bench(NET, SHORT)
    stopped = bench.fit(request_of(bench, until=lambda view: view.step >= 18, every=6))
    assert (stopped.step, stopped.stopped) == (18, True)
    assert hand.same(stopped.values, bench.fit(request_of(bench, end=18)).values)
    never = bench.fit(request_of(bench, until=lambda view: False))
    assert (never.step, never.stopped) == (40, False)


def test_dense_gradients_count_only_where_the_network_is_rewired(make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    before, after = half_mask(bench), half_mask(bench, 1)

    def on_step(view):
        return Change(after, replace_update=True) if view.step == 20 else None

    request = request_of(bench, mask=before, on_step=on_step, every=10)
    cost = bench.fit(request, {"strategy": "test"}).cost
    a, b = before.kept_per_layer(), after.kept_per_layer()

    def step(kept):
        return 2 * (2 * kept["fc1"] + 3 * kept["fc2"])

    rewiring = 2 * (a["fc1"] + 252 + 2 * a["fc2"] + 21)
    assert cost.flops_masked_theoretical == pytest.approx(
        20 * (20 * step(a) + rewiring + 19 * step(b)), rel=0.05
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("kind", [ByHand, Plain, Explicit, Vmapped, Branches])
def test_the_whole_momentum_may_be_reset(kind, optimizer, make_bench, request_of, stack):
    """Of every parameter, biases included, but not Adam's count of steps; of no other member."""
    fields = {"momentum": 0.9} if optimizer == "sgd" else {"optimizer": "adam", "lr": 0.01}
    bench = make_bench(NET, dataclasses.replace(SHORT, **fields))
    seen: dict[str, dict[int, dict[str, torch.Tensor]]] = {"reset": {}, "plain": {}}

    def watch(name):
        def on_step(view):
            seen[name][view.step] = {
                f"{key} {part}": entry.clone()
                for key, state in view.optimizer_state.items()
                for part, entry in state.items()
            }
            reset = name == "reset" and view.step == 5
            return Change(reset_momentum="all", replace_update=True) if reset else None

        return on_step

    requests = [request_of(bench, on_step=watch(name), end=7) for name in seen]
    for together in [requests] if kind not in (ByHand, Plain) else [[one] for one in requests]:
        for fit in stack(bench, together, kind=kind):
            assert fit.error is None
    for name, entry in seen["reset"][6].items():
        expected = torch.full_like(entry, 6) if name.endswith(" step") else torch.zeros_like(entry)
        assert torch.equal(entry, expected), name
    moving = [e for name, e in seen["plain"][6].items() if not name.endswith(" step")]
    assert len(moving) >= 4
    assert all(bool(entry.any()) for entry in moving)


def test_a_misspelt_reset_is_refused():
    with pytest.raises(ValueError, match="reset_momentum must be 'all', or a boolean tensor for"):
        Change(reset_momentum="everything")


@pytest.mark.parametrize("when", ["always", "never"])
def test_dense_gradients_count_as_declared(when, make_bench, half_mask, request_of):
    bench = make_bench(NET, SHORT)
    mask = half_mask(bench)

    def on_step(view):
        return Change(mask) if view.step == 20 else None

    request = request_of(bench, mask=mask, on_step=on_step, every=10, dense_gradients=when)
    kept = mask.kept_per_layer()
    dense = {"fc1": 252, "fc2": 21} if when == "always" else kept
    step = 2 * (kept["fc1"] + dense["fc1"] + 2 * kept["fc2"] + dense["fc2"])
    cost = bench.fit(request, {"strategy": when}).cost
    assert cost.flops_masked_theoretical == pytest.approx(40 * 20 * step)


def test_what_on_step_remembers_is_kept_with_the_training(make_bench, request_of):
    def on_step(view):
        view.memo["calls"] = view.memo.get("calls", 0) + 1
        view.memo["seen"] = torch.tensor([view.step])

    for _ in range(2):  # trained, then found
        bench = make_bench(NET, SHORT)
        trained = bench.fit(request_of(bench, on_step=on_step, every=10), {"strategy": "test"})
        assert trained.memo["calls"] == 4 and trained.memo["seen"].tolist() == [30]
    assert bench.fit(request_of(bench, end=3)).memo == {}


def test_a_callback_sees_the_layers_in_the_network_s_order(make_bench, half_mask, request_of):
    """Whatever order its own masks have; and after a resume, since the files of checkpoints have
    theirs: a method that draws numbers layer by layer draws the same.
    """
    bench = make_bench(NET, SHORT)
    orders = []

    def on_step(view):
        orders.append((list(view.mask.kept), list(view.weights)))
        kept = half_mask(bench, view.step).kept
        return Change(Mask({name: kept[name] for name in ("fc2", "fc1")}))

    bench.fit(request_of(bench, on_step=on_step, every=10), {"strategy": "test"})
    assert orders == [(["fc1", "fc2"], ["fc1", "fc2"])] * 4


def test_a_training_beside_a_search_has_none_of_its_memory(make_bench, request_of, stack):
    bench = make_bench(NET, SHORT)

    def until(view):
        view.memo["looked"] = True
        return view.step >= 18

    fits = stack(bench, [request_of(bench, until=until), request_of(bench)], cohort_size=2)
    assert fits[0].outcome.memo is not None and fits[1].outcome.memo is None
    together = [PendingFit(request_of(bench, until=until)), PendingFit(request_of(bench))]
    Cohort(bench.layout(SHORT, 1, Plain), [together]).run()  # two fits of one training
    assert together[0].outcome.memo is not None and together[1].outcome.memo is None


def test_a_mask_cannot_begin_to_freeze_weights_in_mid_training(make_bench, half_mask, request_of):
    """The network would go on computing with zeros."""
    bench = make_bench(NET, SHORT)
    mask = half_mask(bench)
    frozen = mask.freezing(bench.initial(3).weights)

    def on_step(_):
        return Change(frozen)

    with pytest.raises(ValueError, match="give `fit` a mask that does so from the start"):
        bench.fit(request_of(bench, mask=mask, on_step=on_step), {"strategy": "test"})
    kept = bench.fit(request_of(bench, mask=frozen, on_step=on_step), {"strategy": "test"})
    assert kept.mask == frozen
