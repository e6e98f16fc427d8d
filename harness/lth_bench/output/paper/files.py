"""Every figure of every task as files: their names and formats, and matplotlib's settings."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.evidence import (
    Place,
    Subject,
    TaskEvidence,
    TaskGroup,
    TransferGrids,
    task_groups,
)
from lth_bench.errors import UserError
from lth_bench.output.paper.draw import draw
from lth_bench.output.pictures import FULL, OF_GROUPS, PICTURES, transfer
from lth_bench.output.style import looks
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")

DPI = 300
"""Of the PNG: what printers ask for."""

LONGEST = 80
"""Characters of a stem; file systems allow 255 bytes, and figures add their own names."""

SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "text.parse_math": False,  # a $ in a name is a $
    "axes.linewidth": 0.6,
    "axes.formatter.useoffset": False,  # +2 above an axis is easily overlooked
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.6,
    "lines.dash_capstyle": "butt",
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "legend.columnspacing": 1.2,
    "legend.labelspacing": 0.25,
    "figure.constrained_layout.h_pad": 0.02,
    "figure.constrained_layout.w_pad": 0.02,
    "pdf.fonttype": 42,  # whole TrueType fonts: journals refuse type 3
    # Letters as outlines: an SVG then looks the same without the font, which text would need.
    "svg.fonttype": "path",
    "svg.hashsalt": "lth-bench",  # otherwise ids are random, and no two files equal
}


def write_figures(
    evidence: Sequence[TaskEvidence],
    subjects: Iterable[Subject],
    folder: Path,
    transfers: Sequence[TransferGrids] = (),
) -> list[Path]:
    """Write each figure of each of these tasks, of tasks beside each other, and of tickets that
    were transferred between tasks, as SVG, PDF and PNG.

    `subjects` are all of the database, so that a label looks the same in every figure. The files
    written, in order. The folder is made; files of the same names are replaced, others left alone.
    The same results give the same bytes with the same matplotlib. UserError where the disk
    refuses. About .3 s a file.
    """
    make_folder(folder)
    looked = looks(subjects)
    groups = task_groups(evidence)
    places: list[FigurePlace] = [*(one.place for one in evidence), *groups, *transfers]
    pictures = chain(
        ([describe(one, FULL) for describe in PICTURES] for one in evidence),
        ([describe(one) for describe in OF_GROUPS] for one in groups),
        ([transfer(one)] for one in transfers),
    )
    written = []
    with for_paper():
        for place, stem, own in zip(places, stems(places), pictures, strict=True):
            for picture in own:
                for name, figure in draw(picture, looked) if picture else ():
                    written += save(figure, folder, f"{stem}-{name}", f"{name}: {place.title}")
    return written


@contextmanager
def for_paper() -> Iterator[None]:
    """Matplotlib's own defaults with SETTINGS, whatever the user's matplotlibrc says."""
    import matplotlib

    # without the back end, which is the caller's own
    settings: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if "backend" not in k}
    with matplotlib.rc_context():
        matplotlib.rcParams.update(settings | SETTINGS)
        yield


FigurePlace = Place | TaskGroup | TransferGrids
"""What a figure is about."""


def stems(places: Sequence[FigurePlace]) -> list[str]:
    """The beginning of each place's file names, from its suite, model, dataset and recipe, or
    those of these that all tasks of a group or of a transfer share.

    Letters, digits, hyphens and underscores, as LaTeX and every file system take them. Where two
    places would get the same, as names differ in other characters or in case alone, and where a
    name is cut short, a part of the real names' digest is added.
    """
    plain = [_slug("-".join(place.parts)) for place in places]
    seen = Counter(stem.casefold() for stem in plain)
    return [
        stem if seen[stem.casefold()] == 1 and len(stem) <= LONGEST else _marked(stem, place)
        for stem, place in zip(plain, places, strict=True)
    ]


def _slug(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", letters).strip("-") or "figure"


def _marked(stem: str, place: FigurePlace) -> str:
    named: object = place
    if isinstance(place, TaskGroup):
        named = (*place.parts, place.names)
    elif isinstance(place, TransferGrids):
        named = (*place.parts, place.sources, place.targets)
    digest = hashlib.sha256(repr(named).encode()).hexdigest()[:8]
    return f"{stem[: LONGEST - 9].rstrip('-')}-{digest}"


def make_folder(folder: Path) -> None:
    """Make the folder that figures go to. UserError where that cannot be."""
    with _refusals(folder):
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. Fix this, or name another folder "
            f"with --figures"
        ) from error


def save(figure: Figure, folder: Path, stem: str, title: str) -> list[Path]:
    """Write the figure as SVG, PDF and PNG, with the title as metadata and without any date."""
    title = printable(title)
    metadata: dict[str, dict[str, str | None]] = {
        "svg": {"Title": title, "Date": None, "Creator": None},
        "pdf": {"Title": title, "CreationDate": None, "Creator": None, "Producer": None},
        "png": {"Title": title, "Software": None},
    }
    # laid out once, then left so: each format would do it again, which takes half of the time
    figure.draw_without_rendering()
    figure.set_layout_engine(None)
    written = []
    for kind in FORMATS:
        drawn = BytesIO()
        figure.savefig(drawn, format=kind, dpi=DPI, metadata=metadata[kind])
        path = folder / f"{stem}.{kind}"
        with _refusals(path):
            path.write_bytes(drawn.getvalue())
        written.append(path)
    return written
