"""The page of a label's tickets on a task at a seed: rounds, layers, masks, curves, what to save.

One page holds all densities and controls, and each ticket is a row with an address of its own. A
page a ticket would be five to ten times as many files, each with the frame and the dense run again.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace

from lth_bench.analysis.evidence import LayersKept, Subject
from lth_bench.analysis.experiment import repeat
from lth_bench.analysis.numbers import count, kept, percent, ratio
from lth_bench.analysis.site import LabelSeed, SiteSuite, TicketRow
from lth_bench.analysis.table import Cell, Style
from lth_bench.output.page.content import (
    Code,
    Column,
    Facts,
    Grid,
    GridRow,
    Part,
    Prose,
    clean,
    clean_lines,
)
from lth_bench.output.pictures.detail import Detail
from lth_bench.output.pictures.layers import kept_per_layer
from lth_bench.output.pictures.masks import mask_maps
from lth_bench.output.pictures.model import Picture
from lth_bench.output.pictures.over_steps import learning
from lth_bench.output.site.pages import PageGroup, SitePage, SuiteName
from lth_bench.output.site.places import Links
from lth_bench.output.words import listed, remaining
from lth_bench.params import show

FIGURES = (learning, kept_per_layer, mask_maps)
DETAIL = Detail(points=40, maps=12)

BAND = re.compile(r" The [^.]*'s 95% interval is drawn as a band[^.]*\.")
MEANS = {
    "; means over the seeds": "",
    "Means over the seeds; t": "T",
    "Masks of all seeds (1) together; a": "A",
}
"""What figures say of several seeds, and what is left of it for one."""

VALUES = (
    "The mask with its values is no part of this site. Where the results lie with their artifacts, "
    "this writes it to a file; --results names that database:"
)


def search_page(
    one: LabelSeed, suite: SiteSuite, task: str, links: Links, name: SuiteName
) -> SitePage:
    """`task` is the task's name as a person would say it."""
    groups = [PageGroup(key="rounds", title="Tickets", parts=[_tickets(one), *_reasons(one)])]
    if one.layers:
        groups.append(PageGroup(key="layers", title="Layer by layer", parts=[_layers(one.layers)]))
    pictures = [_alone(picture) for draw in FIGURES if (picture := draw(one.evidence, DETAIL))]
    if pictures:
        groups.append(PageGroup(key="figures", title="Curves and masks", parts=pictures))
    groups.append(PageGroup(key="repeat", title="Repeat and save", parts=_repeat(one)))
    groups.append(PageGroup(key="facts", title="What it is", parts=[_facts(one)]))
    controls = dict.fromkeys(ticket.control for ticket in one.tickets)
    return SitePage(
        path=links.page,
        title=clean(f"{one.name} on {task}, seed {one.seed}"),
        kicker="Tickets",
        facts=[listed(sorted({end.status for end in one.ends}))],
        links=[
            links.suite(suite, name(suite)), links.task(one.place.task, task),
            *([] if one.strategy == "dense" else [links.method(one.label)]),
        ],
        groups=groups,
        subjects=[Subject(one.strategy, one.label, control, one.source) for control in controls],
        record=_record(one),
    )  # fmt: skip


def _alone(picture: Picture) -> Picture:
    """Without what is said of means over the seeds."""
    note = BAND.sub("", picture.note)
    for words, instead in MEANS.items():
        note = note.replace(words, instead)
    return replace(picture, note=note)


def _tickets(one: LabelSeed) -> Grid:
    rows = []
    for ticket in one.tickets:
        style: Style = "dim" if ticket.control != "none" or not ticket.reported else ""
        rows.append(GridRow(_cells(ticket, one), style=style, anchor=ticket.ticket_id or ""))
    columns = (
        Column("ticket", "the first characters name it in `lth-bench show`", numeric=False),
        Column("density %", "weights kept: the target, and in brackets what was reached"),
        Column("control", "the component that was ablated", numeric=False),
        Column("round"),
        Column(one.measure.column),
        Column("early stop", "step of minimum validation loss"),
        Column("rewound to", "step whose values the survivors take"),
        Column("steps", "of its own training"),
        Column("search", "steps to find it"),
        Column("cost", "FLOPs of search and training, if pruned weights cost nothing, as a "
               "multiple of the dense run's"),
        Column("effective %", "weights on some path from input to output"),
        Column("status", numeric=False),
    )  # fmt: skip
    return Grid(caption="Every round and control", columns=columns, rows=rows, cards=True)


def _cells(ticket: TicketRow, one: LabelSeed) -> list[Cell]:
    reached, target = ticket.density, ticket.target_density
    density = remaining(target if ticket.reported else reached or target)
    if ticket.reported and reached is not None and abs(reached - target) > 0.005 * target:
        density += f" ({kept(reached)})"
    cost = "" if ticket.flops_ratio is None or not ticket.reported else ratio(ticket.flops_ratio)
    status = ticket.status if ticket.reported else "on the way"
    effective = ticket.effective_density
    return [
        Cell((ticket.ticket_id or "–")[:12]),
        Cell(density),
        Cell("" if ticket.control == "none" else ticket.control),
        Cell("" if ticket.round is None else str(ticket.round)),
        Cell("" if ticket.score is None else one.measure.value(ticket.score)),
        _steps(ticket.early_stop_step), _steps(ticket.rewind_step), _steps(ticket.steps),
        _steps(ticket.search_steps),
        Cell(f"{cost}×" if cost else ""),
        Cell("" if effective is None else percent(effective)),
        Cell(status, "" if status in ("ok", "on the way", "planned") else "bad"),
    ]  # fmt: skip


def _steps(steps: int | None) -> Cell:
    return Cell("" if steps is None else count(steps))


def _reasons(one: LabelSeed) -> list[Part]:
    said = {reason for source in (one.ends, one.tickets) for x in source if (reason := x.reason)}
    return [Code("Why", clean_lines(reason)) for reason in sorted(said)]


def _layers(found: Sequence[LayersKept]) -> Grid:
    """A row a layer, a column a density."""
    layers = dict.fromkeys(
        (layer, n) for one in found for layer, n in zip(one.layers, one.total, strict=True)
    )
    by_density = [dict(zip(one.layers, one.kept, strict=True)) for one in found]
    rows = [
        GridRow([
            Cell(clean(layer)), Cell(f"{total:,}"),
            *(Cell(percent(own[layer]) if layer in own else "") for own in by_density),
        ])
        for layer, total in layers
    ]  # fmt: skip
    columns = [
        Column("layer", "from input to output", numeric=False), Column("weights"),
        *(Column(f"{remaining(one.target_density)}%", "of the layer kept") for one in found),
    ]  # fmt: skip
    return Grid(caption="Weights of each layer that are kept, in percent, by density",
                columns=columns, rows=rows)  # fmt: skip


def _repeat(one: LabelSeed) -> list[Part]:
    parts: list[Part] = []
    facts = {"label": one.label, "model": one.place.task.model,
             "dataset": one.place.task.dataset, "seed": one.seed}  # fmt: skip
    commands = dict.fromkeys(repeat(end.command, facts) for end in one.ends if end.command)
    parts += [Code("Repeat this seed", command) for command in commands]
    ticket = next(
        (t for t in reversed(one.tickets) if t.reported and t.control == "none" and t.ticket_id),
        None,
    )
    if ticket is not None and ticket.ticket_id is not None:
        command = ["lth-bench", "export", "ticket", ticket.ticket_id, "--output",
                   f"{ticket.ticket_id}.safetensors"]  # fmt: skip
        parts += [Prose([VALUES]), Code("Save a ticket with its values", shlex.join(command))]
    return parts


def _facts(one: LabelSeed) -> Facts:
    params = ", ".join(f"{key} = {show(value)}" for key, value in one.params.items())
    rows = [
        ("model", one.place.task.model), ("dataset", one.place.task.dataset),
        ("recipe", one.place.task.recipe), ("strategy", one.strategy),
        ("parameters", params or "defaults"), ("source hash", one.source_hash or ""),
        ("package version", one.plugin_version or ""), ("configuration", one.config_id),
    ]  # fmt: skip
    for title in ("experiment_id", "fingerprint", "torch", "engine", "device"):
        values = dict.fromkeys(getattr(end, title) for end in one.ends)
        text = ", ".join(str(value) for value in values if value not in (None, ""))
        rows.append((TITLES[title], text))
    return Facts("Settings", [(title, clean(text)) for title, text in rows if text])


TITLES = {
    "experiment_id": "experiments", "fingerprint": "data", "torch": "torch", "engine": "engine",
    "device": "device",
}  # fmt: skip


def _record(one: LabelSeed) -> str:
    """What the tables say, as JSON for programs; curves and masks are in the figures' CSV."""
    told = {
        "suite": one.place.suite, **one.place.task._asdict(), "strategy": one.strategy,
        "label": one.label, "seed": one.seed, "params": one.params, "config_id": one.config_id,
        "source_hash": one.source_hash, "metric": one.measure.name,
        "experiments": [asdict(end) for end in one.ends],
        "tickets": [asdict(ticket) for ticket in one.tickets],
        "layers": [
            {"density": x.target_density, "layers": x.layers, "total": x.total, "kept": x.kept}
            for x in one.layers
        ],
    }  # fmt: skip
    return json.dumps(told, separators=(",", ":"), default=str)
