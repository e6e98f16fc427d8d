"""The engine's own cost a model-step, by cohort size: `make bench ARGS="-k host"`, half a minute.

Prints a table and asserts no times. See `training/host.py`.
"""

from __future__ import annotations

from training import host, table


def test_host_time_a_model_step() -> None:
    found = host.measure()
    print("\n" + table.text(host.HEADINGS, [cost.cells() for cost in found]))
    assert len(found) == 3 * len(host.SIZES)
