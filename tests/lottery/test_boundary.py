"""Decision boundaries of tickets: what is recorded, and compared with what."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lth_bench import Mask, hookimpl
from lth_bench.data.info import DatasetInfo
from lth_bench.data.points import Points
from lth_bench.errors import UserError
from lth_bench.geometry import hausdorff, size_normalised
from lth_bench.lottery.boundary import layers_of, planar, require_planar
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.dense import Dense
from lth_strategies.imp import IMP
from lth_strategies.snip import SNIP

RECIPE = Recipe(optimizer="adam", lr=0.02, steps=30, batch_size=20, val_size=20, eval_every=15)
INFO = DatasetInfo((2,), 2, 100, 100, inputs="features")
XOR = Points("xor", train=100, test=40)


@pytest.fixture
def bench(make_bench):
    return make_bench(MLP(hidden=(12,)), RECIPE, arrays=XOR.load(None))


@pytest.fixture
def drawn(run_rounds, bench):
    """`drawn(strategy, densities, …)`: what comes of an experiment that records boundaries."""

    def run(strategy, densities, controls=(), **rest):
        return run_rounds(
            bench, strategy, densities, controls, arrays=XOR.load(None), decision_boundary=True,
            **rest,
        )  # fmt: skip

    return run


def outline(record, name):
    (one,) = [o for o in record["outlines"] if o["name"] == name]
    return np.array([one["x"], one["y"]], dtype=float).T


def apart(one, other):
    return hausdorff(size_normalised(one), size_normalised(other))


def test_tickets_and_controls_are_compared_with_the_dense_run(drawn) -> None:
    (dense,) = drawn(Dense(), [1.0]).reported()
    story = drawn(IMP(), [0.6, 0.2], ["reinit"])
    tickets = [*story.reported(), *story.reported("reinit")]
    assert [r["target_density"] for r in tickets] == [0.6, 0.2, 0.6, 0.2]
    for record in tickets:
        found = apart(outline(record, "hull"), outline(dense, "hull"))
        assert record["metrics"]["hull_distance"] == pytest.approx(found, abs=1e-4)
        names = [o["name"] for o in record["outlines"]]
        assert names == ["boundary", "zonotope_0", "zonotope_1", "hull"]
    assert len({r["metrics"]["hull_distance"] for r in tickets}) == 4


def test_the_dense_run_is_compared_with_one_from_other_initial_values(drawn, bench) -> None:
    story = drawn(Dense(), [1.0])
    (dense,) = story.reported()
    found = apart(outline(dense, "hull"), outline(dense, "other_hull"))
    assert found > 0.01
    assert dense["metrics"]["hull_distance"] == pytest.approx(found, abs=1e-4)
    own, other = (request.values for request in story.requests)
    key = bench.layers[0].key
    assert torch.equal(own[key], bench.initial(0).values[key])
    assert torch.equal(other[key], bench.initial(0, purpose="reinit").values[key])
    assert len({request.seed for request in story.requests}) == 1  # the same order
    assert dense["metrics"]["test_accuracy"] > 0
    for k in (0, 1):
        assert 20 < len(outline(dense, f"class_{k}")) <= 80


def test_at_equal_cost_networks_are_compared_with_the_tasks_own_dense_run(drawn, bench) -> None:
    (dense,) = drawn(Dense(), [1.0]).reported()
    budget = {"name": "equal_cost", "steps": 45}
    for strategy, density in ((Dense(), 1.0), (SNIP(batch_size=20), 0.5)):
        story = drawn(strategy, [density], ablation=budget)
        (record,) = story.reported()
        assert [request.end for request in story.requests] == [45]  # nothing is trained for this
        found = apart(outline(record, "hull"), outline(dense, "hull"))
        assert record["metrics"]["hull_distance"] == pytest.approx(found, abs=1e-4)
        assert {o["name"] for o in record["outlines"]} == {
            "boundary", "zonotope_0", "zonotope_1", "hull",
        }  # fmt: skip


def test_it_costs_no_method_anything(run_rounds, drawn, bench) -> None:
    plain = run_rounds(bench, SNIP(batch_size=20), [0.5], arrays=XOR.load(None))
    asked = drawn(SNIP(batch_size=20), [0.5])
    (before,), (after,) = plain.reported(), asked.reported()
    assert "outlines" not in before and "hull_distance" not in before["metrics"]
    for key in ("steps", "search_steps", "flops_dense", "search_flops_dense"):
        assert before["cost"][key] == after["cost"][key]
    assert [t["key"] for t in before["trainings"]] == [t["key"] for t in after["trainings"]]
    assert {**after["metrics"], "hull_distance": 0} == {**before["metrics"], "hull_distance": 0}


class NoOutput:
    """Keeps weights of the hidden layer alone."""

    @hookimpl
    def select_mask(self, ticket):
        kept = {k: v & k.startswith("fc1") for k, v in ticket.mask.kept.items()}
        first = next(iter(kept.values())).view(-1)
        first[ticket.target_count :] = False
        return Mask(kept, layers=ticket.layers)


def test_a_hull_that_is_a_point_has_no_distance_and_the_row_says_why(drawn) -> None:
    (record,) = drawn(NoOutput(), [0.5]).reported()
    assert record["status"] == "ok"
    assert "hull_distance" not in record["metrics"]
    assert record["reason"] == "hull_distance: the hull is a point, whose size cannot be normalised"
    assert len(outline(record, "hull")) == 1


def test_a_network_in_numpy_answers_like_the_module() -> None:
    module = MLP(hidden=(30,), dropout=0.5).build((2,), 2).double().eval()
    layers = layers_of(module)
    assert layers == ("fc1", "fc2")
    x = torch.randn(50, 2, dtype=torch.float64)
    found = planar(layers, module.state_dict()).outputs(x.numpy())
    assert found == pytest.approx(module(x).detach().numpy())
    assert layers_of(module) == ("fc1", "fc2") and len(module) == 5  # it is left as it was
    plain = nn.Sequential(nn.Linear(2, 4, bias=False), nn.ReLU(), nn.Linear(4, 2, bias=False))
    assert not planar(layers_of(plain), plain.state_dict()).has_biases


@pytest.mark.parametrize(
    ("module", "info", "why"),
    [
        (MLP(hidden=(9, 9)).build((2,), 2), INFO, "its network is another one"),
        (MLP(hidden=()).build((2,), 2), INFO, "its network is another one"),
        (
            nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 2)), INFO,
            "its network is another one",
        ),
        (
            MLP(hidden=(9,)).build((3,), 2), DatasetInfo((3,), 2, 9, 9, inputs="features"),
            r"its dataset has features \[3\], one of 2 classes",
        ),
        (
            MLP(hidden=(9,)).build((2,), 3), DatasetInfo((2,), 3, 9, 9, inputs="features"),
            "its dataset asks for one of 3 classes",
        ),
        (
            MLP(hidden=(9,)).build((2,), 2),
            DatasetInfo((2,), 2, 9, 9, inputs="features", targets="values"),
            "its dataset asks for 2 real values",
        ),
    ],
    ids=["two hidden", "no hidden", "no ReLU", "three inputs", "three classes", "values"],
)  # fmt: skip
def test_other_networks_and_data_are_refused(module, info, why) -> None:
    with pytest.raises(UserError, match=rf"decision_boundary of T needs .*, but {why}; leave it"):
        require_planar("T", module, info)
