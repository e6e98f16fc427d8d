"""Transfer: a ticket that is found on one task and trained on another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch

from lth_bench import Mask, RewindPoint
from lth_bench.data.arrays import Arrays
from lth_bench.lottery import Experiment, run_transfer
from lth_bench.lottery.defaults import Defaults
from lth_bench.lottery.experiment import SourceTask
from lth_bench.lottery.transfer import Transfer, misfit
from lth_bench.masks import count_at
from lth_bench.models.mlp import MLP
from lth_bench.plugins.dispatch import Hooks
from lth_bench.training.input.resident import ResidentSplit
from lth_bench.training.recipe import Recipe
from lth_strategies.early_bird import EarlyBird
from lth_strategies.imp import IMP
from lth_strategies.late_rewind import LateRewind
from lth_strategies.one_shot import OneShot
from lth_strategies.rigl import RigL

RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)
LONGER = replace(RECIPE, steps=40)
NET = MLP(hidden=(12, 8))


def kept(*rows):
    return torch.tensor(rows, dtype=torch.bool)


@pytest.fixture
def more_classes(blobs):
    """The same images with five classes instead of three."""
    train, test = (y + 2 * (torch.arange(len(y)) % 2) for y in (blobs.train_y, blobs.test_y))
    return Arrays(blobs.train_x, train, blobs.test_x, test, classes=5)


@dataclass
class Transferred:
    records: list
    requests: list

    def reported(self, control="none"):
        return [r for r in self.records if r["control"] == control]


@pytest.fixture
def transfer(blobs, monkeypatch):
    """`transfer(source, target, strategy, densities, controls)`: run one experiment."""
    from lth_bench.training.engine.cohort import Cohort

    def run(source, target, strategy, densities, controls=(), *, arrays=blobs, classifier="auto"):
        requests = []
        original = Cohort.run

        def watched(self):
            requests.extend((self.layout.data, member.fits[0].request) for member in self.members)
            original(self)

        monkeypatch.setattr(Cohort, "run", watched)
        common = {"model": {}, "model_label": "m", "dataset": {}, "recipe": {}}
        experiment = Experiment(
            experiment_id="e", config_id="c", suite="s", label="mine", strategy="mine", params={},
            dataset_label="target", recipe_name="r", seed=0, densities=densities,
            controls=controls, iterative=bool(getattr(strategy, "iterative", False)),
            source_hash="h", plugin_version="1",
            source_task=SourceTask(
                **common, dataset_label="source", recipe_name="r", classifier=classifier
            ),
            **common,
        )  # fmt: skip
        records = []
        test = ResidentSplit(arrays.test_x, arrays.test_y)
        hooks = Hooks(label="mine", strategy=strategy, defaults=Defaults(test), observers={})
        run_transfer(
            experiment, strategy, source=source, target=target, hooks=hooks, emit=records.append
        )
        monkeypatch.setattr(Cohort, "run", original)
        return Transferred(records, requests)

    return run


def test_what_differs_is_named_but_for_the_classifier(make_bench, more_classes) -> None:
    one, other = make_bench(NET, RECIPE), make_bench(NET, RECIPE, arrays=more_classes)
    assert misfit(one.shapes, other.shapes, other.layers) is None
    wider = make_bench(MLP(hidden=(13, 8)), RECIPE)
    assert misfit(one.shapes, wider.shapes, wider.layers) == (
        "fc1.weight is [12, 36] where it is found and [13, 36] here"
    )
    deeper = make_bench(MLP(hidden=(12, 8, 8)), RECIPE)
    assert misfit(deeper.shapes, one.shapes, one.layers) == (
        "fc4.weight is [3, 8] where it is found and missing here"
    )
    assert misfit(one.shapes, deeper.shapes, deeper.layers) == (
        "fc3.weight is [3, 8] where it is found and [8, 8] here"
    )
    narrow = {**one.shapes, "fc3.weight": (3, 9)}
    assert misfit(narrow, one.shapes, one.layers) == (
        "fc3.weight is [3, 9] where it is found and [3, 8] here"
    )


def test_a_new_classifier_has_what_the_density_lacks(make_bench, more_classes) -> None:
    source, target = make_bench(NET, RECIPE), make_bench(NET, LONGER, arrays=more_classes)
    found = Mask.top_k(abs(source.initial(0).weights), count_at(0.25, 552))
    start = RewindPoint({k: v + 1 for k, v in source.initial(0).values.items()}, 5)
    fitted = Transfer(source, target, "auto").fit(found, start, 0.25, 0)
    assert fitted.mask.count == count_at(0.25, 568)  # 36·12 + 12·8 + 8·5
    for name in ("fc1", "fc2"):
        assert torch.equal(fitted.mask.kept[name], found.kept[name])
        assert torch.equal(fitted.start.values[f"{name}.weight"], start.values[f"{name}.weight"])
        assert torch.equal(fitted.start.values[f"{name}.bias"], start.values[f"{name}.bias"])
    fresh = target.initial(0).values
    assert torch.equal(fitted.start.values["fc3.weight"], fresh["fc3.weight"])
    assert torch.equal(fitted.start.values["fc3.bias"], fresh["fc3.bias"])
    assert fitted.start.step == 10  # a quarter of training
    assert fitted.note == ""
    again = Transfer(source, target, "auto").fit(found, start, 0.25, 0)
    assert again.mask == fitted.mask
    assert Transfer(source, target, "auto").fit(found, start, 0.25, 1).mask != fitted.mask


def test_a_classifier_too_small_for_the_density_is_said(make_bench, more_classes) -> None:
    # five classes to three: the classifier found is dense, and the new one is smaller
    source, target = make_bench(NET, RECIPE, arrays=more_classes), make_bench(NET, RECIPE)
    layers = {x.name: torch.zeros(x.shape, dtype=torch.bool) for x in source.layers}
    layers["fc3"][:] = True
    layers["fc1"][0, :30] = True
    found = Mask(layers, layers=source.layers)
    fitted = Transfer(source, target, "auto").fit(
        found, RewindPoint.at(source.initial(0)), 70 / 568, 0
    )
    # 68 of 552 weights are wanted, 30 of them in fc1; the classifier has 24
    assert fitted.mask.count == 54
    assert (
        fitted.note
        == "the new classifier keeps 24 of its 24 weights, where the density asks for 38"
    )


def test_the_classifier_is_kept_where_it_fits_unless_told_otherwise(make_bench) -> None:
    source, target = make_bench(NET, RECIPE), make_bench(NET, LONGER)
    found = Mask.top_k(abs(source.initial(0).weights), 100)
    start = RewindPoint({k: v + 1 for k, v in source.initial(0).values.items()}, 0)
    assert Transfer(source, target, "auto").fit(found, start, 0.18, 0).mask == found
    fitted = Transfer(source, target, "new").fit(found, start, 100 / 552, 0)
    assert fitted.mask.count == 100
    fresh = target.initial(0).values
    assert torch.equal(fitted.start.values["fc3.weight"], fresh["fc3.weight"])


def test_units_that_were_removed_stay_removed(make_bench, more_classes) -> None:
    source, target = make_bench(NET, RECIPE), make_bench(NET, RECIPE, arrays=more_classes)
    layers = {x.name: torch.ones(x.shape, dtype=torch.bool) for x in source.layers}
    layers["fc2"][3] = False
    layers["fc3"][:, 3] = False
    held = {"fc2.bias": torch.arange(8) != 3}
    found = Mask(layers, held, source.layers)
    fitted = Transfer(source, target, "auto").fit(found, RewindPoint.at(source.initial(0)), 0.9, 0)
    assert fitted.mask.kept["fc3"].shape == (5, 8)
    assert not bool(fitted.mask.kept["fc3"][:, 3].any())
    assert int(fitted.mask.kept["fc3"].sum()) == 35
    assert torch.equal(fitted.mask.held["fc2.bias"], held["fc2.bias"])


@pytest.mark.parametrize("strategy", [IMP(), LateRewind(rewind_step=5), OneShot()])
def test_the_mask_is_the_sources_and_the_training_the_targets(
    strategy, make_bench, transfer, run_rounds
) -> None:
    source, target = make_bench(NET, RECIPE), make_bench(NET, LONGER)
    own = run_rounds(source, strategy, (0.8,), ["shuffle"]).reported()[0]
    story = transfer(source, target, strategy, (0.8,), ("shuffle", "reinit"))
    (ticket,), (shuffled,) = story.reported(), story.reported("shuffle")
    ours = source.find(own["trainings"][-1]["key"], frozenset())
    # everything on the source was known, and the ticket's own training there is not asked for
    assert {data for data, _ in story.requests} == {target.data}
    request = story.requests[0][1]
    assert request.mask == ours.mask
    rewound = own["rewind_step"]
    assert request.start == ticket["rewind_step"] == 2 * rewound
    assert request.end == 40
    assert ticket["layers"] == own["layers"]
    cost = ticket["cost"]
    assert (cost["steps"], cost["search_steps"]) == (40 - 2 * rewound, own["cost"]["search_steps"])
    assert (shuffled["cost"]["search_steps"], shuffled["status"]) == (0, "ok")
    assert ticket["metrics"]["test_accuracy"] > 0


def test_the_next_density_continues_on_the_source(make_bench, transfer, run_rounds) -> None:
    densities = (0.8, 0.64)
    source, target = make_bench(NET, RECIPE), make_bench(NET, LONGER)
    own = run_rounds(source, IMP(), densities).reported()
    story = transfer(source, target, IMP(), densities)
    assert [r["layers"] for r in story.reported()] == [r["layers"] for r in own]
    first, second = (r["cost"] for r in story.reported())
    # dense, then the source's training at 0.8; never the target's
    assert (first["search_steps"], second["search_steps"]) == (20, 40)
    assert {data for data, _ in story.requests} == {target.data}
    assert [r["round"] for r in story.reported()] == [0, 1]


def test_a_mask_that_training_decides_is_trained_plainly(make_bench, transfer, run_rounds) -> None:
    source, target = make_bench(NET, RECIPE), make_bench(NET, LONGER)
    strategy = RigL(update_every=5)
    own = run_rounds(source, strategy, (0.5,)).reported()[0]
    story = transfer(source, target, strategy, (0.5,))
    ((data, request),) = story.requests
    assert data is target.data
    assert request.on_step is None
    assert request.mask == source.find(own["trainings"][-1]["key"], frozenset()).mask
    (ticket,) = story.reported()
    assert ticket["cost"]["search_steps"] == 20


def test_other_classes_and_a_structured_method(make_bench, transfer, more_classes) -> None:
    source, target = make_bench(NET, RECIPE), make_bench(NET, RECIPE, arrays=more_classes)
    for strategy in (IMP(), EarlyBird()):
        story = transfer(source, target, strategy, (0.5,), ("reorder",), arrays=more_classes)
        for record in story.records:
            assert record["status"] == "ok", record["reason"]
            assert record["layers"][-1]["total"] == 40
    assert story.reported("reorder")[0]["metrics"]["copies_distance"] > 0
