"""Timing without the time that it takes."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def short_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of one run, by torch's Timer, which otherwise wants them ten thousand times as long as
    reading the clock takes: 10 to 100 ms. For tests of what is timed, not of how exactly.
    """
    from lth_bench.interchange import timing

    timer = timing._timer()

    class Short(timer):  # type: ignore[misc, valid-type]
        def blocked_autorange(self, **_: Any) -> Any:
            return self.timeit(1)

    monkeypatch.setattr(timing, "_timer", lambda: Short)
