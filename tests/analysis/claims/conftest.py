"""Samples and claims made by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lth_bench.analysis.claims.evidence import cells_of
from lth_bench.analysis.samples import Sample
from lth_bench.suite.spec import Claim, Side

TASK = ("net", "data", "short")


@pytest.fixture
def sample() -> Callable[..., Sample]:
    """`sample("imp/reinit", 0.2, {0: 0.9}, lost=[1])`."""

    def make(name: str, density: float, values: Mapping[int, float], **seeds: Any) -> Sample:
        label, _, control = name.partition("/")
        lost, skipped, missing = (
            frozenset(seeds.pop(key, ())) for key in ("lost", "skipped", "missing")
        )
        source = seeds.pop("source", "/".join(TASK))
        model, dataset, recipe = seeds.pop("task", TASK)
        assert not seeds
        return Sample(
            suite="mine",
            model=model,
            dataset=dataset,
            recipe=recipe,
            target_density=density,
            strategy=label,
            label=label,
            control=control or "none",
            source=source,
            values=values,
            lost=lost,
            skipped=skipped,
            missing=missing,
        )

    return make


@pytest.fixture
def claim() -> Callable[..., Claim]:
    """`claim("imp", "dense", at_least=0.1)`; densities of the dense run are (1.0,)."""

    def make(
        of: str, versus: str | None = None, densities: tuple[float, ...] = (0.2,), **said: Any
    ) -> Claim:
        def side(name: str) -> Side:
            label, _, control = name.partition("/")
            return Side(label, control or "none", TASK, (1.0,) if label == "dense" else densities)

        bounds = [key for key in ("at_least", "at_most", "within") if key in said]
        bound: Any = bounds[0] if bounds else "reported"
        threshold = said.pop(bound, None)
        compare = said.pop("compare", "difference" if versus else "value")
        whole: dict[str, Any] = {
            "name": "it", "text": "It is so", "source": "A paper", "metric": "test_accuracy",
            "published": None, **said,
        }  # fmt: skip
        return Claim(
            of=side(of), versus=None if versus is None else side(versus), compare=compare,
            bound=bound, threshold=threshold, **whole,
        )  # fmt: skip

    return make


@pytest.fixture
def cells() -> Callable[..., Any]:
    """`cells(*samples)`: by cell, as they come from a database."""
    return lambda *samples: cells_of(list(samples))
