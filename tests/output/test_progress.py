"""How far a run is, from its records."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from lth_bench.output.progress import Lines, Live

IMP = SimpleNamespace(
    experiment_id="e", label="imp", model_label="mlp", dataset_label="digits",
    recipe_name="short", seed=0, densities=(0.5,), task=("mlp", "digits", "short"),
)  # fmt: skip
PLAN = SimpleNamespace(
    suite=SimpleNamespace(name="tiny"), experiments=(IMP,), dense_runs={}, trainings=4
)
ITEM = SimpleNamespace(experiment=IMP, fits=(100, 100, 100, 100))


def ticket(name, steps=100):
    return {"record": "ticket", "experiment_id": "e", "ticket_id": name, "cost": {"steps": steps}}


@pytest.fixture(params=[Lines, Live])
def shown(request):
    made = Lines() if request.param is Lines else Live(Console(file=io.StringIO()))
    made.begin(PLAN, [ITEM], 2)
    yield made
    made.end()


def test_a_round_that_is_said_again_moves_nothing(shown):
    shown.event({"event": "start", "experiment": IMP})
    shown.event(ticket("a"))
    shown.event(ticket("b"))
    assert shown.meter.done_steps == 200
    # another worker took it over, and says what it found
    shown.event({"event": "start", "experiment": IMP})
    shown.event(ticket("a"))
    shown.event(ticket("b"))
    assert shown.meter.done_steps == 200
    shown.event(ticket("c"))
    assert shown.meter.done_steps == 300
    end = {"record": "experiment", "experiment_id": "e", "status": "ok", "reason": None}
    shown.event({**end, "seconds": 1.0})
    assert shown.meter.done_steps == shown.meter.total == 400


def test_the_rate_is_of_what_was_really_trained():
    shown = Live(Console(file=io.StringIO()))
    shown.begin(PLAN, [ITEM], 2)
    shown.event(ticket("a"))  # found
    assert shown.meter.rate() == 0
    shown.event({"event": "trained", "steps": 100, "seconds": 0.1})
    assert shown.meter.rate() > 0
    shown.end()
