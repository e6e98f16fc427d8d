"""Leaderboards across the tasks of a suite, in which a task is one observation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from string import ascii_lowercase

from lth_bench.analysis.boards.baseline import Baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import DENSITY_TOLERANCE
from lth_bench.analysis.boards.scores import Score, Scores
from lth_bench.errors import NothingSelected
from lth_bench.stats import (
    CriticalDifference,
    TasksVerdict,
    critical_groups,
    interquartile_mean,
    judge_tasks,
)


def rows(scores: Scores, against: Baselines) -> list[BoardRow]:
    """One row for each suite, density and label, the best mean rank first.

    A task is one observation, its mean over seeds. Only tasks with a score of every ranked label
    count, and only labels with a score on at least half of the tasks are ranked. Where scores are
    at single densities, `levels` says which are compared: `target_density` is their mean,
    `density_low` and `density_high` their range, `level` their pruning level if the densities
    differ. `mean_rank` is over `tasks`. `group` has letters: labels share one if signed-rank tests
    of all pairs, with Holm's correction, do not show a difference; with fewer tasks than
    `pairs_needed` they never do. `rank_low` and `rank_high` are the ranks of the labels in its
    group. `friedman_p` tests that all labels are equal. `difference` is the interquartile mean over
    tasks of the difference to `baseline` (a ratio for costs and steps), `wins` and `losses` count
    tasks, `p` is that of the signed-rank test on these differences and `p_holm` is corrected for
    the labels; `verdict`, `verdict_text` and `needed` (the tasks below which no result could be
    significant) follow from it.
    """
    found: list[BoardRow] = []
    for suite, group in groupby(sorted(scores.found, key=_suite), key=_suite):
        members = [s for s in group if s.control == "none" and s.strategy != "dense"]
        for level in _levels(members):
            found += _level_rows(suite, level, members, scores, against)
    if not found:
        raise NothingSelected(
            "--across needs two tasks of one suite with results that can be compared; "
            f"`lth-bench leaderboard{against.scope.results_option}` shows each task by itself"
        )
    return found


def _suite(score: Score) -> str:
    return score.suite


def _levels(scores: list[Score]) -> list[DensityLevel | None]:
    """The levels at which scores are compared; [None] where a score is over all densities."""
    densities: dict[str, list[float]] = {}
    for score in scores:
        if score.density is not None:
            densities.setdefault(score.task, []).append(score.density)
    return [*levels(densities)] if densities else [None]


def _level_rows(
    suite: str, level: DensityLevel | None, members: list[Score], scores: Scores, against: Baselines
) -> list[BoardRow]:
    by_label: dict[str, dict[str, Score]] = {}
    # by name, so that those who tie have an order which no database decides
    for score in sorted(members, key=lambda score: score.label):
        if level is None or level.densities.get(score.task) == score.density:
            by_label.setdefault(score.label, {})[score.task] = score
    if not by_label:
        return []
    labels, tasks = _complete(by_label)
    if len(tasks) < 2:
        return []
    found = critical_groups(
        {label: {task: by_label[label][task].value for task in tasks} for label in labels},
        higher=scores.higher,
    )
    verdicts = judge_tasks(
        {label: _differences(by_label[label], tasks) for label in labels
         if label != against.name(suite) and scores.scale != "rank"},
        higher=scores.higher,
    )  # fmt: skip
    who = {label: next(iter(by_label[label].values())) for label in by_label}
    common = {
        "suite": suite, "level": level and level.number, "target_density": level and level.mean,
        "density_low": level and min(level.densities.values()),
        "density_high": level and max(level.densities.values()),
    }  # fmt: skip
    order = [*found.average_ranks, *(label for label in by_label if label not in labels)]
    return [
        {
            **common, "strategy": who[label].strategy, "label": label,
            "tasks": len(tasks) if label in labels else len(by_label[label]),
            **_standing(label, found),
            "friedman_p": found.friedman_p, "pairs_needed": found.needed,
            "baseline": against.name(suite),
            **_verdict(verdicts.get(label), _differences(by_label[label], tasks), scores.scale),
        }
        for label in order
    ]  # fmt: skip


def _complete(scores: Mapping[str, Mapping[str, Score]]) -> tuple[list[str], list[str]]:
    """The labels to rank, and the tasks that all of them have a score of."""
    most = max(map(len, scores.values()))
    labels: list[str] = []
    tasks: list[str] = []
    for least in (most / 2, most):
        labels = [label for label, by_task in scores.items() if len(by_task) >= least]
        tasks = sorted(set.intersection(*(set(scores[label]) for label in labels)))
        if len(tasks) > 1:
            break
    return labels, tasks


def _differences(by_task: Mapping[str, Score], tasks: list[str]) -> dict[str, float]:
    return {
        task: d for task in tasks
        if task in by_task and (d := by_task[task].difference) is not None
    }  # fmt: skip


def _standing(label: str, found: CriticalDifference[str]) -> BoardRow:
    if label not in found.average_ranks:
        return dict.fromkeys(("mean_rank", "rank", "rank_low", "rank_high", "group"))
    order = list(found.average_ranks)
    mine = [(n, group) for n, group in enumerate(found.groups) if label in group]
    places = [order.index(other) + 1 for _, group in mine for other in group]
    mean = found.average_ranks[label]
    return {
        "mean_rank": mean,
        "rank": 1 + sum(other < mean for other in found.average_ranks.values()),
        "rank_low": min(places), "rank_high": max(places),
        "group": "".join(ascii_lowercase[n % 26] for n, _ in mine),
    }  # fmt: skip


def _verdict(
    verdict: TasksVerdict | None, differences: Mapping[str, float], scale: str
) -> BoardRow:
    if verdict is None or not differences:
        columns = ("difference", "wins", "losses", "p", "p_holm", "verdict", "verdict_text")
        return dict.fromkeys((*columns, "needed"))
    middle = _middle(differences.values())
    return {
        "difference": math.exp(middle) if scale == "ratio" and middle is not None else middle,
        "wins": verdict.wins, "losses": verdict.losses, "p": verdict.p, "p_holm": verdict.adjusted,
        "verdict": verdict.kind, "verdict_text": verdict.text, "needed": verdict.needed,
    }  # fmt: skip


def _middle(differences: Iterable[float]) -> float | None:
    """Interquartile mean; None where a lost task lies in the middle half."""
    far = 1e300  # stands for ∞, which the mean would not take
    middle = interquartile_mean(max(-far, min(far, d)) for d in differences)
    return middle if abs(middle) < far / 1e6 else None


@dataclass(frozen=True)
class DensityLevel:
    """Densities of several tasks, one each, that are compared with each other."""

    number: int | None
    """Pruning level: the position among each task's densities, 1 the densest; None where the
    densities agree."""
    densities: Mapping[str, float]
    """Target density by task."""

    @property
    def mean(self) -> float:
        """Mean of the densities."""
        return sum(self.densities.values()) / len(self.densities)


def levels(densities: Mapping[str, Sequence[float]]) -> list[DensityLevel]:
    """The densities that tasks have in common, from dense to sparse; if hardly any, their pruning
    levels.

    Densities agree if they differ by less than half a percent. If at least half of the tasks share
    one, the levels are all densities that at least two tasks share. Otherwise, as where each
    network's densities come from its own pruning rates, the k-th densest of one task is compared
    with the k-th densest of the others.

    Args:
        densities: Each task's densities below 1, in any order.
    """
    shared = [level for level in _clusters(densities) if len(level.densities) > 1]
    if any(2 * len(level.densities) >= len(densities) for level in shared):
        return shared
    ordered = {task: sorted(set(d), reverse=True) for task, d in densities.items()}
    numbered = [
        DensityLevel(k + 1, {task: d[k] for task, d in ordered.items() if len(d) > k})
        for k in range(max(map(len, ordered.values()), default=0))
    ]
    return [level for level in numbered if len(level.densities) > 1]


def _clusters(densities: Mapping[str, Sequence[float]]) -> list[DensityLevel]:
    found: list[dict[str, float]] = []
    first = 0.0
    for density, task in sorted(
        ((d, task) for task, own in densities.items() for d in set(own)), reverse=True
    ):
        if not found or density < first * (1 - DENSITY_TOLERANCE) or task in found[-1]:
            found.append({})
            first = density
        found[-1][task] = density
    return [DensityLevel(None, cluster) for cluster in found]
