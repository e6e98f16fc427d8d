"""What must be said of a task beside its table: by (suite, model, dataset, recipe), in words.

Whether its rows are alike, chosen by the seeds they are ranked by, ablated as they promise, of
networks that are none, and how much of the network its densities speak of.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.rows import BoardRow, full_name
from lth_bench.analysis.boards.scope import BoardScope
from lth_bench.analysis.numbers import kept
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Notes = dict[tuple[str, ...], str]

# Is a task known by its names trained with one recipe, on one network and one dataset? After
# `--set recipes.NAME.lr=…` for some of the labels only, the rows of the others, as planned before,
# still stand under the same name.
# one experiment stands for all of a label: of each only the newest configuration counts
ALIKE_SQL = """
    WITH one AS (
        SELECT c.task, c.label, any_value(s.suite) AS suite, any_value(s.experiment_id) AS id
        FROM (
            SELECT cell, any_value(suite) AS suite, any_value(experiment_id) AS experiment_id
            FROM slots WHERE task IN (SELECT unnest($tasks)) GROUP BY cell
        ) s
        JOIN cells c ON c.cell = s.cell
        GROUP BY c.task, c.label
    )
    SELECT
        o.task, o.label, p.tuned_from IS NOT NULL,
        p.config -> 'recipe', p.config -> 'model', p.config -> 'dataset'
    FROM one o JOIN plans p ON p.suite = o.suite AND p.experiment_id = o.id
    ORDER BY o.task, o.label
"""


def unlike(con: DuckDBPyConnection, scope: BoardScope) -> Notes:
    """By (suite, model, dataset, recipe): what the labels were not trained alike in."""
    labels: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    tuned: dict[int, set[str]] = defaultdict(set)
    for task, label, by_tuning, *parts in con.execute(
        ALIKE_SQL, {"tasks": list(scope.tasks)}
    ).fetchall():
        labels[task][json.dumps([json.loads(part or "null") for part in parts])].append(label)
        if by_tuning:
            tuned[task].add(label)
    found: Notes = {}
    for task, groups in labels.items():
        if len(groups) > 1:
            told = "; ".join(_told(key, groups) for key in groups)
            found[scope.tasks[task]] = printable(
                f"not like for like: {told}. {_advice(groups.values(), tuned[task])}"
            )
    return found


def _advice(groups: Iterable[Collection[str]], tuned: Collection[str]) -> str:
    """What to do; nothing, where tuning has found recipes of their own for some labels."""
    if sum(not {*group} <= {*tuned} for group in groups) <= 1:
        return "Tuning has found these recipes; the dense run has the suite's"
    return "Run the suite again for all of them, or under another suite name"


def _told(key: str, groups: Mapping[str, list[str]]) -> str:
    """`lr 0.003: dense, imp`."""
    others = [json.loads(other) for other in groups]
    settings: list[str] = []
    for index, part in enumerate(json.loads(key)):
        variants = [_flat(other[index]) for other in others]
        own = _flat(part)
        for name in sorted({name for variant in variants for name in variant}):
            if len({json.dumps(variant.get(name)) for variant in variants}) > 1:
                value = own.get(name, "default")
                short = f"{value:.6g}" if isinstance(value, float) else value
                settings.append(f"{name} {short}")
    return f"{', '.join(settings)}: {', '.join(groups[key])}"


def _flat(part: Any) -> dict[str, Any]:
    return part if isinstance(part, dict) else {"": part}


SEEN_SQL = """
    WITH used AS (SELECT study_id, any_value(seeds) AS seeds FROM trials GROUP BY study_id)
    SELECT DISTINCT p.suite, p.model, p.dataset, p.recipe, p.label, p.seed
    FROM slots s
    JOIN plans p ON p.suite = s.suite AND p.experiment_id = s.experiment_id
    JOIN used u ON u.study_id = p.tuned_from
    WHERE list_contains(u.seeds, p.seed)
    ORDER BY ALL
"""


def seen(con: DuckDBPyConnection, scope: BoardScope) -> Notes:
    """By (suite, model, dataset, recipe): which labels have rows at seeds of their own tuning."""
    labels: dict[tuple[str, ...], dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    tasks = set(scope.tasks.values())
    for *task, label, seed in con.execute(SEEN_SQL).fetchall():
        if tuple(task) in tasks:
            labels[tuple(task)][label].append(seed)
    return {
        task: printable(
            "chosen by tuning at seeds that count here, which favours them: "
            + "; ".join(f"{label} (seeds {', '.join(map(str, s))})" for label, s in found.items())
        )
        for task, found in labels.items()
    }


# a control whose ticket was skipped shares its reason, which is said elsewhere
ABLATIONS_SQL = """
    SELECT
        c.task, c.label, c.control, c.source_model, c.source_dataset, c.source_recipe,
        t.model, t.dataset, t.recipe,
        f.status, f.reason, list(DISTINCT f.target_density ORDER BY f.target_density DESC)
    FROM flat f
    JOIN cells c ON c.cell = f.cell
    JOIN tasks t ON t.task = c.task
    WHERE f.control <> 'none' AND f.reason IS NOT NULL AND f.status IN ('ok', 'skipped')
        AND {where}
        AND NOT EXISTS (
            SELECT 1 FROM flat o
            WHERE o.suite = f.suite AND o.experiment_id = f.experiment_id AND o.control = 'none'
                AND o.target_density = f.target_density AND o.status = 'skipped'
        )
    GROUP BY ALL
    ORDER BY c.task, c.label, c.control, f.status, f.reason
"""


def ablations(con: DuckDBPyConnection, scope: BoardScope) -> Notes:
    """By (suite, model, dataset, recipe): which controls there are not, or only in part, and why.

    `imp/reinit at 50%, 20%: skipped: the model's initial values are fixed …`
    """
    said: dict[tuple[str, ...], list[str]] = defaultdict(list)
    found = con.execute(ABLATIONS_SQL.format(where=scope.where("f")), scope.parameters).fetchall()
    for task, *names, status, reason, densities in found:
        columns = ("label", "control", "source_model", "source_dataset", "source_recipe")
        who = full_name(dict(zip((*columns, "model", "dataset", "recipe"), names, strict=True)))
        where = ", ".join(f"{kept(density)}%" for density in densities)
        what = "skipped: " if status == "skipped" else ""
        said[scope.tasks[task]].append(f"{who} at {where}: {what}{reason}")
    return {task: printable("; ".join(words)) for task, words in said.items()}


MARK = "†"
"""What stands after the accuracy of a row with such tickets."""
LOST_MARK = "‡"
"""What stands after a mean that lacks seeds which the method lost, in grids and figures."""
LAYERS_NAMED = 3
"""Layers that are named, at most."""

COLLAPSE_SQL = """
    WITH collapsed AS (
        SELECT f.* FROM flat f
        WHERE f.status = 'ok' AND is_collapsed(f.empty_layers, f.effective_density) AND {where}
    ),
    empty AS (
        SELECT ticket_id, layer, position FROM layers
        WHERE kept = 0 AND total > 0 AND NOT frozen
            AND ticket_id IN (SELECT ticket_id FROM collapsed)
    )
    SELECT
        c.task, c.target_density, c.label, c.control,
        c.source_model, c.source_dataset, c.source_recipe, t.model, t.dataset, t.recipe,
        count(DISTINCT f.seed),
        count(DISTINCT f.seed) FILTER (f.effective_density = 0),
        list(DISTINCT {{'position': e.position, 'layer': e.layer}}
            ORDER BY {{'position': e.position, 'layer': e.layer}})
            FILTER (e.layer IS NOT NULL)
    FROM collapsed f
    JOIN cells c ON c.cell = f.cell
    JOIN tasks t ON t.task = c.task
    LEFT JOIN empty e ON e.ticket_id = f.ticket_id
    GROUP BY ALL
    ORDER BY c.task, c.target_density DESC, c.label, c.control
"""


def collapses(con: DuckDBPyConnection, scope: BoardScope) -> Notes:
    """By (suite, model, dataset, recipe): what the mark means there.

    `† layer collapse: snip at 1% (3 seeds: no weight is left in fc2; no path from input to output
    in 2)`
    """
    said: dict[tuple[str, ...], list[str]] = defaultdict(list)
    found = con.execute(COLLAPSE_SQL.format(where=scope.where("f")), scope.parameters).fetchall()
    columns = ("label", "control", "source_model", "source_dataset", "source_recipe")
    for task, density, *names, seeds, dead, layers in found:
        who = full_name(dict(zip((*columns, "model", "dataset", "recipe"), names, strict=True)))
        what = [f"no weight is left in {_listed(layers)}"] if layers else []
        if dead:
            every = "" if dead == seeds else f" in {dead}"
            what.append(f"no path from input to output{every}")
        counted = f"{seeds} seed{'' if seeds == 1 else 's'}"
        said[scope.tasks[task]].append(f"{who} at {kept(density)}% ({counted}: {'; '.join(what)})")
    return {t: printable(f"{MARK} layer collapse: {', '.join(w)}") for t, w in said.items()}


def marked(text: str, row: BoardRow) -> str:
    """The text, with the mark where some of the row's tickets have collapsed."""
    return f"{text} {MARK}" if row.get("collapsed") else text


def _listed(layers: list[dict[str, str]]) -> str:
    return _some([layer["layer"] for layer in layers])


ENOUGH_PRUNABLE = 0.95
"""Prunable share of the parameters from which nothing is said: biases and norms are the rest."""


NAMED = 3
"""Of the parameters that are not prunable, the largest ones that are named."""


def prunable_share(
    prunable: int | None,
    parameters: int | None,
    rest: Sequence[str] = (),
    *,
    declared: bool = False,
    always: bool = False,
) -> str:
    """`320 of 5,706 parameters (5.6%) are prunable, and densities count these alone; the rest stays
    dense (embedding.weight, …)`, and "" where not known, or where that is nearly all of them,
    unless it was `declared` or `always` matters. `rest` names the others, the largest first.
    """
    if not parameters or prunable is None:
        return ""
    if prunable >= ENOUGH_PRUNABLE * parameters and not (declared or always):
        return ""
    names = ", ".join(map(printable, rest[:NAMED])) + (", …" if len(rest) > NAMED else "")
    return (
        f"{prunable:,} of {parameters:,} parameters ({100 * prunable / parameters:.1f}%) are "
        f"prunable, and densities count these alone{', as declared' if declared else ''}"
        + (f"; the rest stays dense ({names})" if names else "")
    )


SHARES_SQL = """
    WITH newest AS (
        SELECT
            suite, model, dataset, recipe,
            arg_max(
                {'prunable': prunable, 'parameters': parameters, 'rest': not_prunable},
                journal_order
            ) AS size
        FROM plans
        WHERE scored_on = 'test' AND prunable IS NOT NULL
        GROUP BY ALL
    )
    SELECT t.task, n.size.prunable, n.size.parameters, coalesce(n.size.rest, [])
    FROM newest n JOIN tasks t USING (suite, model, dataset, recipe)
    WHERE t.task IN (SELECT unnest($tasks)) AND n.size.prunable < $enough * n.size.parameters
"""


def shares(con: DuckDBPyConnection, scope: BoardScope) -> Notes:
    """By (suite, model, dataset, recipe): `320 of 5,706 parameters (5.6%) are prunable, …`."""
    found = con.execute(
        SHARES_SQL, {"tasks": list(scope.tasks), "enough": ENOUGH_PRUNABLE}
    ).fetchall()
    return {scope.tasks[task]: prunable_share(*sizes) for task, *sizes in found}


def fixed_by(start: Mapping[str, Any]) -> str:
    """`initial values are fixed by digits.safetensors (sha256 1a2b3c4d5e6f): seeds vary only …`."""
    source, sha256 = printable(str(start.get("source"))), printable(str(start.get("sha256")))[:12]
    drawn = [printable(str(key)) for key in start.get("drawn") or ()]
    share = ""
    if drawn:
        share = f" ({start.get('fixed', 0):,} of {start.get('parameters', 0):,} parameters)"
    more = f", and draw the initial values of {_some(drawn)}" if drawn else ""
    return (
        f"initial values{share} are fixed by {source} (sha256 {sha256}): seeds vary only the order "
        f"of data, augmentation and dropout{more}"
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - LAYERS_NAMED} more" if len(names) > LAYERS_NAMED else ""
    return ", ".join(names[:LAYERS_NAMED]) + more


STARTS_SQL = """
    WITH newest AS (
        SELECT suite, model, dataset, recipe, arg_max(start, journal_order) AS start
        FROM plans
        WHERE scored_on = 'test' AND start IS NOT NULL
        GROUP BY ALL
    )
    SELECT t.task, n.start
    FROM newest n JOIN tasks t USING (suite, model, dataset, recipe)
    WHERE t.task IN (SELECT unnest($tasks))
"""


def starts(con: DuckDBPyConnection, scope: BoardScope) -> Notes:
    """By (suite, model, dataset, recipe): which file fixes the initial values, so that seeds vary
    less than elsewhere.
    """
    found = con.execute(STARTS_SQL, {"tasks": list(scope.tasks)}).fetchall()
    return {scope.tasks[task]: fixed_by(json.loads(start)) for task, start in found}


EVERY: tuple[Callable[[DuckDBPyConnection, BoardScope], Notes], ...] = (
    unlike, seen, ablations, collapses, shares, starts,
)  # fmt: skip
"""All of them, in the order in which they stand below a table."""
