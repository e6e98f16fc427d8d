"""How much is tried: in CI all, elsewhere a fifth of the examples of property tests, and of the
products of many kinds one or a few, the others among the slow tests.

`.ci/run` sets LTH_BENCH_THOROUGH=1; so does `LTH_BENCH_THOROUGH=1 make test` by hand.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck

THOROUGH = os.environ.get("LTH_BENCH_THOROUGH", "") not in ("", "0")

UNCHECKED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
"""`suppress_health_check` of a test with fixtures of its own. What a test names replaces what the
profile has (`conftest.py`), and without the first of these a busy machine is a failure: examples
are slow to make there.
"""


def cases(n: int) -> int:
    """`n` examples where thorough, else a fifth of them but at least 5."""
    return n if THOROUGH else min(n, max(5, n // 5))


def some(params: Iterable[Any], n: int = 1) -> list[Any]:
    """`params` of `pytest.mark.parametrize`: the first `n` as they are, the others marked slow."""
    every = list(params)
    slow = [
        p if isinstance(p, ParameterSet) else pytest.param(*(p if type(p) is tuple else (p,)))
        for p in every[n:]
    ]
    return every[:n] + [p._replace(marks=[*p.marks, pytest.mark.slow]) for p in slow]
