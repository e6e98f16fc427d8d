"""The account of one experiment on a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.notes import prunable_share
from lth_bench.analysis.experiment import ExperimentFacts
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.numbers import count, percent
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

BLOCKS = "▁▂▃▄▅▆▇█"
ID = 10
"""Characters of a ticket's id that are shown; `show` takes the beginning of one."""
LAYER_COLUMNS = 12
"""Rounds of which the layers are shown; `--json` has all."""


def shown(account: ExperimentFacts) -> Group:
    """Heading, facts, tickets, layers, trainings; for one ticket also metrics and curve."""
    from rich.console import Group
    from rich.text import Text

    experiment = account["experiment"]
    parts: list[RenderableType] = [_heading(experiment), _facts(account), Text("")]
    tickets = account["tickets"]
    if not tickets:
        parts.append(Text("no ticket yet", style="yellow"))
        return Group(*parts)
    known = Measure(experiment["metric"], experiment["metric_unit"], experiment["higher_is_better"])
    parts.append(_tickets(tickets, known))
    if account["ticket_id"] is not None:
        parts += [_metrics(tickets[0]), *_curve(tickets[0], known)]
    if any(t["layers"] for t in tickets):
        parts.append(_layers(tickets))
    if any(t["trainings"] for t in tickets):
        parts.append(_trainings(tickets))
    return Group(*parts)


def sparkline(values: Iterable[float | None]) -> str:
    """Values as a row of blocks, lowest to highest; a space where there is none."""
    numbers = list(values)
    known = [v for v in numbers if v is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(" " if v is None else BLOCKS[round((v - low) * scale)] for v in numbers)


def _heading(experiment: ExperimentFacts) -> RenderableType:
    from rich.text import Text

    status = experiment["status"]
    colour = {"ok": "green", "planned": "yellow", "skipped": "yellow"}.get(status, "red")
    task = " · ".join(experiment[key] for key in ("model", "dataset", "recipe"))
    head = Text(printable(f"{experiment['label']} · {task} · seed {experiment['seed']}  "))
    head.stylize("bold")
    head.append(status, style=f"bold {colour}")
    if experiment["reason"]:
        head.append(f"\n{_lines(experiment['reason'])}", style=colour)
    return head


def _facts(account: ExperimentFacts) -> Table:
    from rich.text import Text

    from lth_bench.output.columns import Columns

    e, run = account["experiment"], account["run"]
    source = [e[f"source_{key}"] for key in ("model", "dataset", "recipe")]
    facts: list[tuple[str, str]] = [
        ("experiment", f"{e['experiment_id']}  (configuration {e['config_id']})"),
        ("suite", e["suite"] + _standing(e)),
        ("strategy", f"{e['strategy']} {e['plugin_version'] or ''}  source {e['source_hash']}"),
        ("parameters", _settings(e["params"])),
        ("densities", ", ".join(f"{d:.4g}" for d in e["densities"] or () if d is not None)),
        ("controls", ", ".join(filter(None, e["controls"] or ())) or "none"),
    ]
    share = prunable_share(e["prunable"], e["parameters"], e["not_prunable"] or (), always=True)
    if share:
        facts.append(("network", share))
    if e["start"] is not None:
        start = json.loads(e["start"]) if isinstance(e["start"], str) else e["start"]
        drawn = f"; drawn: {', '.join(start['drawn'])}" if start["drawn"] else ""
        facts.append(("starts from", f"{start['source']}, sha256 {start['sha256']}{drawn}"))
    if e["tuned_from"] is not None:
        facts.append(("tuned", f"trial {e['tuned_trial']} of study {e['tuned_from']}"))
    if source != [e[key] for key in ("model", "dataset", "recipe")]:
        facts.append(("found on", " · ".join(source)))
    if e["seconds"] is not None:
        facts.append(("took", f"{e['seconds']:,.1f} s on {e['worker'] or 'a worker'}"))
    if run is not None:
        when = (run["recorded_at"] or "")[:19].replace("T", " ")
        where = [run["device"], run["host"], f"Python {run['python']}", f"torch {run['torch']}"]
        facts += [
            ("planned by", f"run {run['run_id']}, {when} UTC"),
            ("on", " · ".join(str(x) for x in where if x)),
            ("repeat", account["repeat"]),
        ]
    table = Columns.grid(padding=(0, 2, 0, 0))
    for name, value in facts:
        table.add_row(Text(name, style="dim"), Text(printable(value)))
    return table


def _tickets(tickets: list[ExperimentFacts], known: Measure) -> Table:
    # of accuracy as always: test %, early %
    unit = "%" if known == ACCURACY else known.without_split + " %" * known.is_fraction
    table = _table(
        "Tickets",
        *("ticket", "round", "density %", "eff. %", "control", f"test {unit}"),
        *("early stop", f"early {unit}", "rewind", "train", "search", "status"),
        left={0, 4, 11},
    )
    for t in tickets:
        status = t["status"] if t["reported"] else "interim"
        if t["reason"]:
            status += f": {t['reason']}"
        _add(
            table,
            t["ticket_id"][:ID],
            count(t["round"]),
            _percent(t["density"]),
            _percent(t["effective_density"]),
            "" if t["control"] == "none" else t["control"],
            _valued(t["score"], known),
            count(t["early_stop_step"]),
            _valued(t["early_stop_score"], known),
            count(t["rewind_step"]),
            count(t["steps"]),
            count(t["search_steps"]),
            status,
            style="" if t["reported"] else "dim",
        )
    return table


def _metrics(ticket: ExperimentFacts) -> Table:
    table = _table("Metrics and cost", "what", "value", left={0})
    costs = (
        "steps", "examples", "flops_dense", "flops_masked_theoretical", "seconds",
        "search_steps", "search_examples", "search_flops_dense",
        "search_flops_masked_theoretical", "search_seconds", "spent_steps", "spent_seconds",
        "bit_operations", "search_bit_operations",
    )  # fmt: skip
    for name, value in {**ticket["metrics"], **{key: ticket[key] for key in costs}}.items():
        _add(table, name, "–" if value is None else f"{value:,.6g}")
    return table


def _curve(ticket: ExperimentFacts, known: Measure) -> list[RenderableType]:
    from rich.text import Text

    lines: list[RenderableType] = []
    metric = ("val_score", f"validation {known.without_split}")
    for key, name in (metric, ("val_loss", "validation loss")):
        values = [point[key] for point in ticket["curve"]]
        finite = [v for v in values if v is not None]
        if finite:
            every = max(1, len(values) // 60)
            line = sparkline(values[::every])
            lines.append(Text(f"{name:<20} {line}  {finite[0]:.4f} → {finite[-1]:.4f}"))
    return [*lines, Text("")] if lines else []


def _layers(tickets: list[ExperimentFacts]) -> Table:
    with_layers = [t for t in tickets if t["layers"] and t["control"] == "none"] or tickets[:1]
    columns = with_layers[-LAYER_COLUMNS:]
    heads = [f"round {t['round']}" for t in columns]
    table = _table("Weights kept in each layer, %", "layer", "kind", "weights", *heads, left={0, 1})
    for position, layer in enumerate(columns[0]["layers"]):
        kept = [t["layers"][position] for t in columns if position < len(t["layers"])]
        _add(
            table, layer["layer"], layer["kind"], _whole(layer["total"]),
            *(percent(k["kept"] / k["total"]) if k["kept"] is not None and k["total"] else "–"
              for k in kept),
        )  # fmt: skip
    return table


def _trainings(tickets: list[ExperimentFacts]) -> Table:
    """Each training once, where it was used first: later rounds search in those before them."""
    table = _table(
        "Trainings", "training", "round", "role", "steps", "seconds", "cohort size", "device",
        "memory", "", left={0, 2, 6, 8},
    )  # fmt: skip
    seen: set[str] = set()
    for ticket in tickets:
        for t in ticket["trainings"]:
            if t["key"] in seen:
                continue
            seen.add(t["key"])
            _add(
                table, t["key"][:16], str(ticket["round"]), t["role"],
                f"{_whole(t['start_step'])} to {_whole(t['end_step'])}", _seconds(t["seconds"]),
                str(t["cohort_size"]), t["device"], _megabytes(t["peak_memory"]),
                "reused" if t["reused"] else "",
            )  # fmt: skip
    return table


def _table(title: str, *columns: str, left: set[int]) -> Table:
    from rich import box
    from rich.text import Text

    from lth_bench.output.columns import Columns

    table = Columns(
        title=Text(title, style="bold cyan"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="dim",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index in left else "right", no_wrap=index == 0)
    return table


def _add(table: Table, *cells: str | None, style: str = "") -> None:
    from rich.text import Text

    table.add_row(*(Text(printable(cell or "")) for cell in cells), style=style)


def _whole(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _megabytes(value: int | None) -> str:
    return "" if value is None else f"{value / 1e6:,.0f} MB"


def _standing(experiment: ExperimentFacts) -> str:
    """Why its rows do not count, where they do not."""
    if experiment["scored_on"] == "validation":
        return "  — tried by tuning, on the validation split"
    return "" if experiment["current"] else "  — replaced by a newer configuration"


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else percent(fraction)


def _valued(value: float | None, known: Measure) -> str:
    return "–" if value is None else known.value(value)


def _settings(params: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {json.dumps(value)}" for key, value in params.items()) or "defaults"


def _lines(text: str) -> str:
    """A reason that may be a traceback: each of its lines made safe."""
    return "\n".join(printable(line) for line in text.splitlines())
