"""The steps' results as the lines of the table, each beside the floor and the conventional loop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

LOOPS = ("conventional", "ours", "floor")


def rows(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of all results with speeds, those of one network together: keys as `steps.rows` has them.

    What was not measured is None: no floor, no conventional loop.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        loop, *about = result["name"].split()
        value = result.get("value")
        if result["status"] != "ok" or loop not in LOOPS or not _rates(value):
            continue
        found.setdefault(about[0], []).append(_row(loop, about, value))
    return [row for of_net in found.values() for row in _compared(of_net)]


def _rates(value: Any) -> list[float]:
    return [r for r in (value or {}).get("rates", ()) if math.isfinite(r) and r > 0]


def _row(loop: str, about: Sequence[str], value: Mapping[str, Any]) -> dict[str, Any]:
    net, size = about[0], about[1]
    rates = _rates(value)
    row: dict[str, Any] = {
        "net": net,
        "loop": loop,
        "n": len(rates),
        "model_steps_per_second": median(rates),
        "low": min(rates),
        "high": max(rates),
        "images_per_second": median(rates) * value["batch"],
        "seconds_per_model_epoch": value["epoch"] / value["batch"] / median(rates),
        "paper_seconds": value["paper_seconds"],
        **{key: value[key] for key in ("batch", "dtype", "augmented")},
    }
    if loop == "conventional":
        return {**row, "workers": int(size), "threads": None}
    row |= {"width": size if size == "auto" else int(size), "processes": 1}
    extra = ("way",) if loop == "floor" else ("engine_width", "variant")
    return {**row, **{key: value[key] for key in extra}}


def _compared(of_net: list[dict[str, Any]]) -> list[dict[str, Any]]:
    floor = max((r["model_steps_per_second"] for r in of_net if r["loop"] == "floor"), default=None)
    loops = [r for r in of_net if r["loop"] == "conventional"]
    default = next((r["model_steps_per_second"] for r in loops if r["workers"] == 0), None)
    best = max((r["model_steps_per_second"] for r in loops), default=None)
    for row in of_net:
        rate, paper = row["model_steps_per_second"], row.pop("paper_seconds")
        row["percent_of_floor"] = 100 * rate / floor if floor else None
        row["percent_of_paper_floor"] = 100 * rate * paper if paper else None
        row["times_conventional_default"] = rate / default if default else None
        row["times_conventional_best"] = rate / best if best else None
    return sorted(of_net, key=lambda row: LOOPS.index(row["loop"]))
