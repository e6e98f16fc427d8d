from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import pytest

from lth_bench import PerKind, Range, Tune
from lth_bench.errors import UserError
from lth_bench.params import build
from lth_bench.plugins import load_registry
from lth_bench.suite.tune import SearchDomain
from lth_bench.training.recipe import Recipe
from lth_bench.tuning.space import recipe_space, space_of

KINDS = {"linear", "output"}


@dataclass(frozen=True, eq=False)
class Third:
    """A third party's strategy, which has never heard of tuning."""

    rate: Annotated[float, Range(0, 1, open_low=True)] = 0.5
    tiny: Annotated[float, Range(0, 1)] = 1e-4
    count: Annotated[int, Range(1, math.inf)] = 40
    few: Annotated[int, Range(1, 8)] = 3
    free: float = 2.0
    negative: float = -2.0
    step: Annotated[int, Range(0, 100)] | None = None
    way: Literal["a", "b"] = "a"
    flag: bool = False
    name: str = "x"
    sizes: tuple[int, ...] = (1, 2)
    hidden: Annotated[float, Range(0, 1), Tune(search=False)] = 0.5
    rates: Annotated[PerKind, Tune(0.1, 0.7)] = PerKind(0.2, 0.2, 0.1)


def strategy(name: str, **params: object):
    return build(load_registry().get("strategies", name), params)


def shown(dimensions) -> dict[str, str]:
    return {d.name: str(d) for d in dimensions}


def test_the_space_follows_from_annotations():
    assert shown(space_of(Third(), None, KINDS)) == {
        "rate": "0.01 to 1",
        "tiny": "1e-05 to 0.001, log",
        "count": "4 to 400, log",
        "few": "1 to 8",
        "free": "0.2 to 20, log",
        "way": "one of 'a', 'b'",
        "flag": "one of false, true",
        "rates.linear": "0.1 to 0.7",
        "rates.output": "0.1 to 0.7",
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("imp", {"prune_rate.linear", "prune_rate.output"}),
        ("late_rewind", {"prune_rate.linear", "prune_rate.output", "rewind_fraction"}),
        ("snip", {"batch_size"}),
        ("rigl", {"drop_fraction", "update_every", "allocation"}),
        ("early_bird", {"threshold", "window"}),
        ("random", {"allocation"}),
        ("dense", set()),
    ],
)
def test_the_built_in_strategies_declare_what_is_tuned(name, expected):
    assert {d.name for d in space_of(strategy(name), None, KINDS)} == expected


def test_every_built_in_value_lies_in_its_own_space():
    for name in load_registry().strategies:
        for dimension in space_of(strategy(name), None):
            internal = dimension.distribution().to_internal_repr(dimension.default)
            assert dimension.distribution()._contains(internal), (name, dimension.name)


def test_what_a_parameter_names_is_tried_however_wide_its_range():
    """A hundredth of a range of 0 to 100 is more than the smallest value that is asked for."""
    (found,) = (d for d in space_of(strategy("bimp"), None) if d.name == "budget")
    assert (found.low, found.high) == (0.1, 1.0)


def test_equal_rates_are_tuned_together():
    (rate,) = space_of(strategy("imp", prune_rate=0.4), None, KINDS)
    assert rate.name == "prune_rate"
    assert rate.places == (("prune_rate", "linear"), ("prune_rate", "output"))


def test_a_table_replaces_the_declared_space():
    asked = {"prune_rate.linear": SearchDomain(low=0.1, high=0.5, step=0.1), "scope": True}
    assert shown(space_of(strategy("imp"), asked, KINDS)) == {
        "prune_rate.linear": "0.1 to 0.5, step 0.1",
        "scope": "one of 'layer', 'global'",
    }


def test_a_range_of_a_table_parameter_holds_for_each_kind_or_for_all_together():
    apart = {"prune_rate": SearchDomain(low=0.1, high=0.5, tied=False)}
    together = {"prune_rate": SearchDomain(low=0.1, high=0.5)}
    imp = strategy("imp", prune_rate=0.2)
    assert set(shown(space_of(imp, apart, KINDS))) == {"prune_rate.linear", "prune_rate.output"}
    assert set(shown(space_of(imp, together, KINDS))) == {"prune_rate"}


def test_a_part_overrides_the_whole_and_false_excludes_it():
    asked = {"prune_rate": True, "prune_rate.output": False}
    assert set(shown(space_of(strategy("imp"), asked, KINDS))) == {"prune_rate.linear"}
    asked = {"prune_rate": True, "prune_rate.output": SearchDomain(low=0.1, high=0.2)}
    assert shown(space_of(strategy("imp"), asked, KINDS))["prune_rate.output"] == "0.1 to 0.2"


def test_the_suite_s_own_value_always_lies_in_the_space():
    asked = {"prune_rate": SearchDomain(low=0.1, high=0.5)}
    (rate,) = space_of(strategy("imp", prune_rate=0.9), asked, KINDS)
    assert (rate.low, rate.high, rate.default) == (0.1, 0.9, 0.9)
    asked = {"allocation": SearchDomain(choices=("uniform", "erk"))}
    (way,) = space_of(strategy("random"), asked)
    assert set(way.choices) == {"uniform", "erk"}


def test_kinds_of_layers_missing_in_the_network_are_left_out():
    asked = {"prune_rate.conv": True, "prune_rate.linear": True}
    assert set(shown(space_of(strategy("imp"), asked, KINDS))) == {"prune_rate.linear"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"prune_rat": True}, "unknown parameter 'prune_rat'; did you mean 'prune_rate'?"),
        (
            {"prune_rate": SearchDomain(low=0.1, high=1.5)},
            "prune_rate.linear: high must be in [0, 1], but got 1.5",
        ),
        ({"scope": SearchDomain(low=1, high=2)}, "scope is not a number"),
        ({"scope": SearchDomain(choices=("a",))}, "must be one of 'layer', 'global', but got 'a'"),
        (
            {"scope": SearchDomain(choices=("layer",))},
            "at least two choices, but got 'layer' alone",
        ),
        (
            {"prune_rate.linear": SearchDomain(low=0.05, high=0.5, step=0.2)},
            "a multiple of the step 0.2",
        ),
        (
            {"prune_rate": SearchDomain(low=0.1, high=0.5, tied=True)},
            "cannot be tied: .*linear = 0.2",
        ),
    ],
)
def test_what_cannot_be_tuned_is_refused(asked, message):
    with pytest.raises(UserError) as caught:
        space_of(strategy("imp"), asked, KINDS, ("tune", "space", "imp"))
    assert caught.value.message.startswith("tune.space.imp: ")
    left, _, right = message.partition(".*")
    assert left in caught.value.message
    assert right in caught.value.message
    assert caught.value.path[:3] == ("tune", "space", "imp")


def test_an_unset_parameter_has_no_value_for_trial_0():
    asked = {"rewind_step": SearchDomain(low=1, high=20)}
    with pytest.raises(UserError, match="rewind_step has no value, and trial 0 needs one"):
        space_of(strategy("late_rewind"), asked)
    (step,) = space_of(strategy("late_rewind", rewind_step=4), asked)
    assert (step.kind, step.low, step.high) == ("int", 1, 20)


def test_a_log_range_must_be_above_0():
    asked = {"prune_rate.linear": SearchDomain(low=0.0, high=0.5, log=True)}
    with pytest.raises(UserError, match="log = true must be above 0, but it starts at 0"):
        space_of(strategy("imp"), asked)


def test_recipe_values_are_tuned_where_the_suite_lists_them():
    recipe = build(Recipe, {"steps": 100, "lr": 0.01})
    found = recipe_space(
        recipe, {"lr": SearchDomain(low=1e-3, high=0.1, log=True), "batch_size": True}
    )
    assert shown(found) == {"lr": "0.001 to 0.1, log", "batch_size": "13 to 1280, log"}
    assert {d.of for d in found} == {"recipe"}
    with pytest.raises(UserError, match=r"val_size cannot be tuned: .* validation split"):
        recipe_space(recipe, {"val_size": SearchDomain(low=10, high=20)})
