"""The history of one experiment: who planned it, what it took from others, what it did itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.experiment import account
from lth_bench.maintenance.why.changes import changes
from lth_bench.running.outcomes import ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Record = dict[str, Any]


def _unknown(_: Mapping[str, Any]) -> None:
    return None


def why(
    con: DuckDBPyConnection,
    identity: str,
    artifacts: Path,
    source_now: Callable[[str], str | None],
    data_now: Callable[[Mapping[str, Any]], str | None] = _unknown,
) -> Record:
    """Why the experiment whose id begins with `identity` was trained or reused, JSON-able.

    `artifacts` is the folder of the trainings; `source_now` gives the hash of a strategy as it is
    installed, `data_now` the fingerprint of a dataset (`{"name": …, "params": …}`) as it lies
    there, each None where that is unknown. UserError where no id or more than one begins so.

    Keys: `experiment` (id, label, model, dataset, recipe, seed), `status`, `reason`, `current`,
    `planned_by` and `ended_by` (runs), `earlier` (the nearest experiment planned before, and what
    `changed` since; or None), `later` (the one that has replaced it, likewise), `data` (its
    fingerprint, that of `now`, and of the data of results that were `replaced`), `trainings` (key,
    steps, trained here or by whom, whether it is on disk), `now` (what a run would do, in a
    sentence) and `notes`.
    """
    found = account(con, identity)
    e = found["experiment"]
    me = str(e["experiment_id"])
    for key in ("torch", "device"):
        e[key] = e[key] or (found["run"][key] if found["run"] is not None else None)
    ended_by, replaced = _ended_by(con, me)
    dataset = e["config"].get("dataset")
    today = data_now(dataset) if e["fingerprint"] and isinstance(dataset, dict) else None
    data = {"fingerprint": e["fingerprint"], "now": today, "replaced": replaced}
    order = _planned_order(con, me)
    siblings = _siblings(con, e)
    earlier = _nearest([s for s in siblings if s["journal_order"] < order], e, forwards=False)
    later = _nearest([s for s in siblings if s["journal_order"] > order], e, forwards=True)
    trainings = _trainings(con, me, artifacts)
    current = bool(e["current"]) or e["scored_on"] == "validation"
    source = source_now(str(e["strategy"]))
    return {
        "experiment": {
            key: e[key]
            for key in ("experiment_id", "suite", "label", "model", "dataset", "recipe", "seed")
        },
        "status": e["status"],
        "reason": e["reason"],
        "current": current,
        "planned_by": found["run"] and _run(found["run"]),
        "ended_by": ended_by,
        "earlier": earlier,
        "later": None if current else later,
        "data": data,
        "trainings": trainings,
        "now": _now(e, current, source, today),
        "notes": _notes(e["torch"], trainings, source, str(e["source_hash"])),
    }


def _now(e: Record, current: bool, source: str | None, data: str | None) -> str:
    """What the same command would do with it now."""
    if source is not None and source != e["source_hash"]:
        return (
            "another experiment takes its place: the strategy's source has changed since, so its "
            "results are not these"
        )
    if not current:
        return "nothing: the suite has changed since, and another experiment has its place"
    status = e["status"]
    if status in ENDED and data is not None and data != e["fingerprint"]:
        return (
            f"trained again: the data of {e['dataset']} has changed since ({e['fingerprint'][:12]} "
            f"then, {data[:12]} now)"
        )
    if status in ("ok", "skipped"):
        unseen = e["fingerprint"] is not None and data is None
        unless = ", unless its data has changed since, which `lth-bench plan` tells" * unseen
        return f"reused: it is finished{unless}; --rerun would do it again, its trainings too"
    if status in ENDED:
        return f"left as it is: it ended as {status}; --retry {status} tries it again"
    return "trained: it has not ended yet"


def _notes(
    torch: str | None, trainings: list[Record], source: str | None, recorded: str
) -> list[str]:
    notes = []
    if source is None:
        notes.append("the strategy is not installed here, so whether its source changed is unknown")
    elif source != recorded:
        notes.append(f"source of the strategy: {recorded[:12]} then, {source[:12]} now")
    now = _torch_version()
    if torch and now and torch != now:
        notes.append(
            f"trained with torch {torch}, now it is {now}: its results stay, but what is trained "
            f"from here on has other addresses, so none of these trainings would be found"
        )
    lost = sum(not t["kept"] for t in trainings)
    if lost:
        notes.append(f"{lost} of its {len(trainings)} trainings are not on disk any more")
    return notes


def _torch_version() -> str | None:
    try:
        import torch  # its own version names the build too, as the journal does
    except ImportError:
        return None
    return str(torch.__version__)


def _planned_order(con: DuckDBPyConnection, identity: str) -> int:
    row = con.execute(
        "SELECT max(journal_order) FROM plans WHERE experiment_id = ?", [identity]
    ).fetchone()
    assert row is not None
    return int(row[0])


def _siblings(con: DuckDBPyConnection, e: Record) -> list[Record]:
    """Other experiments in the same place: suite, label, task, seed, and a density in common."""
    import json

    rows = con.execute(
        """
        SELECT p.experiment_id, p.config, p.journal_order, p.run_id, p.recorded_at,
            coalesce(o.status, 'planned'), p.strategy, p.params, p.source_hash, p.densities,
            p.controls, coalesce(o.torch, v.torch), coalesce(o.device, v.device)
        FROM plans p
        LEFT JOIN outcomes o ON o.experiment_id = p.experiment_id
        LEFT JOIN environments v ON v.run_id = p.run_id
        WHERE p.suite = ? AND p.label = ? AND p.model = ? AND p.dataset = ? AND p.recipe = ?
            AND p.seed = ? AND p.experiment_id <> ? AND p.scored_on = ?
        ORDER BY p.journal_order
        """,
        [*(e[k] for k in ("suite", "label", "model", "dataset", "recipe", "seed")),
         e["experiment_id"], e["scored_on"]],
    ).fetchall()  # fmt: skip
    mine = set(e["densities"] or ())
    names = ("experiment_id", "config", "journal_order", "run_id", "at", "status", "strategy",
             "params", "source_hash", "densities", "controls", "torch", "device")  # fmt: skip
    found = [dict(zip(names, row, strict=True)) for row in rows]
    for one in found:
        for key in ("config", "params"):
            value = json.loads(one[key]) if one[key] else {}
            one[key] = value if isinstance(value, dict) else {}
    # of a strategy whose densities are independent, another density is no earlier version
    return [one for one in found if mine & set(one["densities"] or ())]


def _identity(e: Record) -> Record:
    """What decides who it is: as the configuration has it, and the columns beside it."""
    own = ("strategy", "params", "source_hash", "densities", "controls", "torch", "device")
    return {**e["config"], **{key: e.get(key) for key in own}}


def _nearest(siblings: list[Record], e: Record, forwards: bool) -> Record | None:
    if not siblings:
        return None
    one = siblings[0] if forwards else siblings[-1]
    pair = (_identity(e), _identity(one)) if forwards else (_identity(one), _identity(e))
    return {
        "experiment_id": one["experiment_id"],
        "status": one["status"],
        "run_id": one["run_id"],
        "at": one["at"].isoformat(timespec="seconds") if one["at"] is not None else None,
        "changed": [str(change) for change in changes(*pair)],
    }


def _trainings(con: DuckDBPyConnection, identity: str, artifacts: Path) -> list[Record]:
    """The trainings that its tickets used, each once, and who trained it."""
    rows = con.execute(
        """
        WITH mine AS (
            SELECT k.key, min(i.round) AS round, any_value(k.role) AS role,
                bool_or(NOT k.reused) AS here
            FROM tickets i JOIN ticket_trainings k ON k.ticket_id = i.ticket_id
            WHERE i.experiment_id = ? AND k.key IS NOT NULL
            GROUP BY k.key
        ),
        others AS (
            SELECT k.key, arg_min((i.experiment_id, i.run_id), i.journal_order) AS first
            FROM ticket_trainings k JOIN tickets i ON i.ticket_id = k.ticket_id
            WHERE NOT k.reused AND k.key IN (SELECT key FROM mine)
            GROUP BY k.key
        )
        SELECT m.key, m.round, m.role, t.steps, m.here, o.first[1], o.first[2]
        FROM mine m LEFT JOIN trainings t ON t.key = m.key LEFT JOIN others o ON o.key = m.key
        ORDER BY m.round, t.start_step, m.key
        """,
        [identity],
    ).fetchall()
    found = []
    for key, round_, role, steps, here, first, run in rows:
        # a key from a stranger's journal is no path
        kept = (
            re.fullmatch("[0-9a-f]{40}", key) is not None
            and (artifacts / "trainings" / key / "training.json").is_file()
        )
        found.append(
            {"key": key, "round": round_, "role": role, "steps": steps, "trained_here": bool(here),
             "trained_by": first, "run_id": run, "kept": kept}
        )  # fmt: skip
    return found


def _ended_by(con: DuckDBPyConnection, identity: str) -> tuple[Record | None, str | None]:
    """The run in which it ended, and the fingerprint of the data of results that it replaced."""
    row = con.execute(
        "SELECT run_id, recorded_at, replaces FROM outcomes WHERE experiment_id = ?", [identity]
    ).fetchone()
    if row is None:
        return None, None
    at = None if row[1] is None else row[1].isoformat(" ", "seconds")
    return {"run_id": row[0], "at": at}, row[2]


def _run(run: Record) -> Record:
    return {key: run[key] for key in ("run_id", "recorded_at", "command", "torch", "device")}
