"""[[strategies.tuned]]: parameters of a strategy task by task."""

from __future__ import annotations

import dataclasses

import pytest

from lth_bench.data.root import data_root
from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.running.plan import plan_suite
from lth_bench.suite import load_suite
from lth_bench.suite.check import check
from lth_bench.suite.load import suite_of
from lth_bench.suite.select import smoke

TUNED = """
[[strategies]]
use = "imp"
label = "imp-tuned"
params = { scope = "global" }

[[strategies.tuned]]
model = "conv"
dataset = "digits"
recipe = "fast"
params = { rate = { conv = 0.7 } }
study = "abc"
trial = 3
steps = 900

[[strategies.tuned]]
model = "mlp(hidden=[30])"
dataset = "digits"
recipe = "fast"
train = { lr = 0.5, epochs = 3 }
"""


@pytest.fixture
def tuned(write):
    """The suite of `write` with a tuned strategy; `tuned(old, new)` replaces a part of it."""

    def make(old: str = "", new: str = ""):
        path = write()
        assert old in TUNED
        path.write_text(path.read_text() + (TUNED.replace(old, new, 1) if old else TUNED))
        return load_suite(path)

    return make


def test_tuned_settings_apply_to_their_task_only(tuned, registry) -> None:
    suite = tuned()
    check(suite, registry)
    spec = suite.strategies[-1]
    conv, mlp = suite.tasks
    assert spec.params_on(conv) == {"scope": "global", "rate": {"conv": 0.7}}
    assert spec.params_on(mlp) == {"scope": "global"}
    assert spec.recipe_on(conv) == conv.recipe
    assert spec.recipe_on(mlp) == {"optimizer": "adam", "lr": 0.5, "epochs": 3}
    assert spec.tuned_on(conv).origin == {"study": "abc", "trial": 3, "steps": 900}
    assert spec.tuned_on(mlp).origin is None


def test_a_tuned_strategy_runs_on_its_tasks_only(tuned) -> None:
    first = TUNED.index("[[strategies.tuned]]")
    second = TUNED.index("[[strategies.tuned]]", first + 1)
    suite = tuned(TUNED[second:], "")
    assert [t.model.label for s, t in suite.pairs() if s.label == "imp-tuned"] == ["conv"]


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        (
            '"conv"',
            '"cnov"',
            ["strategies[2].tuned[0]", "'cnov/digits/fast' is not a task of this suite", "conv/"],
        ),
        ('"mlp(hidden=[30])"', '"conv"', ["tuned[1]", "conv/digits/fast is tuned twice"]),
        ("trial = 3", "trial = -1", ["trial", ">= 0"]),
        ("study =", "studdy =", ["unknown key", "'study'"]),
    ],
)
def test_a_table_of_no_task_is_one_message(tuned, old, new, parts) -> None:
    with pytest.raises(UserError) as caught:
        tuned(old, new)
    for part in parts:
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("conv = 0.7", "conv = 7", ["strategy 'imp-tuned' on conv", "rate.conv", "got 7"]),
        ("lr = 0.5", "lr = 0", ["'imp-tuned' on mlp(hidden=[30]): train", "lr must be", "got 0"]),
    ],
)
def test_tuned_parameters_that_a_plugin_refuses_have_their_line(
    tuned, registry, old, new, parts
) -> None:
    suite = tuned(old, new)
    with pytest.raises(UserError) as caught:
        check(suite, registry)
    line = suite.text.splitlines().index(next(x for x in suite.text.splitlines() if new in x)) + 1
    assert caught.value.message.startswith(f"{suite.path}:{line}: ")
    for part in parts:
        assert part in caught.value.message


def test_a_smoke_run_keeps_its_own_length(tuned) -> None:
    suite = smoke(tuned())
    assert suite.strategies[-1].recipe_on(suite.tasks[1])["steps"] == 8
    assert suite.strategies[-1].recipe_on(suite.tasks[1])["lr"] == 0.5


def test_the_plan_trains_tuned_settings_and_records_their_origin() -> None:
    suite = load_suite("quickstart")
    frozen = """
[[strategies]]
use = "imp"
label = "imp-tuned"
[[strategies.tuned]]
model = "mlp"
dataset = "digits"
recipe = "mlp"
params = { prune_rate = 0.4, scope = "global" }
study = "abc"
trial = 3
steps = 900
"""
    registry = load_registry((), third_party=False)

    def planned(text: str):
        made = suite_of(suite.text + text, suite.path)
        made = dataclasses.replace(made, tasks=made.tasks[:1], seeds=(0,))
        plan = plan_suite(made, registry, data_root())
        return {e.label: e for e in (p.experiment for p in plan.experiments) if "imp" in e.label}

    found = planned(frozen)
    own, tuned = found["imp"], found["imp-tuned"]
    assert (own.params, own.recipe) == (tuned.params, tuned.recipe)
    origin = {"study": "abc", "trial": 3, "steps": 900}
    assert tuned.planned_record()["tuned_from"] == origin
    assert own.planned_record()["tuned_from"] is None
    assert own.experiment_id == planned("")["imp"].experiment_id
    # where it is from says nothing of the result, and a recipe of its own does
    other = planned(frozen.replace("trial = 3", "trial = 4"))["imp-tuned"]
    assert other.experiment_id == tuned.experiment_id
    trained = planned(frozen + "train = { lr = 0.01 }\n")["imp-tuned"]
    assert trained.recipe["lr"] == 0.01
    assert (trained.task, trained.experiment_id != tuned.experiment_id) == (own.task, True)
