"""Which test examples a ticket gets right: in the test split's order, whatever batches come in."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import torch

from lth_bench import PerKind, hookimpl
from lth_bench.lottery.record import packed
from lth_bench.models.mlp import MLP
from lth_bench.training.engine import network
from lth_bench.training.recipe import Recipe
from lth_strategies.imp import IMP

NET = MLP(hidden=(12,))
RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=5)
HALVE = IMP(prune_rate=PerKind(conv=0.5, linear=0.5, output=0.5))


def answers(text: str, n: int) -> list[int]:
    bits = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    assert len(bits) == -(-n // 8)
    return np.unpackbits(bits, count=n).tolist()


def test_the_first_is_the_highest_bit_and_the_rest_is_zero() -> None:
    assert base64.b64decode(packed(torch.tensor([True, False, True]))) == b"\xa0"
    assert base64.b64decode(packed(torch.tensor([False] * 8 + [True]))) == b"\x00\x80"


def test_they_are_those_of_the_network_that_was_scored(make_bench, run_rounds, blobs) -> None:
    """Predicted again here, one example at a time in the order of the test split."""
    values = {}

    class Keep:
        @hookimpl
        def on_round(self, ticket, trained):
            if ticket.control == "none":
                values[ticket.target] = {k: v.clone() for k, v in trained.values.items()}

    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, HALVE, (1.0, 0.5), controls=("reinit",), observers={"keep": Keep()})
    for record in story.reported():
        n = len(blobs.test_y)
        found = answers(record["right"]["test_accuracy"], n)
        assert np.mean(found) == pytest.approx(record["metrics"]["test_accuracy"])
        early = answers(record["right"]["early_stop_accuracy"], n)
        assert np.mean(early) == pytest.approx(record["metrics"]["early_stop_accuracy"])
    assert story.reported("reinit")[0]["right"]
    module = bench.network.twin(values[0.5]).eval()
    last = story.reported()[-1]
    with torch.no_grad():
        one_by_one = [
            int(module(bench.network.as_input(bench.data.normalise(x[None]))).argmax(1) == y)
            for x, y in zip(blobs.test_x, blobs.test_y, strict=True)
        ]
    assert answers(last["right"]["test_accuracy"], len(one_by_one)) == one_by_one


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batches_of_an_evaluation_do_not_change_them(
    size: int, make_bench, run_rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> list[dict[str, str]]:
        return [r["right"] for r in run_rounds(make_bench(NET, RECIPE), HALVE, (0.5,)).reported()]

    wanted = found()
    monkeypatch.setattr(network, "EVAL_BATCH", size)
    assert found() == wanted


def test_intermediate_rounds_and_tuning_have_none(make_bench, run_rounds) -> None:
    story = run_rounds(make_bench(NET, RECIPE), HALVE, (0.3,))
    assert [r for r in story.records if not r["reported"]]
    assert all("right" not in r for r in story.records if not r["reported"])
