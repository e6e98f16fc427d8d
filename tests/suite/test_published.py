"""Every published figure of a shipped claim is one of `published.toml`, of the same method."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.measures import Measure, measure
from lth_bench.data.root import data_root
from lth_bench.params import build
from lth_bench.plugins import load_registry
from lth_bench.suite import load_suite
from lth_bench.suite.source import shipped
from lth_bench.suite.spec import Claim, Side, Suite

KNOWN = tomllib.loads(Path(__file__).with_name("published.toml").read_text(encoding="utf-8"))
FIGURES: dict[str, dict[str, Any]] = {figure["key"]: figure for figure in KNOWN["figures"]}
NETWORKS = {
    "lenet_300_100": "LeNet-300-100", "conv2": "Conv-2", "conv4": "Conv-4", "conv6": "Conv-6",
    "resnet20": "ResNet-20", "vgg16_bn": "VGG-16",
}  # fmt: skip
"""Models of the suites, as the papers call them."""

QUOTED = [
    pytest.param(suite, claim, id=f"{name}-{claim.name}")
    for name in shipped()
    for suite in [load_suite(name)]
    for claim in suite.claims
    if claim.published is not None
]


def primary(suite: Suite, claim: Claim) -> Measure:
    """The claim's metric; `score` is its task's primary one, which its objective names."""
    if claim.metric != "score":
        return measure(claim.metric)
    registry = load_registry()
    (task,) = (
        t for t in suite.tasks if (t.model.label, t.dataset.label, t.recipe_name) == claim.of.task
    )
    dataset = build(registry.get("datasets", task.dataset.name), task.dataset.params, "dataset")
    name = dataset.info(data_root()).objective
    if task.objective is not None:
        name = task.objective.name
    return measure(f"test_{registry.get('objectives', name).metrics[0].name}")


def quoted(suite: Suite, claim: Claim) -> list[list[dict[str, Any]]]:
    """The figures it quotes: one or a difference of two, of a range for both ends."""
    ends = KNOWN["claims"].get(suite.name, {}).get(claim.name)
    assert ends, f"{suite.name}: {claim.name} quotes a figure that published.toml does not have"
    return [[FIGURES[key] for key in end] for end in ends]


@pytest.mark.parametrize(("suite", "claim"), QUOTED)
def test_the_value(suite: Suite, claim: Claim) -> None:
    assert claim.published is not None
    percent = claim.compare != "ratio" and primary(suite, claim).is_fraction
    values = [
        (end[0]["value"] - sum(other["value"] for other in end[1:])) / (100 if percent else 1)
        for end in quoted(suite, claim)
    ]
    assert claim.published == pytest.approx((values[0], values[-1]), abs=1e-9)


@pytest.mark.parametrize(("suite", "claim"), QUOTED)
def test_it_is_of_the_same_method(suite: Suite, claim: Claim) -> None:
    """A one-shot figure says nothing of iterative rounds, nor the other way round."""
    registry, uses = load_registry(), {s.label: s.use for s in suite.strategies}

    def pruning(side: Side) -> str | None:
        strategy = registry.get("strategies", uses.get(side.label, "dense"))
        return "iterative" if getattr(strategy, "iterative", False) else None

    sides = [side for side in (claim.of, claim.versus) if side is not None]
    ours = {pruning(side) for side in sides} - {None}
    theirs = {f.get("pruning") for end in quoted(suite, claim) for f in end} - {None}
    assert theirs == ours


@pytest.mark.parametrize(("suite", "claim"), QUOTED)
def test_the_source_names_what_is_otherwise(suite: Suite, claim: Claim) -> None:
    """The paper; and network and density, where they are not the claim's own."""
    densities = [100 * d for d in claim.of.densities if d < 1]
    model = NETWORKS[claim.of.task[0].partition("(")[0]]
    for figure in [figure for end in quoted(suite, claim) for figure in end]:
        assert figure["paper"] in claim.source
        if not model.startswith(figure["network"]):
            assert figure["network"] in claim.source
        left = figure.get("left")
        if left is None or not densities:
            continue
        near = any(math.isclose(left, density, rel_tol=0.02) for density in densities)
        assert near or f"{left}% of the weights" in claim.source


def test_nothing_is_left_over() -> None:
    claims = {(name, claim.name) for name in shipped() for claim in load_suite(name).claims}
    listed = {(suite, name) for suite, found in KNOWN["claims"].items() for name in found}
    assert listed <= claims
    used = {
        key for found in KNOWN["claims"].values() for ends in found.values() for end in ends
        for key in end
    }  # fmt: skip
    assert used == FIGURES.keys()
    assert len(FIGURES) == len(KNOWN["figures"])
