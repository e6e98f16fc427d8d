"""How many examples property tests try: all of them in CI, a fifth of them elsewhere.

`.ci/run` sets LTH_BENCH_THOROUGH=1; so does `LTH_BENCH_THOROUGH=1 make test` by hand.
"""

from __future__ import annotations

import os

THOROUGH = os.environ.get("LTH_BENCH_THOROUGH", "") not in ("", "0")


def cases(n: int) -> int:
    """`n` examples where thorough, else a fifth of them but at least 5."""
    return n if THOROUGH else min(n, max(5, n // 5))
