from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lth_bench.analysis.samples import Sample


@pytest.fixture
def sample() -> Callable[..., Sample]:
    """`sample("imp/reinit", 0.2, {0: 0.9}, suite="other", lost=[1])`."""

    def make(name: str, density: float, values: Mapping[int, float], **said: Any) -> Sample:
        label, _, control = name.partition("/")
        seeds = {key: frozenset(said.pop(key, ())) for key in ("lost", "skipped", "missing")}
        task = said.pop("task", ("net", "data", "short"))
        suite, source = said.pop("suite", "mine"), said.pop("source", "/".join(task))
        assert not said
        return Sample(
            suite=suite,
            **dict(zip(("model", "dataset", "recipe"), task, strict=True)),
            target_density=density,
            strategy=label,
            label=label,
            control=control or "none",
            source=source,
            values=values,
            **seeds,
        )

    return make
