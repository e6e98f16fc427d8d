"""Which tasks stand beside each other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.analysis.evidence import Place, Task, task_groups
from lth_bench.analysis.evidence.groups import parameters


def tasks(*given: tuple[str, str, str], suite: str = "s") -> list[Any]:
    return [SimpleNamespace(place=Place(suite, Task(*one))) for one in given]


def test_a_sweep_is_in_the_order_of_its_numbers() -> None:
    widths = [(f"mlp(dropout=0.1,hidden=[{n}])", "xor", "r") for n in (10, 2, 4)]
    (group,) = task_groups(tasks(*widths))
    assert (group.swept, list(group.names)) == ("hidden (mlp)", ["2", "4", "10"])
    assert [one.place.task.model for one in group.tasks] == [widths[i][0] for i in (1, 2, 0)]
    assert group.sizes == pytest.approx([2, 4, 10])
    assert group.parts == ("s", "xor", "r", "hidden (mlp)")
    assert group.title == "s: xor, r, hidden (mlp)"


@pytest.mark.parametrize(
    "models",
    [
        ("mlp(hidden=[2])", "mlp(hidden=[4])"),  # two are compared
        ("mlp(hidden=[2,3])", "mlp(hidden=[4,3])", "mlp(hidden=[8,3])"),  # no single number
        ("mlp(a=1,b=1)", "mlp(a=2,b=2)", "mlp(a=3,b=3)"),  # two parameters
        ("mlp", "mlp(dropout=0.1)", "mlp(dropout=0.2)"),  # a default is not known
    ],
)
def test_what_is_no_sweep_is_beside_each_other(models) -> None:
    (group,) = task_groups(tasks(*((model, "d", "r") for model in models)))
    assert (group.swept, list(group.names)) == ("", list(models))


def test_other_data_networks_and_suites_are_apart() -> None:
    recipes = [
        ("net", "d", "low"),
        ("net", "d", "high"),
        ("net", "other", "low"),
        ("mlp", "d", "low"),
    ]
    (group,) = task_groups(tasks(*recipes) + tasks(("net", "d", "low"), suite="t"))
    assert list(group.names) == ["low", "high"]  # as the suite has them
    assert group.parts == ("s", "net", "d")


def test_more_than_there_is_space_for_are_left_out() -> None:
    assert task_groups(tasks(*(("net", "d", f"r{i}") for i in range(7)))) == []


def test_parameters_of_a_label() -> None:
    assert parameters("mlp(dropout=0.1,hidden=[30,10])") == {"dropout": "0.1", "hidden": "[30,10]"}
    assert parameters("mlp") == {}
