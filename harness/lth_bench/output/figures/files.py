"""Names and formats of the files."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.analysis.evidence import Place
from lth_bench.errors import UserError
from lth_bench.system.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")

DPI = 300
"""Of the PNG: what printers ask for."""

LONGEST = 80
"""Characters of a stem; file systems allow 255 bytes, and figures add their own names."""


def stems(places: Sequence[Place]) -> list[str]:
    """The beginning of each place's file names, from its suite, model, dataset and recipe.

    Letters, digits, hyphens and underscores, as LaTeX and every file system take them. Where two
    places would get the same, as names differ in other characters or in case alone, and where a
    name is cut short, a part of the real names' digest is added.
    """
    plain = [_slug("-".join((place.suite, *place.task))) for place in places]
    seen = Counter(stem.casefold() for stem in plain)
    return [
        stem if seen[stem.casefold()] == 1 and len(stem) <= LONGEST else _marked(stem, place)
        for stem, place in zip(plain, places, strict=True)
    ]


def _slug(text: str) -> str:
    letters = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9_]+", "-", letters).strip("-") or "figure"


def _marked(stem: str, place: Place) -> str:
    digest = hashlib.sha256(repr(place).encode()).hexdigest()[:8]
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
            f"cannot write {path}: {error.strerror or error}. Mend that, or name another folder "
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
