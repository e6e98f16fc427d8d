"""Every figure of every task, as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence import Evidence, gather, subjects
from lth_bench.output.figures.density import accuracy, early_stop, gap
from lth_bench.output.figures.distances import distances
from lth_bench.output.figures.files import make_folder, save, stems
from lth_bench.output.figures.kept import kept
from lth_bench.output.figures.learning import learning
from lth_bench.output.figures.paper import Drawn, Looks, paper
from lth_bench.output.figures.pareto import cost
from lth_bench.output.figures.weights import weights
from lth_bench.output.style import looks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIGURES: Mapping[str, Callable[[Evidence, Looks], Drawn]] = {
    "accuracy": accuracy,
    "early-stop-step": early_stop,
    "generalisation-gap": gap,
    "cost": cost,
    "kept": kept,
    "learning-curves": learning,
    "mask-distance": distances,
    "weights": weights,
}
"""What draws them, by the name of the file."""


def write_figures(con: DuckDBPyConnection, folder: Path, suites: Sequence[str] = ()) -> list[Path]:
    """Write each figure of each task of the suites (none: of all) as SVG, PDF and PNG.

    The files written, in order. The folder is made; files of the same names are replaced, others
    left alone. The same database gives the same bytes with the same matplotlib. UserError where
    the disk refuses. About .3 s a file.
    """
    make_folder(folder)
    looked = looks(subjects(con))
    written = []
    evidence = gather(con, suites)
    with paper():
        for one, stem in zip(evidence, stems([e.place for e in evidence]), strict=True):
            for name, draw in FIGURES.items():
                for part, figure in draw(one, looked):
                    title = f"{name}: {one.place.title}"
                    written += save(figure, folder, f"{stem}-{name}{part}", title)
    return written
