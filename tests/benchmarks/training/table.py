"""The results as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lth_bench.maintenance.device import aligned

__all__ = ["aligned"]

HEADINGS = (
    "network",
    "loop",
    "model-steps/s",
    "spread",
    "images/s",
    "% of floor",
    "% on paper",
    "× default",
    "× best",
    "n",
)


def cells(row: Mapping[str, Any]) -> list[str]:
    """One row of steps, as text."""
    return [
        row["net"],
        loop(row),
        number(row["model_steps_per_second"]),
        f"{number(row['low'])}–{number(row['high'])}",
        number(row["images_per_second"]),
        number(row["percent_of_floor"]),
        number(row["percent_of_paper_floor"]),
        number(row["times_conventional_default"]),
        number(row["times_conventional_best"]),
        str(row["n"]),
    ]


def loop(row: Mapping[str, Any]) -> str:
    """Which loop, and how it was set."""
    if row["loop"] == "conventional":
        threads = "" if row["threads"] is None else f", {row['threads']} thread"
        default = " (default)" if not row["workers"] and row["threads"] is None else ""
        return f"conventional, {row['workers']} workers{threads}{default}"
    where = f" × {row['processes']} processes" if row["processes"] > 1 else ""
    if row["loop"] == "floor":
        return f"bare products, width {row['width']}{where} ({row['way']})"
    width = row["width"]
    chosen = f"auto ({row['engine_width']})" if width == "auto" else width
    return f"ours, width {chosen}{where}"


def number(value: float | None) -> str:
    """Three digits; a dash for what was not measured."""
    if value is None:
        return "–"
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def write(path: Path, results: Mapping[str, Any], allow_nan: bool = False) -> None:
    """As JSON, whole or not at all; with NaN and infinity where they are to be kept."""
    aside = path.with_name(path.name + ".part")
    aside.write_text(json.dumps(results, indent=1, allow_nan=allow_nan) + "\n")
    aside.replace(path)


LADDER_HEADINGS = ("ladder", "measured", "seconds", "a training", "× ours", "n")


def ladder_cells(found: Mapping[str, Any]) -> list[list[str]]:
    """Both loops' ladders, as text."""
    lines = []
    mine = found["ours"]
    for one in found["conventional"]:
        all_of_them = f"{one['trainings_measured']} of {one['trainings']} trainings"
        scaled = ", scaled" if one["scaled"] else ""
        row = {"loop": "conventional", **one}
        lines.append(
            [
                loop(row),
                all_of_them + scaled,
                number(one["seconds"]),
                number(one["seconds_a_training"]),
                number(one["seconds"] / mine["seconds"]),
                "1",
            ]
        )
    whole = f"{mine['trainings']} of {mine['trainings']} trainings"
    each = number(mine["seconds"] / mine["trainings"])
    return [*lines, ["lth-bench run", whole, number(mine["seconds"]), each, "1", str(mine["n"])]]
