from __future__ import annotations

import dataclasses
import math
import runpy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.store import fold
from lth_bench.store.database import open_safe
from lth_bench.store.trials import Study, read_studies
from lth_bench.suite import load_suite
from lth_bench.suite.check import check
from lth_bench.suite.load import suite_of
from lth_bench.suite.spec import StrategySpec, Suite
from lth_bench.suite.tuned import seed_overlap_notes
from lth_bench.tuning.freeze import (
    freeze,
    toml_comment,
    toml_entries,
    toml_value,
    tuned_label,
    write_best,
)

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
Search = RECORDS["Search"]
CONV = ("conv_bn(gamma_init=0.5)", "digits", "conv")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Study]]:
    """`found(*searches)`: the studies, as the database has them; the same ones are made once."""
    known: dict[str, list[Study]] = {}

    def make(*searches: Any) -> list[Study]:
        key = repr(searches)
        if key not in known:
            folder = tmp_path_factory.mktemp("found")
            paths = RECORDS["write"](folder / "results.duckdb", *searches)
            fold(paths)
            with open_safe(paths) as con:
                known[key] = read_studies(con)
        return known[key]

    return make


def strategies(text: str) -> dict[str, StrategySpec]:
    return {s.label: s for s in suite_of(text, Path("frozen.toml")).strategies}


def test_each_task_has_its_own_tuned_settings(found: Callable[..., list[Study]]) -> None:
    suite = load_suite("quickstart")
    text = freeze(suite, found(Search(), Search(task=CONV)))
    read = suite_of(text, Path("frozen.toml"))
    own = [s for s in read.strategies if s.label != "imp-tuned"]
    assert own == list(suite.strategies)
    assert read.tasks == suite.tasks
    tuned = strategies(text)["imp-tuned"]
    for search, task in zip((Search(), Search(task=CONV)), read.tasks, strict=True):
        best = search.trial(search.best)
        assert tuned.params_on(task) == {
            "prune_rate": {"conv": best["params"]["prune_rate.conv"]}, "scope": "global",
        }  # fmt: skip
        assert tuned.recipe_on(task) == {**task.recipe, "lr": best["params"]["recipe.lr"]}
        origin = {"study": search.study_id, "trial": search.best, "steps": search.steps}
        assert tuned.tuned_on(task).origin == origin  # type: ignore[union-attr]
    check(dataclasses.replace(read, plugins=()), load_registry((), third_party=False))


def test_comments_state_the_origin_of_the_values(found: Callable[..., list[Study]]) -> None:
    search = Search()
    comments = " ".join(
        line.removeprefix("# ")
        for line in freeze(load_suite("quickstart"), found(search)).splitlines()
        if line.startswith("#")
    )
    best, own = search.trial(search.best)["values"][0], search.trial(0)["values"][0]
    for part in (
        f"trial {search.best} of 12, sampler tpe, on the validation split at density 0.2: accuracy",
        f"{best:.4g}; the suite's own settings: {own:.4g}, 20",
        "what tuning found for imp",
        "lth-bench 0.1.0",
    ):
        assert part in comments


def test_a_task_that_was_not_tuned_has_no_tuned_label(found: Callable[..., list[Study]]) -> None:
    suite = suite_of(freeze(load_suite("quickstart"), found(Search())), Path("x.toml"))
    assert [t.label for s, t in suite.pairs() if s.label == "imp-tuned"] == ["mlp/digits/mlp"]


def test_tune_is_left_out_and_the_claims_stay(found: Callable[..., list[Study]]) -> None:
    text = """
[tune]
budget = { trials = 5 }
[tune.space.imp]
scope = true

[[claims]]
name = "one"
text = "ends in \\"quotes\\" and \\u00e9"
source = "here"
of = "imp"
model = "mlp"
density = 0.13
at_least = 0.5
"""
    suite = load_suite("quickstart")
    whole = suite_of(suite.text + text, suite.path)
    frozen = freeze(whole, found(Search()))
    assert "tune" not in tomllib.loads(frozen)
    assert suite_of(frozen, suite.path).claims == whole.claims
    less = suite_of(suite.text + text, suite.path, ["tasks.0.densities=[0.36]"])
    assert "claims" not in tomllib.loads(freeze(less, found(Search())))


def test_overrides_are_included(found: Callable[..., list[Study]]) -> None:
    changes = ["recipes.mlp.lr=0.5", "strategies.random.params.allocation=erk"]
    suite = load_suite("quickstart", changes, added={"synflow": "--add synflow"})
    frozen = freeze(suite, found(Search()))
    assert tomllib.loads(frozen)["recipes"]["mlp"]["lr"] == 0.5
    assert list(strategies(frozen))[-2:] == ["synflow", "imp-tuned"]
    assert "--set recipes.mlp.lr=0.5" in frozen


def test_plugin_paths_are_relative_to_the_new_file(
    found: Callable[..., list[Study]], tmp_path: Path
) -> None:
    text = load_suite("quickstart").text
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "mine.toml"
    path.write_text(text.replace("[suite]", 'plugins = ["my.py"]\n\n[suite]', 1))
    frozen = freeze(load_suite(path), found(Search()), tmp_path / "there")
    assert tomllib.loads(frozen)["plugins"] == ["../here/my.py"]
    assert tomllib.loads(freeze(load_suite(path), found(Search())))["plugins"] == ["my.py"]


def test_an_earlier_tuned_label_is_replaced(found: Callable[..., list[Study]]) -> None:
    suite = load_suite("quickstart")
    once = freeze(suite, found(Search()))
    again = freeze(suite_of(once, suite.path), found(Search()))
    assert strategies(once) == strategies(again)


def test_the_newest_of_two_studies_counts(found: Callable[..., list[Study]]) -> None:
    old = Search(changes={n: {"at": "2026-01-01T00:00:00"} for n in range(12)})
    at = {n: {"at": "2026-02-01T00:00:00"} for n in range(12)}
    new = Search(objectives=("area",), changes=at)
    frozen = freeze(load_suite("quickstart"), found(new, old))
    tuned = strategies(frozen)["imp-tuned"].tuned
    assert [t.origin["study"] for t in tuned if t.origin] == [new.study_id]


def test_a_comment_says_that_no_trial_beat_the_own_settings(
    found: Callable[..., list[Study]],
) -> None:
    worse = {n: {"values": [0.1]} for n in range(1, 12)}
    frozen = freeze(load_suite("quickstart"), found(Search(changes=worse)))
    assert "the suite's own settings, which no trial beat" in frozen.replace("\n# ", " ")
    assert '"trial": 0' in str(tomllib.loads(frozen)).replace("'", '"')


def test_hostile_names_stay_values(found: Callable[..., list[Study]]) -> None:
    """A study that fits no label of the suite is left out; a sampler's name is only a comment."""
    hostile = '"]\n[suite]\nname = "x"\r\x00\u2028'
    sampler = {n: {"sampler": hostile} for n in range(12)}
    frozen = freeze(load_suite("quickstart"), found(Search(changes=sampler), Search(label=hostile)))
    assert suite_of(frozen, Path("x.toml")).name == "quickstart"
    assert list(strategies(frozen))[-1] == "imp-tuned"


def test_nothing_found_is_one_message(found: Callable[..., list[Study]]) -> None:
    suite = load_suite("quickstart")
    failed = {n: {"state": "failed", "values": []} for n in range(12)}
    for studies in (found(Search(changes=failed)), found(Search(label="gone"))):
        with pytest.raises(
            UserError, match="no trial of suite 'quickstart' has finished with a value"
        ):
            freeze(suite, studies)
    lost = {Search().best: {"experiment_ids": []}}
    with pytest.raises(UserError, match=r"have no experiment of trial .*; merge the results"):
        freeze(suite, found(Search(changes=lost)))


def test_write_best_writes_the_given_path(tmp_path: Path) -> None:
    paths = RECORDS["write"](tmp_path / "results.duckdb", Search())
    suite: Suite = load_suite("quickstart")
    text = write_best(paths.results, suite, tmp_path / "found.toml")
    assert (tmp_path / "found.toml").read_text() == text == write_best(paths.results, suite, None)
    with pytest.raises(UserError, match=r"cannot write .*gone/found.toml"):
        write_best(paths.results, suite, tmp_path / "gone" / "found.toml")


def test_a_long_label_stays_a_label() -> None:
    assert tuned_label("imp") == "imp-tuned"
    assert len(tuned_label("x" * 64)) == 64


def test_a_note_lists_seeds_that_the_search_used(found: Callable[..., list[Study]]) -> None:
    text = freeze(load_suite("quickstart"), found(Search()))
    suite = suite_of(text, Path("x.toml"))
    assert strategies(text)["imp-tuned"].tuned[0].seeds == (100, 101)
    assert seed_overlap_notes(suite) == []
    (note,) = seed_overlap_notes(dataclasses.replace(suite, seeds=(0, 101)))
    assert note.startswith("imp-tuned was tuned at seed 101, so results there favour it")


def test_another_trial_than_the_best(found: Callable[..., list[Study]]) -> None:
    search = Search(objectives=("accuracy", "cost"), trials=15)
    studies = found(search)
    (study,) = studies
    assert study.best is not None
    other = next(t for t in study.front if t.number != study.best.number)
    suite = load_suite("quickstart")
    text = freeze(suite, studies, trial=other.number)
    (tuned,) = strategies(text)["imp-tuned"].tuned
    assert tuned.origin is not None and tuned.origin["trial"] == other.number
    assert "chosen by hand" in text
    with pytest.raises(
        UserError, match=r"trial 99 of imp .* does not exist .*; trials on the front: 1, "
    ):
        freeze(suite, studies, trial=99)
    with pytest.raises(UserError, match=r"--trial 1 is ambiguous: .* choose one with -s LABEL"):
        freeze(suite, found(Search(), Search(task=CONV)), trial=1)


def test_the_suite_is_named_as_it_was_given(found: Callable[..., list[Study]]) -> None:
    with pytest.raises(UserError, match=r"`lth-bench tune 'my own.toml'` first"):
        freeze(load_suite("quickstart"), [], given="my own.toml")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
SCALARS = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXTS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)


@given(st.dictionaries(TEXTS, VALUES, max_size=4))
def test_toml_round_trip(table: dict[str, object]) -> None:
    assert tomllib.loads("\n".join(toml_entries(table))) == table


def test_a_long_list_has_a_line_for_each_item() -> None:
    lines = toml_entries({"densities": [0.123456789 + i for i in range(20)]})
    assert len(lines) == 22
    assert len(tomllib.loads("\n".join(lines))["densities"]) == 20


def test_values_that_toml_does_not_have() -> None:
    with pytest.raises(TypeError, match="TOML has no NoneType"):
        toml_value(None)
    assert math.isnan(tomllib.loads(f"x = {toml_value(math.nan)}")["x"])


@given(TEXTS)
def test_no_text_can_end_a_comment(text: str) -> None:
    assert tomllib.loads("\n".join([*toml_comment(text), "x = 1"])) == {"x": 1}


def test_ablations_of_a_strategy_are_those_of_its_tuned_label_too(
    found: Callable[..., list[Study]],
) -> None:
    text = load_suite("quickstart").text
    own = 'use = "imp"\nablations = ["random_labels"]'
    for table, added in (
        (own, {"imp-random_labels", "imp-tuned-random_labels"}),
        # a strategy's own, if empty, replaces the suite's
        ('use = "imp"\nablations = []', set()),
    ):
        suite = suite_of(text.replace('use = "imp"', table, 1), Path("x.toml"))
        frozen = strategies(freeze(suite, found(Search())))
        assert {s.label for s in frozen.values() if s.ablation is not None} == added
    everywhere = text.replace("\nseeds = 5", '\nseeds = 5\nablations = ["scratch_e"]')
    frozen = strategies(freeze(suite_of(everywhere, Path("x.toml")), found(Search())))
    assert {"imp-scratch_e", "imp-tuned-scratch_e", "snip-scratch_e"} <= set(frozen)
    assert not frozen["imp-tuned-scratch_e"].explicit
