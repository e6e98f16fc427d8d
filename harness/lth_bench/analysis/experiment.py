"""Everything about one experiment."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.measures import measured
from lth_bench.errors import UserError
from lth_bench.store.paths import results_option
from lth_bench.store.query import plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ExperimentFacts = dict[str, Any]
LISTING = "SELECT suite, label, model, seed, experiment_id FROM experiments"


def account(con: DuckDBPyConnection, identity: str, results: Path | None = None) -> ExperimentFacts:
    """What is known of the experiment or ticket whose id begins with `identity`, JSON-able; or of
    the one experiment of a suite with a label, as SUITE/LABEL.

    Keys: `experiment` (the view's row), `run` (the command and environment that recorded it),
    `tickets` (by round, each with `metrics`, `layers`, `trainings`, `curve`; one only where a
    ticket was named), `ticket_id` (that one, else null), `repeat` (a command).
    UserError where there is none or more than one; `results` are the DuckDB file that the command
    in its message reads.
    """
    listed = f'list them with `lth-bench query{results_option(results)} "{LISTING}"`'
    experiment_id, ticket_id = _find(con, identity, listed)
    experiment = _rows(
        con,
        "SELECT e.* FROM experiments e JOIN plans p USING (suite, experiment_id) "
        "WHERE experiment_id = ? ORDER BY p.journal_order DESC LIMIT 1",
        experiment_id,
    )[0]
    for key in ("params", "config"):
        experiment[key] = _parsed(experiment[key])
    experiment["metric_unit"] = measured(con, experiment["metric"]).unit
    runs = _rows(con, "SELECT * FROM environments WHERE run_id = ?", experiment["run_id"])
    run = runs[0] if runs else None
    if run is not None:
        run["environment"] = _parsed(run["environment"])
    tickets = _rows(
        con,
        "SELECT * FROM tickets WHERE experiment_id = ? "
        "ORDER BY target_density DESC, round, control <> 'none', control",
        experiment_id,
    )
    tickets = [t for t in tickets if ticket_id in (None, t["ticket_id"])]
    for ticket in tickets:
        _complete(con, ticket)
        # `score` is a column; at early stop it is a metric under the objective's own name
        early = experiment["metric"].replace("test_", "early_stop_", 1)
        ticket["early_stop_score"] = ticket["metrics"].get(early)
    return {
        "experiment": experiment,
        "ticket_id": ticket_id,
        "run": run,
        "tickets": tickets,
        "repeat": repeat(str(run["command"]), experiment) if run is not None else None,
    }


def repeat(command: str, experiment: ExperimentFacts) -> str:
    """The run's command, narrowed down to one experiment's task, label and seed, whichever part of
    the suite it ran.

    That of tuning as it is, since it makes up labels and seeds itself.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return command
    if words[1:2] == ["tune"]:
        return command
    narrowed = ("-s", "--strategy", "-m", "--model", "-d", "--dataset", "--seeds", "--shard")
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in narrowed:
            skip = True
        elif word != "--json" and not word.startswith(tuple(f"{n}=" for n in narrowed)):
            kept.append(word)
    chosen = ["-s", experiment["label"], "-m", experiment["model"], "-d", experiment["dataset"]]
    return shlex.join([*kept, *chosen, "--seeds", f"{experiment['seed']},"])


def _find(con: DuckDBPyConnection, identity: str, listed: str) -> tuple[str, str | None]:
    if not identity:
        raise UserError("an experiment or ticket is named by the beginning of its id")
    if "/" in identity:
        return _labelled(con, identity, listed), None
    found = [
        *_rows(
            con,
            "SELECT DISTINCT experiment_id, NULL AS ticket_id, label, seed, NULL AS round "
            "FROM plans WHERE starts_with(experiment_id, ?)",
            identity,
        ),
        *_rows(
            con,
            "SELECT DISTINCT experiment_id, ticket_id, label, seed, round "
            "FROM tickets JOIN plans USING (experiment_id) WHERE starts_with(ticket_id, ?)",
            identity,
        ),
    ]
    exact = [x for x in found if identity in (x["ticket_id"] or x["experiment_id"],)]
    if len(exact) == 1:
        found = exact
    if not found:
        raise UserError(
            f"no experiment and no ticket has an id that begins with {identity!r}; {listed}"
        )
    if len(found) > 1:
        some = "; ".join(
            (x["ticket_id"] or x["experiment_id"])
            + f" ({x['label']}, seed {x['seed']}"
            + (f", round {x['round']})" if x["ticket_id"] else ")")
            for x in found[:5]
        )
        more = ", …" if len(found) > 5 else ""
        raise UserError(f"{len(found)} ids begin with {identity!r}: {some}{more}; give more of it")
    return found[0]["experiment_id"], found[0]["ticket_id"]


def _labelled(con: DuckDBPyConnection, name: str, listed: str) -> str:
    """The id of the only experiment of SUITE/LABEL."""
    found = _rows(
        con,
        "SELECT experiment_id, model, dataset, seed FROM experiments "
        "WHERE current AND suite || '/' || label = ?",
        name,
    )
    if not found:
        raise UserError(f"no experiment is {name!r}, as SUITE/LABEL; {listed}")
    if len(found) > 1:
        some = "; ".join(
            f"{x['experiment_id']} ({x['model']}, {x['dataset']}, seed {x['seed']})"
            for x in found[:5]
        )
        more = ", …" if len(found) > 5 else ""
        raise UserError(f"{len(found)} experiments are {name!r}: {some}{more}; give the id of one")
    return str(found[0]["experiment_id"])


def _complete(con: DuckDBPyConnection, ticket: ExperimentFacts) -> None:
    """Add a ticket's metrics, layers, trainings and curve."""
    identity = ticket["ticket_id"]
    metrics = _rows(
        con, "SELECT metric, value FROM metrics WHERE ticket_id = ? ORDER BY metric", identity
    )
    ticket["metrics"] = {m["metric"]: m["value"] for m in metrics}
    ticket["layers"] = _rows(
        con,
        "SELECT layer, kind, total, kept FROM layers WHERE ticket_id = ? ORDER BY position",
        identity,
    )
    ticket["trainings"] = _rows(
        con,
        "SELECT u.role, u.reused, t.* FROM ticket_trainings u JOIN trainings t USING (key) "
        "WHERE u.ticket_id = ? ORDER BY u.rowid",
        identity,
    )
    ticket["curve"] = _rows(
        con,
        "SELECT step, train_loss, val_loss, val_accuracy, val_score FROM curves "
        "WHERE ticket_id = ? ORDER BY step",
        identity,
    )


def _rows(con: DuckDBPyConnection, sql: str, value: str | None) -> list[ExperimentFacts]:
    result = con.execute(sql, [value])
    columns = [column[0] for column in result.description or ()]
    return [dict(zip(columns, map(plain, row), strict=True)) for row in result.fetchall()]


def _parsed(text: str | None) -> Any:
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}
