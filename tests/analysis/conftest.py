"""Samples made by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest

from lth_bench.analysis.samples import Sample

TASK = ("net", "data", "short")


@pytest.fixture(scope="session")
def sample() -> Callable[..., Sample]:
    """`sample("imp/reinit", 0.2, {0: 0.9}, suite="other", lost=[1])`."""

    def make(
        name: str,
        density: float,
        values: Mapping[int, float],
        *,
        suite: str = "mine",
        task: tuple[str, str, str] = TASK,
        source: str | None = None,
        lost: Iterable[int] = (),
        skipped: Iterable[int] = (),
        missing: Iterable[int] = (),
        censored: Iterable[int] = (),
    ) -> Sample:
        label, _, control = name.partition("/")
        model, dataset, recipe = task
        return Sample(
            suite=suite,
            model=model,
            dataset=dataset,
            recipe=recipe,
            target_density=density,
            strategy=label,
            label=label,
            control=control or "none",
            source="/".join(task) if source is None else source,
            values=values,
            lost=frozenset(lost),
            skipped=frozenset(skipped),
            missing=frozenset(missing),
            censored=frozenset(censored),
        )

    return make
