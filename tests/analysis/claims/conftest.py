"""Claims made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.claims.evidence import cells_of
from lth_bench.suite.spec import Claim, Side

TASK = ("net", "data", "short")


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
