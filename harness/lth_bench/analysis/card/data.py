"""A card as plain data, for programs: what `run --json` and `leaderboard --json` say of a suite."""

from __future__ import annotations

from typing import Any

from lth_bench.analysis.card.model import Card, CardRow, TaskCard

OF_ROW = ("label", "control", "rank", "tied", "n", "planned", "mean", "low", "high", "difference",
          "difference_low", "difference_high", "verdict", "n80")  # fmt: skip
"""Columns of the leaderboard's rows that a card has too, by the same names."""


def card_data(card: Card) -> dict[str, Any]:
    """Everything that the card says, in plain numbers and text: accuracies as fractions, costs as
    multiples of the dense run's FLOPs.
    """
    settled, verdicts = card.settled
    return {
        "suite": card.suite,
        "finding": card.finding,
        "settled": settled,
        "verdicts": verdicts,
        "tasks": [_task(task) for task in card.tasks],
        "next": [{"why": step.why, "command": step.command} for step in card.next],
    }


def _task(task: TaskCard) -> dict[str, Any]:
    best, cheapest = task.best, task.cheapest
    row = task.rows[0].row
    return {
        "task": task.name,
        **{part: row[part] for part in ("model", "dataset", "recipe")},
        "metric": task.measure.name,
        "higher_is_better": task.measure.higher,
        "density": task.density,
        "density_chosen": task.chosen,
        "against": task.versus,
        "dense": None if task.dense is None else task.dense["mean"],
        "first": None if best is None else best.name,
        "tied": [one.name for one in task.tied],
        "cheapest_match": None if cheapest is None else cheapest.name,
        "methods": [_method(one) for one in task.rows],
    }


def _method(row: CardRow) -> dict[str, Any]:
    return {
        "method": row.name,
        **{name: row.row[name] for name in OF_ROW},
        "verdict_words": row.verdict,
        "matches": row.matches,
        "cost": row.cost,
        "area_rank": row.area_place,
        "area_tied": row.area_tied,
    }
