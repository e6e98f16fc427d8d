"""`lth-bench why`: why an experiment was trained, reused, or would be trained again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from lth_bench.cli.options import JsonOption, NoPluginsOption, PluginsOption, ResultsOption

MOST_TRAININGS = 12
"""Trainings that are listed at most; `--json` has all."""


def why(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT",
            help="First characters of an experiment's or ticket's id; or SUITE/LABEL, if that is "
            "one experiment.",
        ),
    ],
    results: ResultsOption = None,
    plugin: PluginsOption = None,
    no_plugins: NoPluginsOption = False,
    json_: JsonOption = False,
) -> None:
    """Explain why an experiment was trained or reused, and what a run would do with it now.

    Shows what changed since the previous version of the experiment: source, parameters, data,
    recipe. Lists the trainings that it reused, and the experiments that trained them. For ids, use
    `lth-bench query "FROM experiments"`.
    """
    from lth_bench.cli.output import print_json
    from lth_bench.data.root import data_root
    from lth_bench.errors import UserError
    from lth_bench.maintenance.why import fingerprint_lookup
    from lth_bench.maintenance.why import why as why_
    from lth_bench.plugins import load_registry
    from lth_bench.plugins.source import source_hash
    from lth_bench.store.paths import Paths, default_results
    from lth_bench.store.reading import reading, to_stderr

    registry = load_registry(plugin or (), not no_plugins)

    def source_now(strategy: str) -> str | None:
        try:
            return source_hash(registry.get("strategies", strategy))
        except UserError:
            return None

    paths = Paths(results or default_results())
    with reading(paths.results, to_stderr) as con:
        data_now = fingerprint_lookup(registry, data_root())
        found = why_(con, identity, paths.artifacts, source_now, data_now, results=paths.results)
    if json_:
        print_json(found)
    else:
        print(worded(found))


def worded(found: dict[str, Any]) -> str:
    """The answer as text, with control characters of the database's names escaped."""
    from lth_bench.system.text import printable

    return "\n".join(printable(line) for line in _lines(found))


def _lines(found: dict[str, Any]) -> Iterator[str]:
    e = found["experiment"]
    yield (
        f"{e['experiment_id']}: {e['label']} on {e['model']} · {e['dataset']} · {e['recipe']}, "
        f"seed {e['seed']}, suite {e['suite']}"
    )
    reason = str(found["reason"] or "").splitlines()
    yield f"status    {found['status']}" + (f": {reason[0]}" if reason else "")
    if found["planned_by"] is not None:
        run = found["planned_by"]
        yield f"planned   by run {run['run_id']}, {_when(run['recorded_at'])}: {run['command']}"
    if found["ended_by"] is not None:
        yield f"ended     in run {found['ended_by']['run_id']}, {_when(found['ended_by']['at'])}"
    if found["data"]["replaced"] is not None:
        yield (
            f"because   the data of {e['dataset']} had changed: its earlier results were for data "
            f"{found['data']['replaced'][:12]}"
        )
    else:
        yield from _compared("because", found["earlier"])
    yield from _compared("replaced", found["later"])
    yield from _shared(found["trainings"])
    yield f"now       {found['now']}"
    for note in found["notes"]:
        yield f"note      {note}"


def _compared(what: str, other: dict[str, Any] | None) -> Iterator[str]:
    if other is None:
        if what == "because":
            yield "because   it is the first version of this experiment"
        return
    yield (
        f"because   it differs from the previous experiment {other['experiment_id']} "
        f"({other['status']}, run {other['run_id']}) in"
        if what == "because"
        else f"replaced  by {other['experiment_id']} (run {other['run_id']}), which has"
    )
    for change in other["changed"]:
        yield f"            {change}"


def _shared(trainings: list[dict[str, Any]]) -> Iterator[str]:
    if not trainings:
        return
    own = sum(t["trained_here"] for t in trainings)
    yield f"trainings {len(trainings)}: {own} trained for it, {len(trainings) - own} reused"
    for t in trainings[:MOST_TRAININGS]:
        who = (
            "trained for it"
            if t["trained_here"]
            else f"reused; trained for {t['trained_by'] or 'an unknown experiment'}"
        )
        steps = "" if t["steps"] is None else f"{t['steps']:,} steps, "
        gone = "" if t["kept"] else ", no longer on disk"
        yield f"            {t['key'][:12]}  round {t['round']}, {steps}{who}{gone}"
    if len(trainings) > MOST_TRAININGS:
        yield f"            and {len(trainings) - MOST_TRAININGS} more (--json has all)"


def _when(at: object) -> str:
    return str(at or "at an unknown time").replace("T", " ")[:19]
