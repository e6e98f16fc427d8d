"""Observers hear of everything, and nothing that they do changes a result."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from thoroughness import some

from lth_bench import PerKind, hookimpl
from lth_bench.models.conv_bn import ConvBN
from lth_bench.models.mlp import MLP
from lth_bench.training.recipe import Recipe
from lth_strategies.dense import Dense
from lth_strategies.early_bird import EarlyBird
from lth_strategies.imp import IMP
from lth_strategies.random import Random
from lth_strategies.rigl import RigL

NET = MLP(hidden=(12, 8), dropout=0.2)  # 36·12 + 12·8 + 8·3 = 552 weights
RECIPE = Recipe(lr=0.1, steps=20, batch_size=20, val_size=60, eval_every=10)
HALVE = IMP(PerKind(0.5, 0.5, 0.5))
CONTROLS = ("reinit", "shuffle")


class Listener:
    def __init__(self):
        self.rounds, self.points, self.scored = [], [], []

    @hookimpl
    def on_round(self, ticket, trained):
        self.rounds.append((ticket.round, ticket.control, ticket.target, trained.mask.count))
        return "ignored"

    @hookimpl
    def on_eval(self, ticket, point):
        self.points.append((ticket.training, ticket.control, ticket.round, point.step))
        return "ignored"

    @hookimpl
    def score(self, ticket, trained):
        self.scored.append((ticket.round, ticket.control))
        return {"heard": len(self.points)}


# ---- what they hear --------------------------------------------------------------------------


def test_rounds_controls_and_evaluations(make_bench, run_rounds):
    listener = Listener()
    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, HALVE, (0.5, 0.125), ("reinit",), observers={"ear": listener})
    assert listener.rounds == [
        (0, "none", 0.5, 276), (0, "reinit", 0.5, 276),
        (1, "none", 0.125, 138),  # intermediate
        (2, "none", 0.125, 69), (2, "reinit", 0.125, 69),
    ]  # fmt: skip
    assert listener.points == [
        (training, control, round_, step)
        for training, control, round_ in (
            ("dense", "none", 0),
            ("train", "none", 0), ("train", "reinit", 0),
            ("train", "none", 1),
            ("train", "none", 2), ("train", "reinit", 2),
        )
        for step in (10, 20)
    ]  # fmt: skip
    assert listener.scored == [(0, "none"), (0, "reinit"), (2, "none"), (2, "reinit")]
    assert [r["metrics"]["heard"] for r in story.records if r["reported"]] == [4, 6, 10, 12]
    assert [r["reason"] for r in story.records] == [None] * 5


def test_the_dense_run_s_own_ticket(make_bench, run_rounds):
    listener = Listener()
    run_rounds(make_bench(NET, RECIPE), Dense(), (1.0,), observers={"ear": listener})
    assert listener.rounds == [(0, "none", 1.0, 552)]
    assert listener.points == [("dense", "none", 0, 10), ("dense", "none", 0, 20)]


def test_a_search_is_told_apart_from_the_ticket_s_training(make_bench, run_rounds):
    listener = Listener()
    run_rounds(make_bench(ConvBN(), RECIPE), EarlyBird(), (0.5,), observers={"ear": listener})
    assert {point[0] for point in listener.points} == {"search", "train"}


def test_a_training_that_was_done_before_is_heard_of_as_a_round_alone(make_bench, run_rounds):
    bench = make_bench(NET, RECIPE)
    run_rounds(bench, Random(), (0.5,))
    listener = Listener()
    run_rounds(bench, Random(), (0.5,), observers={"ear": listener})
    assert len(listener.rounds) == 1
    assert listener.points == []


def test_facts_of_a_view_are_the_ticket_s(make_bench, run_rounds, tmp_path):
    seen = {}

    class Looks(Random):
        @hookimpl
        def train(self, ticket):
            seen["ticket"] = ticket
            return ticket.fit()

    class Observer:
        @hookimpl
        def on_round(self, ticket, trained):
            seen["view"] = ticket
            seen["weights"] = trained.weights

    run_rounds(make_bench(NET, RECIPE), Looks(), (0.5,), observers={"eye": Observer()})
    ticket, view = seen["ticket"], seen["view"]
    names = ("seed", "target", "target_count", "round", "layers", "prunable", "recipe", "device",
             "total_steps", "steps_per_epoch", "input_shape", "classes", "mask")  # fmt: skip
    for name in names:
        assert getattr(view, name) == getattr(ticket, name), name
    assert (view.label, view.suite, view.task) == ("mine", "s", ("m", "d", "r"))
    assert (view.strategy, view.params, view.experiment_id) == ("mine", {}, "e")
    assert view.artifacts == tmp_path  # above the folder of trainings
    same = [torch.equal(v, ticket.start.values[k]) for k, v in view.start.values.items()]
    assert same and all(same)
    assert seen["weights"].keys() == view.mask.kept.keys()
    assert torch.equal(view.stream("x").get_state(), ticket.stream("x").get_state())
    assert torch.equal(next(view.batches(5))[0], next(ticket.batches(5))[0])
    assert view.module().training


@pytest.mark.parametrize("name", ["fit", "dense", "trained", "memo", "keep_matrix", "units"])
def test_what_trains_or_records_is_withheld_with_the_reason(name, make_bench, run_rounds):
    views = []

    class Observer:
        @hookimpl
        def on_round(self, ticket, trained):
            views.append(ticket)

    run_rounds(make_bench(NET, RECIPE), Random(), (0.5,), observers={"eye": Observer()})
    with pytest.raises(AttributeError, match=rf"observers have no ticket\.{name}: "):
        getattr(views[0], name)
    with pytest.raises(AttributeError, match="'TicketView' has no attribute 'nonsense'"):
        views[0].nonsense  # noqa: B018  # an attribute that is not there


# ---- what they cannot change -----------------------------------------------------------------


def spoil_values(ticket, trained=None):
    states = [ticket.initial.values, ticket.mask.kept, ticket.mask.held]
    states += [ticket.start.values] if ticket.start is not None else []
    if trained is not None:
        states += [trained.values, trained.best.values, trained.mask.kept, trained.weights]
    for state in states:
        for tensor in state.values():
            tensor.zero_()
    ticket.params["rate"] = 0
    module = ticket.module()
    module.eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(7)
    for x, y in ticket.batches(20):
        x.zero_()
        y.zero_()


def draw(ticket, trained=None):
    torch.manual_seed(1)
    torch.rand(3)
    np.random.seed(1)
    random.seed(1)
    ticket.stream("rigl mask").manual_seed(3)


LEFT_ON = []


def switch(ticket, trained=None):
    torch.set_grad_enabled(False)
    mode = torch.inference_mode()
    mode.__enter__()
    LEFT_ON.append(mode)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(True)
    torch.set_autocast_enabled("cpu", True)
    torch.backends.cudnn.benchmark = True


def fail(ticket, trained=None):
    raise OSError("no disk")


def leave(ticket, trained=None):
    raise SystemExit(3)


def hostile(act):
    class Observer:
        @hookimpl
        def on_round(self, ticket, trained):
            act(ticket, trained)

        @hookimpl
        def on_eval(self, ticket, point):
            act(ticket)

    return Observer()


def settings():
    return (
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.get_default_dtype(),
        torch.get_default_device(), torch.are_deterministic_algorithms_enabled(),
        torch.is_autocast_enabled("cpu"), torch.backends.cudnn.benchmark, torch.get_num_threads(),
        float(torch.tensor([1e-310], dtype=torch.float64) * 1),
        np.random.get_state()[1].tolist(), random.getstate(), torch.get_rng_state().tolist(),
    )  # fmt: skip


def timeless(records):
    out = []
    for record in records:
        copy = {**record, "cost": {k: v for k, v in record["cost"].items() if "seconds" not in k}}
        copy["trainings"] = [
            {k: v for k, v in t.items() if k != "seconds"} for t in record["trainings"]
        ]
        copy["metrics"] = {k: v for k, v in record["metrics"].items() if "latency" not in k}
        out.append(copy)
    return out


@pytest.mark.parametrize("act", [spoil_values, draw, switch, fail, leave], ids=lambda a: a.__name__)
@pytest.mark.parametrize(
    ("strategy", "model", "densities"),
    some([
        pytest.param(HALVE, NET, (0.5, 0.25), id="imp"),
        pytest.param(RigL(update_every=5), NET, (0.3,), id="rigl"),
        pytest.param(EarlyBird(), ConvBN(), (0.5,), id="early_bird"),
        pytest.param(Dense(), NET, (1.0,), id="dense"),
    ]),
)  # fmt: skip
def test_nothing_that_an_observer_does_shows_in_the_records(
    strategy, model, densities, act, make_bench, run_rounds, tmp_path
):
    controls = CONTROLS if densities[0] < 1 else ()
    undisturbed = run_rounds(make_bench(model, RECIPE), strategy, densities, controls)
    before = settings()
    bench = make_bench(model, RECIPE, root=tmp_path / "observed")
    observers = {"a": Listener(), "hostile": hostile(act), "z": Listener()}
    story = run_rounds(bench, strategy, densities, controls, observers=observers)
    assert settings() == before
    records = timeless(story.records)
    for record in records:
        record["metrics"].pop("heard", None)
    # the two listeners have a metric of one name; the later one's is missing, and the row says so
    lost = "observer z.score: the metric name 'heard' is already used by observer a"
    assert [r.pop("reason") for r in records] == [lost if r["reported"] else None for r in records]
    expected = timeless(undisturbed.records)
    assert [r.pop("reason") for r in expected] == [None] * len(expected)
    assert records == expected
    assert observers["a"].points == observers["z"].points
    assert len(observers["z"].rounds) == len(records)


# ---- an observer that raises -----------------------------------------------------------------


def test_one_that_raises_is_named_once_and_hears_no_more(make_bench, run_rounds, capsys):
    calls = []

    class Observer:
        @hookimpl
        def on_eval(self, ticket, point):
            calls.append(point.step)
            raise ZeroDivisionError("by zero")

        @hookimpl
        def on_round(self, ticket, trained):
            calls.append("round")

    bench = make_bench(NET, RECIPE)
    story = run_rounds(bench, HALVE, (0.5, 0.25), observers={"spy": Observer()})
    assert [r["status"] for r in story.records] == ["ok", "ok"]
    assert calls == [10]
    line = r"observer spy.on_eval: raised ZeroDivisionError: by zero (test_observers.py:"
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith(line)
    assert said[0].endswith("); it is not called again in this experiment")


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (lambda: {"speed": 1 / 0}, "raised ZeroDivisionError: division by zero (test_observers.py"),
        (lambda: None, "must return a mapping, but returned None"),
        (
            lambda: {"ok": 1.0, "speed": "fast"},
            "every metric must be a number, but 'speed' is a str",
        ),
        (lambda: {"ok": 1.0, "test_accuracy": 1.0}, "'test_accuracy' is already used by defaults"),
    ],
)
def test_a_lost_metric_is_told_in_the_row(answer, wrong, make_bench, run_rounds, capsys):
    class Observer:
        @hookimpl
        def score(self, ticket, trained):
            return answer()

    observers = {"spy": Observer(), "ear": Listener()}
    (record,) = run_rounds(make_bench(NET, RECIPE), Random(), (0.5,), observers=observers).records
    assert record["status"] == "ok"
    assert record["reason"].startswith("observer spy.score: ")
    assert wrong in record["reason"]
    # all of a plugin's metrics or none; everybody else's are there
    assert {"ok", "speed"}.isdisjoint(record["metrics"])
    assert {"test_accuracy", "heard"} <= record["metrics"].keys()
    assert "its metrics are missing" in capsys.readouterr().err


def test_ctrl_c_still_ends_the_run(make_bench, run_rounds):
    class Observer:
        @hookimpl
        def on_round(self, ticket, trained):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_rounds(make_bench(NET, RECIPE), Random(), (0.5,), observers={"spy": Observer()})
