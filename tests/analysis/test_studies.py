from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from lth_bench.analysis.studies import rebuild, text_of
from lth_bench.store.trials import Study

Make = Callable[..., Study]


def test_a_rebuilt_study_equals_the_one_that_ran(study: Make) -> None:
    """Values, parameters, and which is best, as the database has them."""
    own = study(trials=20)
    made = rebuild(own)
    trials = made.study.get_trials(deepcopy=False)
    assert [t.params for t in trials] == [dict(t.params) for t in own.trials]
    assert [t.value for t in trials if t.state.name == "COMPLETE"] == [
        t.values[0] for t in own.complete
    ]
    # what was pruned is worth what was last seen of it, which may be more
    assert own.best is not None
    assert made.study.best_trial.number == own.best.number
    assert [t.state.name for t in trials].count("PRUNED") == 3
    assert (made.objectives, made.left_out) == (["accuracy"], 0)
    assert made.params == ["prune_rate.conv", "recipe.lr", "scope"]


def test_a_rebuilt_study_has_the_same_front(study: Make) -> None:
    own = study(trials=30, objectives=("accuracy", "cost"))
    made = rebuild(own).study
    assert [d.name for d in made.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert {t.number for t in made.best_trials} == {t.number for t in own.front}


@pytest.mark.parametrize(
    ("params", "distributions"),
    [
        ({"a": 5.0}, {"a": '{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1}}'}),
        ({"a": 5.0}, {}),
        ({"a": 5.0}, {"a": "{"}),
        ({"a": 5.0}, {"a": "[]"}),
        ({"a": 5.0}, {"a": '{"name": "Other", "attributes": {}}'}),
        ({"a": None}, {"a": '{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1}}'}),
        ({"a": [1]}, {"a": '{"name": "CategoricalDistribution", "attributes": {"choices": []}}'}),
    ],
)
def test_trials_that_optuna_rejects_are_counted(
    study: Make, params: object, distributions: object
) -> None:
    own = study(trials=3, changes={1: {"params": params, "distributions": distributions}})
    made = rebuild(own)
    assert made.left_out == 1
    assert len(made.study.trials) == 2


def test_markup_in_names_is_escaped(study: Make) -> None:
    name, choice = "<a href='x'>&\u202eb", "<img src=x>"
    distribution = {"name": "CategoricalDistribution", "attributes": {"choices": [choice, "b"]}}
    change: dict[str, object] = {
        "params": {name: choice},
        "distributions": {name: json.dumps(distribution)},
    }
    change["objectives"] = ["<b>accuracy"]
    made = rebuild(study(trials=2, changes={0: change, 1: change}))
    (param,) = made.params
    assert (param, made.objectives) == ("&lt;a href='x'&gt;&amp;�b", ["&lt;b&gt;accuracy"])
    assert made.study.trials[0].params == {param: "&lt;img src=x&gt;"}


def test_similar_names_stay_distinct(study: Make) -> None:
    rates = {f"{'x' * 50}{i}": 0.5 for i in range(3)}
    distribution = '{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}}'
    change = {"params": rates, "distributions": dict.fromkeys(rates, distribution)}
    made = rebuild(study(trials=1, changes={0: change}))
    assert made.params == ["x" * 39 + "…", "x" * 39 + "… (2)", "x" * 39 + "… (3)"]
    assert text_of("a\nb\x00") == "a b�"
