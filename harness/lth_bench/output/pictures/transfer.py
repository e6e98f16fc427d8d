"""Where tickets are found against where they are trained (Morcos et al., 2019)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lth_bench.analysis.boards.notes import LOST_MARK, MARK
from lth_bench.analysis.boards.transfer import marks
from lth_bench.analysis.evidence import TransferCell, TransferGrid, TransferGrids
from lth_bench.analysis.measures import Measure
from lth_bench.output.pictures.layers import suffixes
from lth_bench.output.pictures.model import Axis, Facet, HeatMap, Panel, Picture
from lth_bench.output.pictures.ranges import format_of, limits
from lth_bench.output.words import remaining

T = TypeVar("T")

NOTE = (
    "A column is a task that tickets are trained on, a row the task that they were found on. With "
    "a sign: difference{0}, seed by seed, to the tickets found on the column's own task; without, "
    "in grey: {1}{2}, of those tickets and where there are none to compare with. ± 95% t-interval. "
    "Bright is better and dark is worse, on one scale for all grids."
)
BEYOND = " Colours end at {0}{1} on both sides of 0."
FOOT = (
    "With a sign: difference{0} to tickets found on the column's own task; without: {1}{2}, of "
    "these and where there are none"
)


def transfer(found: TransferGrids) -> Picture | None:
    """A grid for each label, control and density; None where nothing was measured yet."""
    cells = [cell for grid in found.grids for cell in grid.cells.values()]
    if all(cell.mean is None for cell in cells):
        return None
    measure = found.measure
    names = list(dict.fromkeys(grid.name for grid in found.grids))
    densities = sorted({grid.target_density for grid in found.grids}, reverse=True)
    reach = colour_reach(cells, found.margin)
    panel = Panel(
        title=f"{measure.title}: difference to tickets found on the task itself",
        x=Axis(title="Trained on", scale="names", names=found.targets),
        y=Axis(title="Found on", scale="names", names=found.sources[::-1]),
        z=Axis(
            title=f"Δ {measure.words}",
            format="points" if measure.is_fraction else "value",
            range=(-reach, reach),
            reverse=not measure.higher,
        ),
        more=Axis(title=measure.title, format=format_of(measure)),
        heats=[
            heat_of(found, grid, (names.index(grid.name), densities.index(grid.target_density)))
            for grid in found.grids
        ],
        about="Grid of the tasks that tickets were found on and those that they were trained on. "
        "The numbers are in a table below.",
    )
    facets = [
        Facet(title="method", values=names, spread="wrap", most=len(names)),
        Facet(
            title="weights remaining",
            values=[f"{remaining(density)}%" for density in densities],
            start=len(densities) - 1,
            spread="files",
            most=len(densities),
            suffixes=suffixes(densities),
        ),
    ]
    units = (_in(measure.difference_unit), measure.words, _in(measure.value_unit))
    is_cut = any(abs(cell.difference or 0) > reach for cell in cells)
    ends = measure.value(reach), f" {measure.difference_unit}".rstrip()
    said = [seeds(cells), *meanings(cells)]
    return Picture(
        key="transfer",
        title=f"Found on one task, trained on another: {measure.words}",
        panels=[panel],
        facets=facets,
        note=" ".join(
            [NOTE.format(*units) + BEYOND.format(*ends) * is_cut, *(f"{text}." for text in said)]
        ),
        foot="; ".join([FOOT.format(*units), "± 95% t-interval", *said]),
    )


def colour_reach(cells: Sequence[TransferCell], margin: float) -> float:
    """How far the colours go to both sides of 0.

    At least as far as a difference that does not matter, so that noise is not coloured; and not
    as far as a few that are far from all others.
    """
    found = [cell.difference for cell in cells if cell.difference is not None]
    return max(margin, *map(abs, limits(found))) if found else margin


def heat_of(found: TransferGrids, grid: TransferGrid, when: tuple[int, int]) -> HeatMap:
    """The grid's numbers, its first row at the top."""
    rows = [
        [grid.cells.get((i, j)) for j in range(len(found.targets))]
        for i in reversed(range(len(found.sources)))
    ]

    def each(value: Callable[[TransferCell], T], without: T) -> list[list[T]]:
        return [[without if cell is None else value(cell) for cell in row] for row in rows]

    return HeatMap(
        name=grid.name,
        x=range(len(found.targets)),
        y=range(len(found.sources)),
        z=each(lambda cell: cell.difference, None),
        texts=each(lambda cell: cell_text(cell, found.measure), ""),
        reach=each(lambda cell: cell.half, None),
        more=each(lambda cell: cell.mean, None),
        n=each(lambda cell: cell.n, 0),
        lost=each(lambda cell: cell.lost, 0),
        collapsed=each(lambda cell: cell.collapsed, 0),
        when=when,
    )


def cell_text(cell: TransferCell, measure: Measure) -> str:
    """The difference, or the mean where there is none, above half of its interval."""
    marked = marks(collapsed=cell.collapsed, lost=cell.lost)
    if cell.mean is None:
        return f"–{marked}"
    value = (
        measure.value(cell.mean) if cell.difference is None else measure.difference(cell.difference)
    )
    half = "" if cell.half is None else f"\n±{measure.value(cell.half)}"
    return f"{value}{marked}{half}"


def meanings(cells: Sequence[TransferCell]) -> list[str]:
    """What the marks mean that are in the cells."""
    found = []
    if any(cell.collapsed for cell in cells):
        found.append(f"{MARK} some seeds with layer collapse")
    if any(cell.lost for cell in cells):
        found.append(f"{LOST_MARK} some seeds failed")
    return found


def seeds(cells: Sequence[TransferCell]) -> str:
    """`n = 3 seeds`, `n = 2 to 3 seeds`."""
    found = {cell.n for cell in cells if cell.n}
    ends = sorted({min(found), max(found)})
    return f"n = {' to '.join(map(str, ends))} seed{'' if ends == [1] else 's'}"


def _in(unit: str) -> str:
    return f" in {unit}" if unit else ""
