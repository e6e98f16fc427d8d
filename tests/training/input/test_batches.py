"""The batches of a cohort are those of each member alone."""

from __future__ import annotations

import pytest
import torch

from lth_bench.models.mlp import MLP
from lth_bench.training.engine.stacking.layers import by_member
from lth_bench.training.input.batches import make_batch_source
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.input.streaming import HostArrays, StreamedData
from lth_bench.training.input.task_data import Share
from lth_bench.training.recipe import Recipe, ResizedCrop

RECIPES = {
    "plain": Recipe(steps=30, batch_size=30, val_size=60),
    "augmented": Recipe(steps=30, batch_size=30, val_size=60, crop=2, flip=True),
    "resized": Recipe(steps=30, batch_size=30, val_size=60, resized_crop=ResizedCrop(), flip=True),
    "crop": Recipe(steps=30, batch_size=30, val_size=60, crop=1),
}


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("case", sorted(RECIPES))
def test_each_member_s_batches_are_its_own(case, across, stays, make_bench, monkeypatch):
    monkeypatch.setattr("lth_bench.training.input.batches.captures", lambda device: stays)
    recipe = RECIPES[case]
    data = make_bench(MLP(hidden=(3,)), recipe).data
    batch_source = make_batch_source(data, recipe, 3, across)
    place = batch_source._table.data_ptr(), batch_source._place.data_ptr()
    # 200 examples: an epoch has 6 steps; members cross its end together, or each by itself
    for seeds, starts in (([0, 1, 0], [0, 0, 0]), ([5, 5, 1], [4, 0, 17]), ([1, 2, 3], [6, 6, 6])):
        batch_source.begin(seeds, starts)
        for done in (*range(9), 2, 0):
            batch_source.load(done)
            x, y = batch_source.batch()
            xs, ys = by_member(x, 3, across), by_member(y, 3, across)
            for slot, (seed, start) in enumerate(zip(seeds, starts, strict=True)):
                expected_x, expected_y = data.batch(start + done, seed, recipe)
                assert torch.equal(xs[slot], expected_x)
                assert torch.equal(ys[slot], expected_y)
            assert place == (batch_source._table.data_ptr(), batch_source._place.data_ptr())


def test_several_batches_are_got_ready_at_once_within_an_epoch(make_bench, monkeypatch):
    recipe = RECIPES["augmented"]
    data = make_bench(MLP(hidden=(3,)), recipe).data
    assert make_batch_source(data, recipe, 2, False).at_once == 1  # a CPU gains nothing by it
    monkeypatch.setattr("lth_bench.training.input.batches.captures", lambda device: True)
    batch_source = make_batch_source(data, recipe, 2, False)
    assert batch_source.at_once == 6
    batch_source.begin([3, 4], [0, 2])
    done = 0
    for expected in (4, 2, 4, 2):  # until one of the two comes to the end of its epoch
        steps = batch_source.ahead(done)
        assert steps == expected
        batch_source.load(done, steps)
        for step in range(done, done + steps):
            x, y = batch_source.batch()
            for slot, (seed, start) in enumerate([(3, 0), (4, 2)]):
                expected_x, expected_y = data.batch(start + step, seed, recipe)
                assert torch.equal(by_member(x, 2, False)[slot], expected_x)
                assert torch.equal(by_member(y, 2, False)[slot], expected_y)
        done += steps


@pytest.mark.parametrize("case", ["augmented", "resized"])
@pytest.mark.parametrize("how", ["resident", "captured", "streamed"])
def test_shares_make_up_the_batch(how, case, blobs, monkeypatch):
    monkeypatch.setattr("lth_bench.training.input.batches.captures", lambda _: how == "captured")
    recipe, cpu = RECIPES[case], torch.device("cpu")
    data = ResidentData(blobs, 60, cpu)
    parts = [data] * 3
    if how == "streamed":
        parts = [StreamedData(source=HostArrays(blobs), val_size=60, device=cpu) for _ in range(3)]
    sources = [
        make_batch_source(part, recipe, 1, False, share=Share(rank, 3))
        for rank, part in enumerate(parts)
    ]
    for source in sources:
        source.begin([7], [4])
    for done in (0, 1, 2, 3, 9, 5):  # over the end of an epoch, ahead and back
        found = []
        for source in sources:
            source.load(done)
            found.append(source.batch())
        assert [len(x) for x, _ in found] == [len(y) for _, y in found] == [10, 10, 10]
        x, y = data.batch(4 + done, 7, recipe)
        assert torch.equal(torch.cat([x for x, _ in found]), x)
        assert torch.equal(torch.cat([y for _, y in found]), y)
