"""`why`: why an experiment was trained or reused, and what a rerun would do with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.experiment import account
from lth_bench.errors import UserError
from lth_bench.running.pending import ENDED

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.plugins import Registry


Fields = dict[str, Any]
"""JSON-able values by name."""


def fingerprint_lookup(registry: Registry, root: Path) -> Callable[[Mapping[str, Any]], str | None]:
    """A function that returns the fingerprint of a dataset's content in the data root `root`, given
    its configuration (`{"name": …, "params": …}`).

    It returns None if the fingerprint is unknown without reading the data. Configurations come from
    a database that may be a stranger's, so it writes nothing and reads nothing outside `root`.
    """

    def look(config: Mapping[str, Any]) -> str | None:
        from lth_bench.params import build
        from lth_bench.plugins.asking import ask

        name, params = str(config.get("name")), config.get("params") or {}
        if not isinstance(params, Mapping) or leads_out(params):
            return None
        try:
            dataset = build(registry.get("datasets", name), params, name)
            quick = getattr(dataset, "fingerprint", None)
            found = ask(f"dataset {name!r}", quick, root) if callable(quick) else None
        except UserError:
            return None
        return found if isinstance(found, str) else None

    return look


def leads_out(value: object) -> bool:
    """Whether a parameter, or one within it, may be a path out of the data root."""
    if isinstance(value, Mapping):
        return any(map(leads_out, value.values()))
    if isinstance(value, list | tuple):
        return any(map(leads_out, value))
    if not isinstance(value, str):
        return False
    return value.startswith("~") or Path(value).is_absolute() or ".." in Path(value).parts


PARTS = (
    "strategy", "source_hash", "params", "model", "dataset", "recipe", "densities", "controls",
    "scored_on", "source_task", "ablation", "objective", "generalises_at",
    "decision_boundary",
)  # fmt: skip
"""Keys of an experiment's configuration that determine its identity."""
BESIDE = ("torch", "device")
"""Keys that also determine its trainings, but not the identity of the experiment."""

_WORDS = {
    "source_hash": "source of the strategy",
    "params": "parameter",
    "recipe": "recipe",
    "model": "model",
    "dataset": "dataset",
    "scored_on": "split it is scored on",
    "source_task": "source task",
    "ablation": "ablation",
    "objective": "objective",
    "generalises_at": "value at which a network generalises",
    "decision_boundary": "whether decision boundaries are recorded",
}


@dataclass(frozen=True)
class Difference:
    """One setting that differs between two experiments."""

    part: str
    """Name of the setting, such as `parameter prune_rate.conv`."""
    before: Any
    """Earlier value; None: the default."""
    after: Any

    def __str__(self) -> str:
        return f"{self.part}: {_shown(self.before)} → {_shown(self.after)}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """The settings in which two configurations of the journal differ.

    If none differs although the ids do, the source of the model or the dataset has changed, whose
    hashes are part of the id only.
    """
    found = [
        Difference(_title(part, path), old, new)
        for part in PARTS
        for path, old, new in _differences(before.get(part), after.get(part))
    ]
    found = found or [Difference("source of the model or the dataset", "earlier", "current")]
    beside = [
        Difference(x, before.get(x), after.get(x)) for x in BESIDE if x in before and x in after
    ]
    return [*found, *(change for change in beside if change.before != change.after)]


def _differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in dict.fromkeys((*before, *after)):
            inner = f"{path}.{key}" if path else str(key)
            yield from _differences(before.get(key), after.get(key), inner)
    elif before != after:
        yield path, before, after


def _title(part: str, path: str) -> str:
    # a model's table is {name, params}: "model hidden" is as clear as "model params.hidden"
    path = path.removeprefix("params.") if part in ("model", "dataset") else path
    return f"{_WORDS.get(part, part)} {path}".strip()


def _shown(value: Any) -> str:
    if value is None:
        return "the default"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _unknown(_: Mapping[str, Any]) -> None:
    return None


def why(
    con: DuckDBPyConnection,
    identity: str,
    artifacts: Path,
    source_now: Callable[[str], str | None],
    data_now: Callable[[Mapping[str, Any]], str | None] = _unknown,
    *,
    results: Path | None = None,
) -> Fields:
    """Why the experiment whose id starts with `identity` was trained or reused, JSON-able.

    `artifacts` is the folder that contains `trainings`; `source_now` returns the source hash of a
    strategy as installed, `data_now` the current fingerprint of a dataset (`{"name": …, "params":
    …}`), each None if unknown. UserError if no id or more than one starts with `identity`;
    `results` are the DuckDB file that the command in its message reads.

    Keys: `experiment` (id, label, model, dataset, recipe, seed), `status`, `reason`, `current`,
    `planned_by` and `ended_by` (runs), `earlier` (the experiment that it replaced, with what
    `changed`; or None), `later` (the experiment that replaced it, likewise), `data` (its
    fingerprint, the one `now`, and the one of the results that it `replaced`), `trainings` (key,
    steps, trained here or by which experiment, whether it is on disk), `now` (what a rerun would
    do, in a sentence) and `notes`.
    """
    found = account(con, identity, results)
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


def _now(e: Fields, current: bool, source: str | None, data: str | None) -> str:
    """What a rerun of the command would do with the experiment, in a sentence."""
    if source is not None and source != e["source_hash"]:
        return (
            "replaced by another experiment: the strategy's source has changed since, so these "
            "results no longer apply"
        )
    if not current:
        return "nothing: the suite has changed since, so another experiment has replaced it"
    status = e["status"]
    if status in ENDED and data is not None and data != e["fingerprint"]:
        return (
            f"trained again: the data of {e['dataset']} has changed since ({e['fingerprint'][:12]} "
            f"then, {data[:12]} now)"
        )
    if status in ("ok", "skipped"):
        unseen = e["fingerprint"] is not None and data is None
        unless = ", unless its data has changed, which `lth-bench plan` shows" * unseen
        return f"reused: it is finished{unless}; --rerun trains it again"
    if status in ENDED:
        return f"kept as {status}; --retry {status} runs it again"
    return "trained: it is not finished yet"


def _notes(
    torch: str | None, trainings: list[Fields], source: str | None, recorded: str
) -> list[str]:
    notes = []
    if source is None:
        notes.append(
            "the strategy is not installed here, so it is unknown whether its source has changed"
        )
    elif source != recorded:
        notes.append(f"source of the strategy: {recorded[:12]} then, {source[:12]} now")
    now = _torch_version()
    if torch and now and torch != now:
        notes.append(
            f"trained with torch {torch}, but {now} is installed now: its results are kept, but "
            f"new trainings get other keys, so none of these trainings can be reused"
        )
    lost = sum(not t["kept"] for t in trainings)
    if lost:
        notes.append(f"{lost} of its {len(trainings)} trainings are no longer on disk")
    return notes


def _torch_version() -> str | None:
    try:
        import torch  # torch.__version__ includes the build, as in the journal
    except ImportError:
        return None
    return str(torch.__version__)


def _planned_order(con: DuckDBPyConnection, identity: str) -> int:
    row = con.execute(
        "SELECT max(journal_order) FROM plans WHERE experiment_id = ?", [identity]
    ).fetchone()
    assert row is not None
    return int(row[0])


def _siblings(con: DuckDBPyConnection, e: Fields) -> list[Fields]:
    """Other versions of the experiment: same suite, label, task and seed, and a common density."""
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
    # where densities are independent experiments, another density is not an earlier version
    return [one for one in found if mine & set(one["densities"] or ())]


def _identity(e: Fields) -> Fields:
    """Everything that determines the experiment's id and its trainings."""
    own = ("strategy", "params", "source_hash", "densities", "controls", "torch", "device")
    return {**e["config"], **{key: e.get(key) for key in own}}


def _nearest(siblings: list[Fields], e: Fields, forwards: bool) -> Fields | None:
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


def _trainings(con: DuckDBPyConnection, identity: str, artifacts: Path) -> list[Fields]:
    """The trainings that its tickets used, each once, with the experiment that trained it."""
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
        # a key from an untrusted journal must not become a path
        kept = (
            re.fullmatch("[0-9a-f]{40}", key) is not None
            and (artifacts / "trainings" / key / "training.json").is_file()
        )
        found.append(
            {"key": key, "round": round_, "role": role, "steps": steps, "trained_here": bool(here),
             "trained_by": first, "run_id": run, "kept": kept}
        )  # fmt: skip
    return found


def _ended_by(con: DuckDBPyConnection, identity: str) -> tuple[Fields | None, str | None]:
    """The run in which it ended, and the data fingerprint of the results that it replaced."""
    row = con.execute(
        "SELECT run_id, recorded_at, replaces FROM outcomes WHERE experiment_id = ?", [identity]
    ).fetchone()
    if row is None:
        return None, None
    at = None if row[1] is None else row[1].isoformat(" ", "seconds")
    return {"run_id": row[0], "at": at}, row[2]


def _run(run: Fields) -> Fields:
    return {key: run[key] for key in ("run_id", "recorded_at", "command", "torch", "device")}
