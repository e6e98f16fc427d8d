"""Every mistake in a suite's [tune] is one message, with file and line, before training."""

from __future__ import annotations

import json

import pytest

from lth_bench.data.root import data_root
from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.tuning.goal import goals_of, idle

from .conftest import SUITE


@pytest.fixture
def goals(read):
    registry = load_registry()
    return lambda tune, *overrides: goals_of(read(tune, *overrides), registry, data_root())


def test_every_strategy_with_a_parameter_to_tune_has_a_study(goals):
    found = goals("\n[tune]\nbudget = { trials = 2 }\n")
    assert [g.name for g in found] == [
        "small/mlp(hidden=[12])/digits/short/imp",
        "small/mlp(hidden=[12])/digits/short/snip",
    ]
    assert found[0].objective.seeds == (1000, 1001, 1002)
    assert found[0].objective.densities == (0.4, 0.1)


def test_recipe_values_make_every_strategy_tunable(goals):
    tune = (
        "\n[tune]\nbudget = { trials = 2 }\n"
        "[tune.recipe]\nlr = { low = 1e-3, high = 1e-2, log = true }\n"
    )
    for goal in goals(tune):
        assert goal.dimensions[-1].name == "recipe.lr"
        settings = goal.settings({**goal.default, "recipe.lr": 0.002})
        assert settings.recipe == {"lr": 0.002}
        assert goal.default["recipe.lr"] == 5e-3


def test_a_task_uses_its_own_densities_of_tune(goals):
    tune = "\n[tune]\nbudget = {{ trials = 2 }}\ndensities = {}\n"
    assert goals(tune.format([0.1, 0.35]))[0].objective.densities == (0.1,)
    assert goals(tune.format([0.3, 0.35]))[0].objective.densities == (0.35, 0.3)


def test_settings_hold_what_differs_from_the_strategy_s_defaults(goals):
    imp, snip = goals("\n[tune]\nbudget = { trials = 2 }\n")
    assert imp.settings({"prune_rate": 0.3}).params == {
        "prune_rate": {"conv": 0.6, "linear": 0.3, "output": 0.3}
    }
    assert snip.settings({"batch_size": 128}).params == {}


def test_a_front_over_the_density_chooses_the_density(goals):
    tune = "\n[tune]\nbudget = { trials = 2 }\nobjective = ['accuracy', 'density']\n"
    imp = goals(tune)[0]
    assert imp.default["task.density"] == 0.1
    assert imp.settings({"prune_rate": 0.3, "task.density": 0.1}).densities == (0.4, 0.1)
    assert imp.settings({"prune_rate": 0.3, "task.density": 0.4}).densities == (0.4,)


@pytest.mark.parametrize(
    ("tune", "line", "message"),
    [
        ("budget = { trials = 0 }", 2, "tune.budget.trials must be an integer in [1, 100000]"),
        ("budget = { minutes = 0 }", 2, "tune.budget.minutes must be a number in (0, 1"),
        ("budget = {}", 2, "exactly one of trials, steps and minutes, but got none"),
        ("budget = { trials = 2, steps = 5 }", 2, "but got trials and steps"),
        ("seeds = 3", 1, "missing key tune.budget"),
        (
            "budget = { trials = 2 }\nseeds = [7, 1]",
            3,
            "1 is also a seed that the suite reports",
        ),
        ("budget = { trials = 2 }\nseeds = []", 3, "seeds is empty; give at least one"),
        (
            "budget = { trials = 2 }\nobjective = ['accuracy', 'cost']\npruner = 'hyperband'",
            4,
            "with two objectives; Optuna prunes by a single value",
        ),
        (
            "budget = { trials = 2 }\nsampler = 'nsga2'\npruner = 'halving'",
            4,
            "NSGA-II ignores pruned trials",
        ),
        ("budget = { trials = 2 }\nseeds = 1\npruner = 'halving'", 4, "decides after each seed"),
        (
            "budget = { trials = 2 }\nobjective = ['cost', 'accuracy']",
            3,
            "pair must be ['accuracy'",
        ),
        ("budget = { trials = 2 }\nobjective = 'density'", 3, "prefer networks that train nothing"),
        ("budget = { trials = 2 }\nobjective = 'acuracy'", 3, "must be one of 'accuracy'"),
        ("budget = { trials = 2 }\nstrategies = ['imq']", 3, "unknown label 'imq'; did you mean"),
        ("budget = { trials = 2 }\nstrategies = ['dense']", 3, "'dense' has no parameter to tune"),
        ("budget = { trials = 2 }\ndensities = [1.0]", 3, "in (0, 1)"),
        (
            "budget = { trials = 2 }\nobjective = ['accuracy', 'density']\ndensities = [0.4]",
            3,
            "at least two densities",
        ),
        ("budget = { trials = 2 }\n[tune.space.imp]", 3, "lists no parameter to tune"),
        ("budget = { trials = 2 }\n[tune.space.im]\nx = true", 3, "unknown label 'im'"),
        (
            "budget = { trials = 2 }\n[tune.space.imp]\nprune_rate = { low = 0.5, high = 0.2 }",
            4,
            "low must be less than high",
        ),
        (
            "budget = { trials = 2 }\n[tune.space.imp]\nprune_rate = { low = 0.5, high = 2 }",
            4,
            "prune_rate.linear: high must be in [0, 1], but got 2",
        ),
        (
            "budget = { trials = 2 }\n[tune.space.imp]\n\nprune_rat = true",
            5,
            "unknown parameter 'prune_rat'; did you mean 'prune_rate'?",
        ),
        (
            "budget = { trials = 2 }\n[tune.space.imp]\nprune_rate.conv = { low = 0.1, high = 0.2}",
            3,
            "'imp' has no parameter to tune on these tasks",
        ),
        ("budget = { trials = 2 }\n[tune.space.imp]\nprune_rate = 0.3", 4, "must be {low, high"),
        (
            "budget = { trials = 2 }\n[tune.recipe]\nlr = { low = -1, high = 1 }",
            4,
            "lr: low must be > 0, but got -1",
        ),
        ("budget = { trials = 2 }\n[tune.recipe]\nvale_size = true", 4, "did you mean 'val_size'?"),
        ("budget = { trials = 2 }\n[tune.recipe]\nval_size = true", 4, "val_size cannot be tuned"),
        ("budget = { trials = 2 }\nbatch = 0", 3, "tune.batch must be an integer in [1, 1000]"),
    ],
)
def test_a_mistake(goals, tune, line, message):
    with pytest.raises(UserError) as caught:
        goals(f"[tune]\n{tune}\n")
    assert message in caught.value.message
    where = caught.value.message.partition(": ")[0]
    assert where.endswith(f"small.toml:{line + len(SUITE.splitlines())}")
    assert "\n" not in caught.value.message


def test_without_a_table(goals):
    with pytest.raises(UserError, match=r"has no table \[tune\]; .* --budget trials=20"):
        goals("")
    assert goals("", "tune.budget={ trials = 3 }")[0].tune.budget.trials == 3


def test_no_strategy_has_a_parameter_to_tune(goals):
    with pytest.raises(UserError, match="none of the strategies has a parameter"):
        goals("\n[tune]\nbudget = { trials = 2 }\n", 'strategies=[{ use = "dense" }]')


def test_a_kind_of_layer_that_no_network_has_is_named(goals):
    tune = "\n[tune]\nbudget = { trials = 2 }\n[tune.space.imp]\n"
    rates = "".join(
        f"prune_rate.{kind} = {{ low = 0.1, high = 0.9 }}\n" for kind in ("conv", "linear")
    )
    (note,) = idle(goals(tune + rates))
    assert "tune.space.imp: 'prune_rate.conv' is not tuned" in note
    assert idle(goals(tune + rates.splitlines()[1] + "\nscope = true\n")) == []
    assert idle(goals(tune + "prune_rate = { low = 0.1, high = 0.9 }\nscope = false\n")) == []


def test_the_dense_run_of_tuned_recipes_is_part_of_the_identity(goals):
    recipe = "[tune.recipe]\nlr = { low = 1e-3, high = 1e-2 }\n"
    for objective, asks in (("area", True), ("matching", True), ("accuracy", False)):
        tune = f"\n[tune]\nbudget = {{ trials = 2 }}\nobjective = '{objective}'\n"
        assert ("dense run" in goals(tune + recipe)[0].identity) is asks
        assert "dense run" not in goals(tune)[0].identity


def test_a_task_is_tuned_by_its_own_metric(read):
    other = """
    [[tasks]]
    model = { name = "mlp", hidden = [12] }
    dataset = "digits"
    recipe = "short"
    objective = "focal"
    [[tasks]]
    model = { name = "mlp", hidden = [12] }
    dataset = "tabular:diabetes"
    recipe = "rows"
    [recipes.rows]
    optimizer = "adam"
    lr = 5e-3
    batch_size = 20
    steps = 10
    val_size = 20
    eval_every = 10
    """
    text = SUITE[: SUITE.index("[[tasks]]")] + other + SUITE[SUITE.index("[recipes.short]") :]
    found = {}
    for objective in ("accuracy", "area", "matching", ["accuracy", "cost"]):
        tune = f"\n[tune]\nbudget = {{ trials = 2 }}\nobjective = {json.dumps(objective)}\n"
        goals = goals_of(read(tune, text=text), load_registry(), data_root())
        for goal in goals:
            kind, key = goal.objective, str(objective)
            found[goal.task.dataset_label, key] = (kind.names, kind.directions)
            assert goal.identity["margin"] == (
                None if objective != "matching" else 0.005 if kind.measure.is_fraction else 0.05
            )
    assert found == {
        ("digits", "accuracy"): (("balanced_accuracy",), ("maximize",)),
        ("digits", "area"): (("area of balanced_accuracy",), ("maximize",)),
        ("digits", "matching"): (("matching",), ("minimize",)),
        ("digits", "['accuracy', 'cost']"): (
            ("balanced_accuracy", "cost"), ("maximize", "minimize"),
        ),
        ("tabular:diabetes", "accuracy"): (("rmse",), ("minimize",)),
        ("tabular:diabetes", "area"): (("area of rmse",), ("minimize",)),
        ("tabular:diabetes", "matching"): (("matching",), ("minimize",)),
        ("tabular:diabetes", "['accuracy', 'cost']"): (
            ("rmse", "cost"), ("minimize", "minimize"),
        ),
    }  # fmt: skip
