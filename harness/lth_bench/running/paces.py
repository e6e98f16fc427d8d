"""How fast tasks were trained in earlier runs here, as their trainings tell."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.running.executors.simulated import Pace
from lth_bench.training.keys import digest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lth_bench.lottery import Experiment
    from lth_bench.store.paths import Paths

LEAST = 1.0
"""Seconds of training below which a pace tells more of the clock than of the task."""

MEASURED = """
    SELECT p.config, t.cohort_size, sum(t.seconds) AS seconds, sum(t.steps) AS steps
    FROM (SELECT DISTINCT experiment_id, any_value(config) AS config FROM plans GROUP BY ALL) p
    JOIN tickets USING (experiment_id)
    JOIN (SELECT DISTINCT ticket_id, key FROM ticket_trainings WHERE NOT reused)
        USING (ticket_id)
    JOIN trainings t USING (key)
    WHERE coalesce(t.device_name, t.device) = $device AND t.steps > 0
    GROUP BY ALL
"""


def measured_paces(
    paths: Paths, experiments: Iterable[Experiment], device: str
) -> dict[tuple[str, str, str], Pace]:
    """Task → its pace on a device of this name, of those that were trained on one for a second or
    more: mean seconds over all trainings, evaluations included. Empty where there are no results,
    or none that can be read.
    """
    from lth_bench.store.reading import reading

    if not paths.journal.exists():
        return {}
    try:
        with reading(paths.results, lambda _: None) as con:
            rows = con.execute(MEASURED, {"device": device}).fetchall()
    except UserError:
        return {}
    found: dict[str, tuple[float, float, float]] = {}
    for config, size, seconds, steps in rows:
        known = json.loads(config or "{}")
        if known.get("source_task") is None:
            key = _content(known)
            had = found.get(key, (0.0, 0.0, 0.0))
            weighted = steps * (size or 1)
            found[key] = (had[0] + seconds, had[1] + steps, had[2] + weighted)
    paces: dict[tuple[str, str, str], Pace] = {}
    for e in experiments:
        seconds, steps, weighted = found.get(_content(e.planned_record()["config"]), (0, 0, 0))
        if seconds >= LEAST:
            size = max(1, round(weighted / steps))
            paces[e.task] = Pace(seconds=size * seconds / steps, size=size)
    return paces


def _content(config: Any) -> str:
    """What decides how long a step takes."""
    plain = {name: config.get(name) for name in ("model", "dataset", "recipe", "objective")}
    return digest(json.loads(json.dumps(plain)))
