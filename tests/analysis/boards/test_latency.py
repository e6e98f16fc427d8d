"""The board of measured speed: what it says of forms that are missing, and that it fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lth_bench.analysis.boards.latency import _table
from lth_bench.analysis.table import Board
from lth_bench.output.formats import render_board

TASK: dict[str, Any] = {
    "suite": "cifar_conv", "model": "conv2", "dataset": "cifar10", "recipe": "conv2",
    "device": "AMD EPYC", "threads": 1, "batch_size": 128, "clock": "cpu",
}  # fmt: skip
OUT = "OutOfMemoryError: CUDA out of memory."


def rows(label: str, density: float, speeds: Mapping[str, float | str]) -> list[dict[str, Any]]:
    """A ticket's rows: how many times faster each form is than dense, or why it is missing."""
    found = []
    for form, speed in speeds.items():
        reason = speed if isinstance(speed, str) else None
        timed, times = reason is None, 0.0 if isinstance(speed, str) else speed
        found.append({
            **TASK, "label": label, "params": "{}", "control": "none", "target_density": density,
            "source_model": "conv2", "source_dataset": "cifar10", "source_recipe": "conv2",
            "form": form, "n": int(timed), "repeats": 50 if timed else None,
            "median_seconds": 0.105 / times if timed else None,
            "speedup": times if timed else None,
            "speedup_low": 0.98 * times if timed else None,
            "speedup_high": 1.02 * times if timed else None,
            "faster": timed and times > 1.1, "slower": timed and times < 0.9,
            "bytes": 17_202_000 if timed else None, "peak_memory": None, "reason": reason,
        })  # fmt: skip
    return found


def text(found: list[dict[str, Any]], width: int) -> str:
    return render_board(Board("leaderboard", found, [_table(found)]), "table", width)


SPEEDS = {"dense": 1.0, "masked": 1.01, "csr": 12.34, "shrunk": 10.05, "2:4": 1.52}


@pytest.mark.parametrize(("forms", "label"), [(4, "late_rewind"), (5, "late_rewind_linear")])
def test_a_table_fits_a_terminal_of_80_columns(forms: int, label: str) -> None:
    """With a masked column and n where there is room for them."""
    speeds = {form: SPEEDS[form] for form in [*SPEEDS][:forms]}
    found = text(rows(label, 0.13, speeds), 80)
    table = [line for line in found.split("\n") if "·" not in line]
    assert max(map(len, table)) <= 80
    assert ("× masked" in found) is (forms == 4)
    for shown in ("105 ms", "12.34", "10.05", "17,202", "dense: 17,202 kB."):
        assert shown in found


def test_a_wide_one_has_the_spread_too() -> None:
    assert "12.34 (12.09–12.59)" in text(rows("imp", 0.13, SPEEDS), 150)


def test_why_a_form_is_missing_somewhere_or_everywhere() -> None:
    found = [
        *rows("imp", 0.13, {"dense": 1.0, "masked": 1.0, "csr": 2.0, "2:4": "no kernels"}),
        *rows("imp", 0.04, {"dense": 1.0, "masked": OUT, "csr": OUT, "2:4": "no kernels"}),
        *rows("snip", 0.04, {"dense": OUT, "masked": OUT, "csr": OUT, "2:4": "no kernels"}),
    ]
    told = " ".join(text(found, 80).split())
    both = "for imp at 4.00%, snip at 4.00%; OutOfMemoryError: CUDA out of memory."
    assert f"masked: not available {both}" in told
    assert f"CSR: not available {both}" in told
    assert "dense: not available for snip at 4.00%; OutOfMemoryError" in told
    assert "2:4: not available; no kernels." in told
    assert "CSR, against dense: imp faster at 13.00%, the only density that was timed" in told
