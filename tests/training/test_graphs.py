"""The peak of a device's memory goes with what was trained."""

from __future__ import annotations

import torch

from lth_bench.models.mlp import MLP
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.graphs import PeakMemory
from lth_bench.training.recipe import Recipe

SHORT = Recipe(lr=0.05, steps=4, batch_size=20, val_size=60, eval_every=4)


class Layout:
    """Any object that can be referred to weakly."""


def test_no_cohort_of_a_layout_has_less_than_the_one_that_captured_it(monkeypatch):
    held = {"now": 700, "began": 0}
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: held.update(began=1))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: held["now"])
    memory, one, other = PeakMemory(torch.device("cuda:1")), Layout(), Layout()
    memory.begin()
    assert held["began"] == 1
    assert memory.of(one) == 700
    held["now"] = 300
    assert (memory.of(one), memory.of(other)) == (700, 300)
    held["now"] = 900
    assert memory.of(one) == 900


def test_a_cpu_has_none():
    memory = PeakMemory(torch.device("cpu"))
    memory.begin()
    assert memory.of(Layout()) is None


def test_where_and_in_how_much_memory_it_was_trained_is_kept(
    make_bench, request_of, tmp_path, monkeypatch
):
    """On disk too: who finds a training elsewhere says where it was really done."""
    bench = make_bench(MLP(hidden=(7,)), SHORT, root=tmp_path)
    monkeypatch.setattr(PeakMemory, "of", lambda self, layout: 12345)
    trained = bench.fit(request_of(bench))
    assert (trained.device, trained.device_name, trained.peak_memory) == ("cpu", "cpu", 12345)
    facts = tmp_path / trained.key / "training.json"
    facts.write_text(facts.read_text().replace('"device": "cpu"', '"device": "cuda:1"'))
    other: Workbench = make_bench(MLP(hidden=(7,)), SHORT, root=tmp_path)
    found = other.fit(request_of(other))
    assert (found.device, found.device_name, found.peak_memory) == ("cuda:1", "cpu", 12345)
    # one that an older version kept says none of it
    text = facts.read_text().replace('"device"', '"x"').replace('"device_name"', '"y"')
    facts.write_text(text.replace('"peak_memory"', '"z"'))
    old = TrainingCache(tmp_path).get(trained.key, bench.layers, bench.shapes, frozenset())
    assert old is not None
    assert (old.device, old.device_name, old.peak_memory) == ("", "", None)
