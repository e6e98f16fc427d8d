"""Batches without the background: those that the engine has otherwise."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lth_bench.data.arrays import DatasetInfo
from lth_bench.models.mlp import MLP
from lth_bench.training.engine.sparse_input import batches as module
from lth_bench.training.engine.sparse_input.batches import SparseBatchSource
from lth_bench.training.input.placement import Memory, choose, make_data
from lth_bench.training.recipe import Recipe

RECIPE = Recipe(steps=30, batch_size=30, val_size=60)
DOUBLE = torch.float64


@pytest.fixture
def data(make_bench, dark):
    return make_bench(MLP(hidden=(3,)), RECIPE, dark).data


def images(batch, data):
    """[N, 1, H, W] again."""
    pixels = torch.eye(36, dtype=DOUBLE)
    x = batch.by_image.times(pixels)[:-1] + data.background.shades[data.background.value]
    return x.view(-1, 1, 6, 6)


@pytest.mark.parametrize("room", [0, 30_000, 2**30])
@pytest.mark.parametrize("ahead", [1, 4, 16])
def test_a_member_s_batches_are_its_own(room, ahead, data, monkeypatch):
    monkeypatch.setattr(module, "AHEAD", ahead)
    batch_source = SparseBatchSource(data, RECIPE, DOUBLE)
    data.kept.room = room
    # an epoch has 6 steps
    for seed, start in ((0, 0), (0, 0), (5, 4), (0, 3), (1, 17), (5, 0)):
        batch_source.begin([seed], [start])
        for done in (*range(9), 2, 0):
            batch_source.load(done)
            x, y = batch_source.batch()
            expected_x, expected_y = data.batch(start + done, seed, RECIPE)
            assert float((images(x, data) - expected_x).abs().max()) <= 1e-12
            assert torch.equal(y, expected_y)
        assert data.kept.bytes <= room


def prepared(batch_source, monkeypatch):
    """The steps of which batches were prepared since."""
    found, prepare = [], batch_source._prepare

    def noted(step):
        found.append(step)
        return prepare(step)

    monkeypatch.setattr(batch_source, "_prepare", noted)
    return found


def play(batch_source, seed, steps):
    batch_source.begin([seed], [0])
    for done in range(steps):
        batch_source.load(done)


def test_a_seed_s_next_training_finds_them(data, monkeypatch):
    batch_source = SparseBatchSource(data, RECIPE, DOUBLE)
    steps = prepared(batch_source, monkeypatch)
    for seed in (3, 4, 3, 4):  # two experiments in turn
        play(batch_source, seed, 12)
    assert steps == [0, 6, 0, 6]


def test_the_seed_used_last_keeps_its_room(data, monkeypatch):
    batch_source = SparseBatchSource(data, RECIPE, DOUBLE)
    play(batch_source, 3, 6)
    one = data.kept.bytes
    data.kept.room = int(2.5 * one)
    steps = prepared(batch_source, monkeypatch)
    play(batch_source, 4, 6)
    play(batch_source, 3, 6)
    assert steps == [0]
    play(batch_source, 5, 6)  # in the place of 4
    play(batch_source, 3, 6)
    assert steps == [0, 0]
    play(batch_source, 4, 6)
    assert steps == [0, 0, 0]
    # what does not fit beside its own is not kept
    data.kept.room = one
    play(batch_source, 6, 18)
    play(batch_source, 6, 18)
    assert steps == [0, 0, 0, 0, 6, 12, 6, 12]


def test_feeds_share_what_is_kept_for_batches_of_their_size_and_type(data, monkeypatch):
    play(SparseBatchSource(data, RECIPE, DOUBLE), 3, 6)
    for recipe, dtype, expected in (
        (dataclasses.replace(RECIPE, lr=0.5), DOUBLE, []),
        (RECIPE, torch.float32, [0]),
        (dataclasses.replace(RECIPE, batch_size=40), DOUBLE, [0]),
    ):
        batch_source = SparseBatchSource(data, recipe, dtype)
        steps = prepared(batch_source, monkeypatch)
        play(batch_source, 3, 5)
        assert steps == expected


def test_a_process_keeps_its_part_of_the_memory(dark):
    for gigabytes, processes, expected in (
        (8, 8, 62_500_000),
        (8, 1, 500_000_000),
        (999, 1, 2**30),
    ):
        memory = Memory(gigabytes * 10**9, gigabytes * 10**9, processes, 0)
        info = DatasetInfo((1, 6, 6), 3, 260, 90)
        placement = choose("dark", object(), info, memory, {})
        data, _ = make_data(dark, placement, 60, torch.device("cpu"))
        assert data.kept.room == expected
