"""What the database knows of one ticket, and what it can be recognised by."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_bench.analysis.experiment import account
from lth_bench.errors import UserError
from lth_bench.store.reading import reading, to_stderr

KEY = re.compile(r"[0-9a-f]{8,64}")
"""A training's key, which becomes a folder's name; a stranger's database may hold anything."""

Weights = tuple[dict[str, Any], ...]
"""A ticket's histograms, as `lottery.histograms` gives them."""


@dataclass(frozen=True, kw_only=True)
class RecordedTicket:
    """A ticket's record, with that of its experiment."""

    experiment: Mapping[str, Any]
    """A row of the view `experiments`, `config` and `params` as dictionaries."""
    ticket: Mapping[str, Any]
    """A row of the table `tickets`, with its `metrics`, `layers`, `trainings` and `curve`."""
    weights: Weights
    """Histograms of the surviving weights, at the start and at the end; none for a round that was
    not reported."""
    related: tuple[str, ...]
    """Keys of all of the experiment's trainings: the ticket's start may be a state of another."""
    host: str
    """Where it was trained; "" where that is not known."""

    @property
    def name(self) -> str:
        """How messages name it."""
        e, t = self.experiment, self.ticket
        control = "" if t["control"] == "none" else f", control {t['control']}"
        return (
            f"ticket {t['ticket_id']} ({e['label']}, seed {e['seed']}, "
            f"density {t['target_density']:g}{control})"
        )

    @property
    def trained_by(self) -> list[str]:
        """Keys of the trainings that trained it, the last one first."""
        found = [t["key"] for t in self.ticket["trainings"] if t["role"] == "train"]
        return [key for key in reversed(found) if KEY.fullmatch(key)]


def recorded_ticket(results: Path, identity: str) -> RecordedTicket:
    """The one ticket whose id begins so, or the only one of the experiment whose id does.

    UserError where there is none, where there are several, and for one without a mask: a density
    that was skipped.
    """
    with reading(results, to_stderr) as con:
        found = account(con, identity, results)
        experiment = found["experiment"]
        whole = account(con, str(experiment["experiment_id"]))
        ticket = _one(found["tickets"], experiment)
        rows = con.execute(
            "SELECT layer, moment, reach, counts FROM weights WHERE ticket_id = ?",
            [ticket["ticket_id"]],
        ).fetchall()
    weights = tuple(
        {"layer": layer, "moment": moment, "reach": reach, "counts": list(counts)}
        for layer, moment, reach, counts in rows
    )
    keys = [t["key"] for other in whole["tickets"] for t in other["trainings"]]
    return RecordedTicket(
        experiment=experiment,
        ticket=ticket,
        weights=weights,
        related=tuple(key for key in dict.fromkeys(keys) if KEY.fullmatch(key)),
        host=str((found["run"] or {}).get("host") or ""),
    )


def _one(tickets: Sequence[dict[str, Any]], experiment: Mapping[str, Any]) -> dict[str, Any]:
    reported = [t for t in tickets if t["reported"]] if len(tickets) > 1 else list(tickets)
    what = f"experiment {experiment['experiment_id']} ({experiment['label']})"
    if not tickets:
        reason = experiment.get("reason") or f"its status is {experiment['status']}"
        raise UserError(f"{what} has no ticket: {reason}")
    if len(reported) != 1:
        each = "; ".join(
            f"{t['ticket_id']} (density {t['target_density']:g}"
            + (")" if t["control"] == "none" else f", control {t['control']})")
            for t in reported[:8]
        )
        more = ", …" if len(reported) > 8 else ""
        raise UserError(f"{what} has {len(reported)} tickets; name one of them: {each}{more}")
    (ticket,) = reported
    if ticket["status"] != "ok":
        raise UserError(
            f"ticket {ticket['ticket_id']} of {what} was {ticket['status']}, so it has no mask: "
            f"{ticket['reason']}"
        )
    return ticket


def recipe_of(recorded: RecordedTicket) -> dict[str, Any]:
    """What a ticket was made by and what it scored, JSON-able: the recipe in exported files."""
    e, t = recorded.experiment, recorded.ticket
    config = e["config"]
    recipe = {
        key: e[key]
        for key in ("experiment_id", "suite", "strategy", "label", "params", "seed", "source_hash")
    }
    recipe |= {key: config[key] for key in ("model", "dataset", "recipe")}
    recipe |= {
        key: t[key]
        for key in ("ticket_id", "target_density", "density", "round", "control", "rewind_step")
    }
    recipe |= {"metrics": t["metrics"], "torch": e["torch"], "data": e["fingerprint"]}
    return json.loads(json.dumps(recipe))  # type: ignore[no-any-return]  # a copy, and JSON-able
