"""The suites in suites/README.md are right."""

from __future__ import annotations

import inspect
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest

import lth_strategies
from lth_bench.params import build
from lth_bench.plugins import load_registry
from lth_bench.suite import load_suite
from lth_bench.suite.document import ClaimTable, Header, StrategyTable, TaskTable
from lth_bench.suite.source import FOLDER, shipped
from lth_bench.suite.tune import TuneTable
from lth_bench.training.recipe import Recipe

README = FOLDER / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="suites/README.md is not here")


def blocks() -> list[str]:
    return re.findall(r"```toml\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_every_built_in_method_is_listed_by_family_with_paper_and_cost():
    text = README.read_text(encoding="utf-8")
    table = text.partition("### Built-in methods")[2].partition("\n### ")[0]
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    listed: dict[str, list[str]] = {}
    strategies = load_registry(third_party=False).strategies
    for *family, name, paper, cost in lines[1:]:
        listed.setdefault(*(family or [next(reversed(listed))]), []).append(name.strip("`"))
        cls = strategies[name.strip("`")].load()
        said = " ".join((inspect.getdoc(cls) + inspect.getsource(inspect.getmodule(cls))).split())
        for cited in re.findall(r"([A-Z]\w+)[^;]*?, (\d{4})", paper):
            assert re.search(rf"{cited[0]}[^;)]*{cited[1]}", said), (name, cited)
        assert cost
    assert listed == {family: [*names] for family, names in lth_strategies.FAMILIES.items()}
    assert sorted(chain(*listed.values())) == sorted(strategies)


def test_the_smallest_suite(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text(blocks()[0])
    suite = load_suite(path)
    assert (suite.name, len(suite.pairs())) == ("mine", 2)
    build(Recipe, suite.tasks[0].recipe)


def excerpt(key: str) -> str:
    """The first block, after the whole suite, that begins with this table."""
    return next(block for block in blocks()[1:] if block.startswith(key))


def test_the_excerpts():
    strategies = []
    for block in blocks()[1:]:
        read = tomllib.loads(block)
        for task in read.get("tasks", []):
            build(TaskTable, task)
        strategies += [(s, build(StrategyTable, s)) for s in read.get("strategies", [])]
    recipe = tomllib.loads(excerpt("[recipes.sgd]"))["recipes"]["sgd"]
    found = build(Recipe, recipe)
    others = {"steps", "betas", "final_lr", "bits", "resized_crop"}
    assert set(recipe) | others == set(found.__dataclass_fields__)
    ((frozen, table),) = ((text, built) for text, built in strategies if built.tuned)
    assert {*frozen["tuned"][0]} == set(table.tuned[0].__dataclass_fields__)
    build(TuneTable, tomllib.loads(excerpt("[tune]"))["tune"])
    claims = tomllib.loads(excerpt("[[claims]]"))["claims"]
    assert [build(ClaimTable, claim).name for claim in claims] == [
        "ticket-beats-reinit",
        "reinit-stops-later",
    ]


def test_the_claims_can_be_copied_into_a_suite(tmp_path: Path) -> None:
    suite = shipped()["mnist_lenet"].read_text(encoding="utf-8").partition("[[claims]]")[0]
    path = tmp_path / "mine.toml"
    path.write_text(suite + excerpt("[[claims]]"))
    assert [claim.of.densities for claim in load_suite(path).claims] == [(0.2107,), (0.2107,)]


def test_every_key_and_every_shipped_suite_is_listed():
    text = README.read_text(encoding="utf-8")
    for name in [*shipped(), *Header.__dataclass_fields__]:
        assert f"| `{name}` |" in text
    for name in ClaimTable.__dataclass_fields__:
        assert f"`{name}`" in text
