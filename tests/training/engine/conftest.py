"""What the tests of layouts share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def train() -> Callable[..., Any]:
    """`train(kind, bench, request, steps=30)`: values, validation figures and summed losses.

    The layout trains twice in turn and the second time counts, so that nothing may be left of the
    first.
    """

    def run(kind: Any, bench: Any, request: Any, steps: int = 30) -> Any:
        layout = kind(bench.network, bench.data, request.recipe, 1)
        for values in ({k: 3 * v for k, v in request.values.items()}, request.values):
            layout.begin([request.seed], [0], [values], [request.mask], penalties={})
            for step in range(steps):
                layout.forward_backward(step)
                layout.update(request.recipe.lr / (step + 1))
        live = {k: v.clone() for k, v in layout.live(0).items()}
        return live, layout.evaluate([0])[0], float(layout.losses)

    return run
