"""The suites in suites/README.md are right."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from lth_bench.params import build
from lth_bench.suite import load_suite
from lth_bench.suite.document import ClaimTable, Header, StrategyTable, TaskTable
from lth_bench.suite.source import FOLDER, shipped
from lth_bench.suite.tune import TuneTable
from lth_bench.training.recipe import Recipe

README = FOLDER / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="suites/README.md is not here")


def blocks() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_smallest_suite(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(blocks()[0])
    suite = load_suite(path)
    assert (suite.name, len(suite.pairs())) == ("mine", 2)
    build(Recipe, suite.tasks[0].recipe)


def test_the_excerpts():
    tasks, recipe, strategies, tune, frozen, claims, _ = map(tomllib.loads, blocks()[1:])
    build(TaskTable, tasks["tasks"][0])
    found = build(Recipe, recipe["recipes"]["sgd"])
    assert set(recipe["recipes"]["sgd"]) | {"steps", "betas"} == set(found.__dataclass_fields__)
    build(StrategyTable, strategies["strategies"][0])
    build(TuneTable, tune["tune"])
    (tuned,) = build(StrategyTable, frozen["strategies"][0]).tuned
    assert {*frozen["strategies"][0]["tuned"][0]} == set(tuned.__dataclass_fields__)
    assert [build(ClaimTable, claim).name for claim in claims["claims"]] == [
        "ticket-beats-reinit",
        "reinit-stops-later",
    ]


def test_the_claims_can_be_copied_into_a_suite(tmp_path: Path) -> None:
    suite = shipped()["mnist_lenet"].read_text(encoding="utf-8").partition("[[claims]]")[0]
    path = tmp_path / "mine.toml"
    path.write_text(suite + blocks()[6])
    assert [claim.of.densities for claim in load_suite(path).claims] == [(0.2107,), (0.2107,)]


def test_every_key_and_every_shipped_suite_is_listed():
    text = README.read_text(encoding="utf-8")
    for name in [*shipped(), *Header.__dataclass_fields__]:
        assert f"| `{name}` |" in text
    for name in ClaimTable.__dataclass_fields__:
        assert f"`{name}`" in text
