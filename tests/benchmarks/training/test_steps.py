"""Measuring, from the processes' answers to the table and the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from training import gpu, steps, table, tasks
from training.nets import Net
from training.samples import made
from training.steps import Plan, Variant, measure, rows


class Here:
    """A crew of this process alone."""

    size = 1

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        return [function(*arguments)]


def test_measure_times_every_loop(
    tiny: Net, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = made(tiny.shape, 400, 50)
    monkeypatch.setattr("training.tasks.sample", lambda *_: type("S", (), {"arrays": small}))
    monkeypatch.setattr("training.ours.sample", lambda *_: type("S", (), {"arrays": small}))
    monkeypatch.setattr(steps, "WORKERS", (0,))
    for cached in (tasks._trainer, tasks._floor, tasks.ours.bench):
        cached.cache_clear()
    plan = Plan("tiny", "cpu", widths=(2,), rounds=2, seconds=0.02)
    found = measure(plan, Here(), Here())  # type: ignore[arg-type]
    assert [(r["loop"], r.get("width")) for r in found] == [
        ("conventional", None), ("conventional", None), ("ours", 1), ("ours", 2), ("floor", 1),
    ]  # fmt: skip
    for row in found:
        assert row["n"] == 2
        assert 0 < row["low"] <= row["model_steps_per_second"] <= row["high"]
        assert row["images_per_second"] == pytest.approx(32 * row["model_steps_per_second"])
        assert row["seconds_per_model_epoch"] == pytest.approx(100 / row["model_steps_per_second"])
    assert found[3]["engine_width"] == 2
    assert found[4]["percent_of_floor"] == pytest.approx(100)
    table.write(tmp_path / "found.json", {"steps": found})
    assert json.loads((tmp_path / "found.json").read_text())["steps"] == found
    assert len(table.aligned(table.HEADINGS, [table.cells(r) for r in found]).splitlines()) == 7


def test_rows_compare_with_the_default_the_best_and_the_floor() -> None:
    def variant(loop: str, rates: list[float], **settings: Any) -> Variant:
        return Variant("lenet_300_100", loop, settings, rates)

    found = rows(
        Plan("lenet_300_100", "cpu"),
        [
            variant("conventional", [10, 12, 11], workers=0, threads=None),
            variant("conventional", [21, 22, 23], workers=2, threads=1),
            variant("ours", [440, 430, 450], width=1, engine_width=1, processes=2),
            variant("floor", [880], width=1, way="apart", processes=2),
            variant("floor", [500], width=8, way="stacked", processes=2),
        ],
    )
    mine = found[2]
    assert mine["model_steps_per_second"] == 440
    assert (mine["low"], mine["high"], mine["n"]) == (430, 450, 3)
    assert mine["times_conventional_default"] == 40
    assert mine["times_conventional_best"] == 20
    assert mine["percent_of_floor"] == 50
    assert mine["images_per_second"] == 440 * 128
    assert table.loop(found[0]).endswith("(default)")
    assert not table.loop(found[1]).endswith("(default)")


def test_suite_hours_add_up_over_networks() -> None:
    def row(model: str, strategy: str, count: int) -> dict[str, Any]:
        return {"model": model, "strategy": strategy, "experiments": 5, "steps": count}

    plan = {
        "rows": [
            row("conv2", "imp", 3_600_000),
            row("conv2", "snip", 3_500_000),
            row("conv2", "dense", 0),  # five of 20,000 steps
            row("conv4", "imp", 3_600_000),
        ]
    }
    rates = [("conv2", 1, 500), ("conv2", "auto", 2000), ("conv4", "auto", 1000)]
    measured = [
        {"net": f"{model}_60", "loop": "ours", "width": width, "model_steps_per_second": rate}
        for model, width, rate in rates
    ]
    found = gpu.suite_hours(plan, measured)
    assert found is not None
    assert found["hours"]["conv2"] == {"1": 4, "auto": 1}
    assert found["hours_at_auto_width"] == 2
    assert gpu.suite_hours(plan, measured[:2]) is None


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.1234, "0.123"), (12.34, "12.3"), (23456.7, "23,457")]
)
def test_number(value: float | None, shown: str) -> None:
    assert table.number(value) == shown
