"""How much the masks of two labels overlap, and how often the survivors have the same sign."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from lth_bench.analysis.boards.scope import DENSITY_TOLERANCE, task_matches
from lth_bench.analysis.numbers import kept
from lth_bench.analysis.table import Board, Cell, Table
from lth_bench.errors import NothingSelected
from lth_bench.interchange.saved_ticket import SavedTicket, load_ticket
from lth_bench.masks import Mask
from lth_bench.store.reading import reading, to_stderr
from lth_bench.system.text import printable

LEGEND = (
    "overlap: weights that both masks keep, as a share of those that one of them keeps (Jaccard), "
    "mean over the pairs. chance: what two random masks with these layer densities have. same "
    "sign: of the weights that both keep, those whose trained values have the same sign; 50% is "
    "chance. initial values: shared at the same seed; masks of other seeds belong to other "
    "networks, whose weights at one place have nothing in common but the place. pairs: pairs of "
    "tickets, one of A and one of B; those of other seeds are not independent of each other."
)
KEYS = ("suite", "model", "dataset", "recipe", "target_density")


class Overlap(NamedTuple):
    """Of two masks; all in [0, 1]."""

    jaccard: float
    chance: float
    """Expected of random masks with the same layer counts: intersection over union of means."""
    same_sign: float | None
    """None where no weight is kept by both."""


def overlap(one: Mask, other: Mask, values: Sequence[Mapping[str, Any]]) -> Overlap:
    """Of two masks over the same layers, and the state dicts that their tickets ended with."""
    both = either = agree = 0
    by_chance = 0.0
    for key, a in one.items_by_key().items():
        b = other.items_by_key()[key]
        common = a & b
        both += int(common.sum())
        either += int((a | b).sum())
        by_chance += int(a.sum()) * int(b.sum()) / a.numel()
        signs = [state[key].sign() for state in values]
        agree += int(((signs[0] == signs[1]) & common).sum())
    expected = by_chance / (one.count + other.count - by_chance)
    return Overlap(both / either, expected, agree / both if both else None)


def overlaps(
    results: Path,
    first: tuple[str, str],
    second: tuple[str, str],
    *,
    suites: Sequence[str] = (),
    tasks: Sequence[str] = (),
    densities: Sequence[float] = (),
    plugins: Sequence[str | Path] = (),
    no_plugins: bool = False,
) -> Board:
    """The overlap of two labels' masks, each (label, control), at every density of every task that
    both have: at the same seed, and between other seeds. `plugins` are one-file plugins that the
    models need; `no_plugins` ignores those of other packages. UserError where a ticket's values are
    not kept, NothingSelected where no pair is there.
    """
    loaded: dict[str, SavedTicket] = {}

    def asked(suite: str, *task: str, density: float) -> bool:
        near = any(abs(density - d) <= DENSITY_TOLERANCE * d for d in densities)
        known = not suites or suite in suites
        return known and (near or not densities) and task_matches(task, tasks)

    def ticket(identity: str) -> SavedTicket:
        if identity not in loaded:
            loaded[identity] = load_ticket(
                results, identity, plugins=plugins, no_plugins=no_plugins
            )
        return loaded[identity]

    sides = [
        {p: found for p, found in _tickets(results, *side).items() if asked(*p[:4], density=p[4])}
        for side in (first, second)
    ]
    rows: list[dict[str, Any]] = []
    for place in sorted(sides[0].keys() & sides[1].keys(), key=lambda p: (p[:4], -p[4])):
        loaded.clear()
        here = [side[place] for side in sides]
        for shared in (True, False):
            pairs = [
                (a, b)
                for (i, a), (j, b) in product(here[0].items(), here[1].items())
                if (i == j) is shared and a != b and (first != second or i < j)
            ]
            if pairs:
                found = [_of(ticket(a), ticket(b)) for a, b in pairs]
                rows.append({**dict(zip(KEYS, place, strict=True)), **_row(found, shared)})
    if not rows:
        raise NothingSelected(
            f"no tickets of {first[0]} and {second[0]} at the same density of the same task"
        )
    return Board("overlap", rows, _tables(rows), LEGEND)


def _tickets(results: Path, label: str, control: str) -> dict[tuple[Any, ...], dict[int, str]]:
    """(suite, model, dataset, recipe, density) → seed → the id of the ticket."""
    with reading(results, to_stderr) as con:
        rows = con.execute(
            "SELECT suite, model, dataset, recipe, target_density, seed, ticket_id FROM flat "
            "WHERE status = 'ok' AND label = ? AND control = ? AND target_density < 1 "
            "AND (source_model, source_dataset, source_recipe) = (model, dataset, recipe)",
            [label, control],
        ).fetchall()
    found: dict[tuple[Any, ...], dict[int, str]] = {}
    for *place, seed, identity in rows:
        found.setdefault(tuple(place), {})[seed] = identity
    return found


def _of(a: SavedTicket, b: SavedTicket) -> Overlap:
    return overlap(a.mask, b.mask, (a.final.values, b.final.values))


def _row(found: Sequence[Overlap], shared: bool) -> dict[str, Any]:
    signs = [x.same_sign for x in found if x.same_sign is not None]
    return {
        "initial_values": "shared" if shared else "different",
        "pairs": len(found),
        "overlap": _mean(x.jaccard for x in found),
        "chance": _mean(x.chance for x in found),
        "same_sign": _mean(signs) if signs else None,
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _tables(rows: Sequence[Mapping[str, Any]]) -> list[Table]:
    header = ("density %", "initial values", "overlap %", "chance %", "same sign %", "pairs")
    tables = []
    for task in dict.fromkeys(tuple(row[key] for key in KEYS[:4]) for row in rows):
        lines = [
            (
                Cell(kept(row["target_density"]), "strong"),
                Cell(row["initial_values"]),
                *(Cell(_percent(row[key])) for key in ("overlap", "chance", "same_sign")),
                Cell(str(row["pairs"])),
            )
            for row in rows
            if tuple(row[key] for key in KEYS[:4]) == task
        ]
        title = printable(" · ".join(task[1:]))
        tables.append(
            Table(header=header, blocks=[lines], title=title, group=printable(task[0]),
                  left=frozenset({1}))
        )  # fmt: skip
    return tables


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"
