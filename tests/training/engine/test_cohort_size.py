"""How wide cohorts are: measured, kept, given, narrowed."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.engine import cohort_size as cohort_sizes
from lth_bench.training.engine.cohort_size import (
    CohortSizes,
    Measured,
    Stacking,
    choose,
    measure,
    slots_agree,
    trial,
)
from lth_bench.training.engine.layouts.stacked import Explicit
from lth_bench.training.recipe import Recipe

RECIPE = Recipe(lr=0.2, steps=20, batch_size=20, val_size=60)


@pytest.fixture
def task(make_bench):
    """A network, its data and recipe, as `CohortSizes.of` takes them."""

    def make(net=MLP(hidden=(7,)), recipe=RECIPE):  # noqa: B008
        bench = make_bench(net, recipe)
        return bench.network, bench.data, recipe

    return make


@pytest.fixture
def rates(monkeypatch):
    """`rates({1: 100.0, 8: 300.0})`: the speeds found, and the cohort sizes tried."""
    tried = []

    def set_to(found):
        def rate(network, data, recipe, cohort_size, stacks=None, seconds=0.0):
            tried.append(cohort_size)
            if isinstance(found[cohort_size], type):
                raise found[cohort_size]
            return found[cohort_size]

        monkeypatch.setattr(cohort_sizes, "rate", rate)
        return tried

    return set_to


@pytest.mark.parametrize(
    ("found", "cohort_size"),
    [
        ({1: 100.0}, 1),
        ({1: 100.0, 8: 149.0, 16: 140.0}, 1),  # empty slots would eat the gain
        ({1: 100.0, 8: 150.0, 16: 150.0}, 8),
        ({1: 100.0, 8: 200.0, 16: 222.0}, 8),  # .901 of the best
        ({1: 100.0, 8: 199.0, 16: 222.0}, 16),
        ({1: 100.0, 8: 60.0, 16: 160.0}, 16),
        ({1: 1.0, 2: 2.0, 4: 3.9, 8: 7.0, 16: 12.0, 32: 12.4, 64: 13.0}, 16),
    ],
)
def test_the_narrowest_that_is_about_the_fastest(found, cohort_size):
    assert choose({"explicit": found}).size == cohort_size


def test_a_gpu_takes_smaller_gains():
    assert choose({"explicit": {1: 100.0, 2: 115.0}}, "cuda") == Stacking(2, "explicit")
    assert choose({"explicit": {1: 100.0, 2: 114.0}}, "cuda") == Stacking(1)


def test_the_fastest_way_to_stack_is_taken_at_its_own_size():
    grouped, branches = {1: 100.0, 2: 150.0, 4: 160.0}, {1: 100.0, 2: 140.0, 4: 300.0}
    assert choose({"explicit": grouped, "branches": branches}, "cuda") == Stacking(4, "branches")
    assert choose({"branches": {1: 100.0}, "explicit": grouped}, "cuda") == Stacking(2, "explicit")
    assert choose({"explicit": grouped, "branches": grouped}, "cuda") == Stacking(2, "explicit")
    assert choose({"alone": {1: 100.0}}, "cuda") == Stacking(1)


def test_cohort_sizes_are_tried_where_stacking_can_pay(task, rates):
    tried = rates({1: 1000.0, 8: 3000.0, 16: 3100.0})
    by = {1: 1000.0, 8: 3000.0, 16: 3100.0}
    assert measure(*task()) == Measured(Stacking(8, "explicit"), {"explicit": by})
    assert tried == [1, 8, 16]
    tried.clear()
    # a step of 25 ms is arithmetic
    rates({1: 40.0})
    assert measure(*task()).choice.size == 1
    rates({1: 1000.0})
    alone = Measured(Stacking(1), {"alone": {1: 1000.0}})
    assert measure(*task(MLP(hidden=(7,), dropout=0.5))) == alone
    assert tried == [1, 1]


def test_a_cohort_size_that_is_no_use_is_left_out(task, rates):
    rates({1: 1000.0, 8: None, 16: 2000.0})  # slots that disagree
    assert measure(*task()).choice.size == 16
    rates({1: 1000.0, 8: 2000.0, 16: torch.OutOfMemoryError})
    assert measure(*task()).rates == {"explicit": {1: 1000.0, 8: 2000.0}}


def test_speeds_are_measured(task):
    found = measure(*task())
    (by,) = found.rates.values()
    assert set(by) == {1, 8, 16} and min(by.values()) > 0
    assert found.choice == choose(found.rates)


# ---- kept -----------------------------------------------------------------------------------


def test_a_cohort_size_is_measured_once_and_kept(task, rates, tmp_path):
    path = tmp_path / "deep" / "widths.json"
    tried = rates({1: 1000.0, 8: 3000.0, 16: 3100.0})
    first = CohortSizes(path)
    assert [first.of("a", *task()).size for _ in range(2)] == [8, 8]
    assert CohortSizes(path).of("a", *task()).size == 8
    assert tried == [1, 8, 16]
    assert CohortSizes(path).of("b", *task()).size == 8
    assert tried == [1, 8, 16] * 2
    assert set(json.loads(path.read_text())) == {"a", "b"}
    assert {p.name for p in path.parent.iterdir()} == {"widths.json", "widths.lock"}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[1]",
        "null",
        '{"a": 3}',
        '{"a": {}}',
        '{"a": {"width": 0}}',
        '{"a": {"width": 65}}',
        '{"a": {"width": "8"}}',
        '{"a": {"width": true}}',
        '{"a": {"width": 8.0}}',
        '{"a": {"model_steps_per_second": {"8": 3000}}}',
        '{"a": {"model_steps_per_second": {"1": 1000, "8": 9000}}}',  # of an earlier version
        '{"a": {"model_steps_per_second": {"explicit": {"1": 1000, "128": 9000}}}}',
        '{"a": {"model_steps_per_second": {"explicit": {"1": "x"}}}}',
        '{"a": {"model_steps_per_second": {"explicit": {"1": 1000, "0": 9000}}}}',
        '{"a": {"model_steps_per_second": {"explicit": {"8": 9000}}}}',
        '{"a": {"model_steps_per_second": {"folded": {"1": 1000, "8": 9000}}}}',
        '{"a": {"width": 2, "layout": "folded", "out_of_memory": true}}',
        '{"a": {"model_steps_per_second": 3}}',
        '{"a": {"model_steps_per_second": {"explicit": {"1": 1' + "0" * 400 + "}}}}",
        '{"a": ' + "[" * 100_000,
        "\xff\0",
    ],
)
def test_a_file_that_says_nothing_sensible_is_measured_anew(content, task, rates, tmp_path):
    path = tmp_path / "widths.json"
    path.write_text(content)
    rates({1: 1000.0, 8: 3000.0, 16: 3900.0})
    assert CohortSizes(path).of("a", *task()).size == 16
    assert json.loads(path.read_text())["a"]["width"] == 16


def test_what_an_earlier_version_measured_is_judged_by_today_s_rule(task, rates, tmp_path):
    path = tmp_path / "widths.json"
    tried = rates({})
    gains = {"1": 1000.0, "8": 1340.0, "16": 1200.0}
    kept = {"explicit": gains}
    path.write_text(json.dumps({"a": {"width": 8, "model_steps_per_second": kept}}))
    assert CohortSizes(path).of("a", *task()).size == 1  # on a CPU that is not enough
    gains["8"] = 1600.0
    path.write_text(json.dumps({"a": {"width": 1, "model_steps_per_second": kept}}))
    assert CohortSizes(path).of("a", *task()).size == 8
    narrowed = {"width": 2, "model_steps_per_second": kept, "out_of_memory": True}
    path.write_text(json.dumps({"a": narrowed}))
    assert CohortSizes(path).of("a", *task()).size == 2
    assert tried == []


def test_a_home_that_cannot_be_written_to(task, rates, tmp_path):
    (tmp_path / "file").write_text("")
    tried = rates({1: 1000.0, 8: 3000.0, 16: 3100.0})
    found = CohortSizes(tmp_path / "file" / "widths.json")
    assert found.of("a", *task()) == found.of("a", *task()) == Stacking(8, "explicit")
    assert tried == [1, 8, 16]
    found.limit("a", 4)
    assert found.of("a", *task()).size == 4


def test_narrowed_for_good(task, rates, tmp_path):
    path = tmp_path / "widths.json"
    rates({1: 1000.0, 8: 3000.0, 16: 3100.0})
    found = CohortSizes(path)
    found.of("a", *task())
    found.limit("a", 4)
    assert found.of("a", *task()) == CohortSizes(path).of("a", *task()) == Stacking(4, "explicit")
    entry = json.loads(path.read_text())["a"]
    assert entry["out_of_memory"] is True
    assert entry["model_steps_per_second"]["explicit"]["8"] == 3000.0


# ---- given ----------------------------------------------------------------------------------


def test_a_given_size_is_taken_and_no_other_is_tried(task, rates, tmp_path):
    tried = rates({3: 1.0, 4: 1.0})  # seen to run, and to treat its slots alike
    path = tmp_path / "widths.json"
    for cohort_size in (1, 3, 4):
        found = CohortSizes(path, given=cohort_size)
        assert found.of("a", *task()).size == cohort_size
        assert found.of("b", *task(MLP(hidden=(7,), dropout=0.5))) == Stacking(1)
    found.limit("a", 2)
    assert found.of("a", *task()).size == 2
    assert tried == [3, 4] and not path.exists()


def test_a_network_whose_slots_disagree_is_not_stacked(task, monkeypatch):
    backward = Explicit.backward

    def by_place(self, x, y):
        backward(self, x, y)
        last = list(self.parameters.values())[-1]
        last.grad[-1] *= 1 + 2**-20

    network, data, recipe = task(ConvBN())
    assert CohortSizes(None, given=4).of("a", network, data, recipe).size == 4
    monkeypatch.setattr(Explicit, "backward", by_place)
    assert CohortSizes(None, given=4).of("a", network, data, recipe).size == 1
    assert measure(network, data, recipe).rates == {"explicit": {1: pytest.approx(0, abs=1e9)}}


def test_slots_agree_also_where_all_are_lost(task):
    network, data, recipe = task(recipe=dataclasses.replace(RECIPE, lr=1e30))
    cohort = trial(network, data, recipe, 2)
    for _ in range(4):
        cohort.update(cohort.members)
    assert not bool(torch.isfinite(cohort.layout.losses).any())
    assert slots_agree(cohort.layout)
    next(iter(cohort.layout.parameters.values())).data[1, 0, 0] = 0.5
    assert not slots_agree(cohort.layout)


def test_a_given_cohort_size_that_memory_does_not_hold_is_left_to_the_training(task, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(cohort_sizes, "trial", full)
    assert CohortSizes(None, given=4).of("a", *task()).size == 4
