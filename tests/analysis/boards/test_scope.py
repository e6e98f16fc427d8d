from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.errors import NothingSelected, UnknownName

Results = Callable[..., Any]
TASKS = (("mlp", "digits", "short"), ("mlp", "mnist", "long"), ("conv2", "cifar10", "long"))


@pytest.mark.parametrize(
    ("filters", "tasks"),
    [
        ({}, {"mlp/digits/short", "mlp/mnist/long", "conv2/cifar10/long"}),
        ({"suites": ["quickstart"], "models": ["conv2"]}, {"conv2/cifar10/long"}),
        ({"datasets": ["digits", "mnist"]}, {"mlp/digits/short", "mlp/mnist/long"}),
        ({"tasks": ["mlp"]}, {"mlp/digits/short", "mlp/mnist/long"}),
        ({"tasks": ["m*/dig*/short", "conv2/*"]}, {"mlp/digits/short", "conv2/cifar10/long"}),
        ({"tasks": ["*/*/long"], "models": ["mlp"]}, {"mlp/mnist/long"}),
    ],
)
def test_filters_select_tasks(results: Results, filters: dict[str, Any], tasks: set[str]) -> None:
    scope = resolve(results(tasks=TASKS), Selection(**filters))
    assert {task.name for task in scope.tasks.values()} == tasks
    assert scope.suites == ["quickstart"]


def test_a_name_is_its_label_without_parameters(results: Results) -> None:
    """As `run` takes it."""
    tasks = (("mlp(hidden=[16])", "digits", "short"), ("mlp", "digits", "short"))
    con = results(tasks=(*tasks, ("conv2", "cifar10(checksum=false)", "long")))
    plain = resolve(con, Selection(models=["mlp"]))
    assert {task.model for task in plain.tasks.values()} == {"mlp", "mlp(hidden=[16])"}
    exact = resolve(con, Selection(models=["mlp(hidden=[16])"]))
    assert {task.model for task in exact.tasks.values()} == {"mlp(hidden=[16])"}
    assert len(resolve(con, Selection(datasets=["cifar10"])).tasks) == 1


def test_filters_that_exclude_nothing_add_no_condition(results: Results) -> None:
    con = results(tasks=TASKS, controls=("reinit",))
    assert resolve(con).where("f") == "true"
    scope = resolve(con, Selection(models=["conv2"], densities=[0.5], controls=["none"]))
    assert set(scope.parameters) == {"tasks", "densities", "controls"}
    (count,) = con.execute(
        f"SELECT count(*) FROM flat f WHERE {scope.where('f')}", scope.parameters
    ).fetchone()
    assert count == 3 * (1 + 3)  # seeds × (dense and three tickets at 0.5)
    assert scope.where("c", "tasks") == "c.task IN (SELECT unnest($tasks))"


def test_a_rounded_density_selects_the_exact_one(results: Results) -> None:
    con = results(densities=(0.21074, 0.2))
    assert resolve(con, Selection(densities=[0.2107])).filters["densities"] == [0.21074, 1.0]


def test_controls_are_chosen_by_name(results: Results) -> None:
    con = results(controls=("reinit", "shuffle"))
    assert "controls" not in resolve(con).filters
    for asked, kept in ((["reinit"], ["none", "reinit"]), (["none"], ["none"]), ([], ["none"])):
        assert resolve(con, Selection(controls=asked)).filters["controls"] == kept


def test_hiding_controls_works_where_there_are_none(results: Results) -> None:
    assert resolve(results(), Selection(controls=["none"])).tasks


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"suites": ["quikstart"]}, "unknown suite 'quikstart'; did you mean 'quickstart'"),
        ({"models": ["x"]}, "unknown model 'x'; choose from: mlp"),
        ({"datasets": ["digit"]}, "did you mean 'digits'"),
        ({"controls": ["reinit"]}, "unknown control 'reinit'"),
    ],
)
def test_an_unknown_name_gets_the_nearest(results: Results, filters: Any, message: str) -> None:
    with pytest.raises(UnknownName, match=message):
        resolve(results(), Selection(**filters))


@pytest.mark.parametrize(
    "filters", [{"tasks": ["conv2"]}, {"densities": [0.3]}, {"densities": [0.5], "tasks": ["x*"]}]
)
def test_filters_without_matches_list_what_exists(results: Results, filters: Any) -> None:
    with pytest.raises(NothingSelected, match=r"mlp/digits/mlp and the densities 0\.2, 0\.5"):
        resolve(results(), Selection(**filters))


def test_an_empty_database_is_an_error(results: Results) -> None:
    with pytest.raises(NothingSelected, match="has no row for these filters"):
        resolve(results(strategies=()))
