from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.analysis.boards.across import levels

densities = st.lists(st.sampled_from([0.9, 0.5, 0.501, 0.36, 0.2, 0.1, 0.0467]), unique=True)
ladders = st.dictionaries(st.sampled_from("abcde"), densities)


def seen(given: dict[str, list[float]]) -> list[tuple[int | None, dict[str, float]]]:
    return [(level.rung, dict(level.densities)) for level in levels(given)]


def test_densities_that_agree_are_compared_where_two_tasks_have_them() -> None:
    found = seen({"conv": [0.6, 0.36, 0.13], "mlp": [0.36, 0.13, 0.028]})
    assert found == [(None, {"conv": 0.36, "mlp": 0.36}), (None, {"conv": 0.13, "mlp": 0.13})]


def test_densities_within_half_a_percent_agree() -> None:
    assert seen({"a": [0.2107], "b": [0.2113]}) == [(None, {"a": 0.2107, "b": 0.2113})]
    assert seen({"a": [0.2107], "b": [0.2120]})[0][0] == 1


def test_ladders_of_their_own_are_compared_rung_by_rung() -> None:
    """The suite cifar_conv: each network's densities come from its own pruning rates."""
    found = levels({"conv2": [0.64, 0.33], "conv4": [0.66, 0.36, 0.2], "conv6": [0.68, 0.39, 0.22]})
    assert [level.rung for level in found] == [1, 2, 3]
    assert found[0].densities == {"conv2": 0.64, "conv4": 0.66, "conv6": 0.68}
    assert found[2].densities == {"conv4": 0.2, "conv6": 0.22}
    assert found[0].mean == pytest.approx((0.64 + 0.66 + 0.68) / 3)


def test_one_stray_agreement_does_not_make_a_ladder() -> None:
    found = levels({"a": [0.5, 0.2], "b": [0.6, 0.3], "c": [0.7, 0.4], "d": [0.8, 0.1],
                    "e": [0.5, 0.25]})  # fmt: skip
    assert [level.rung for level in found] == [1, 2]


def test_one_task_or_none_has_nothing_to_be_compared_with() -> None:
    assert levels({}) == levels({"a": [0.5, 0.2]}) == levels({"a": [0.5], "b": []}) == []


@given(ladders)
def test_every_level_takes_one_density_of_two_tasks_or_more(given: dict[str, list[float]]) -> None:
    found = levels(given)
    for level in found:
        assert len(level.densities) > 1
        assert all(density in given[task] for task, density in level.densities.items())
    used = [(task, d) for level in found for task, d in level.densities.items()]
    assert len(used) == len(set(used))
    if any(level.rung for level in found):  # a rung's mean may exceed the one before's: other tasks
        assert [level.rung for level in found] == sorted(level.rung for level in found)
    else:
        assert [level.mean for level in found] == sorted((x.mean for x in found), reverse=True)
