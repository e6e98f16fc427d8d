"""Matplotlib's settings for print: the size of things, and what keeps files the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lth_bench.output.style import Look

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Looks = Mapping[str, Look]
"""By the subject's name."""

Drawn = Iterator[tuple[str, "Figure"]]
"""What is added to the file's name, and the figure. None where there is nothing to draw."""

COLUMN = 3.3
"""Inches across a column of a two-column paper."""

PAGE = 6.8
"""Inches across its page."""

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


@contextmanager
def paper() -> Iterator[None]:
    """Matplotlib's own defaults with SETTINGS, whatever the user's matplotlibrc says."""
    import matplotlib

    # without the back end, which is the caller's own
    settings: Any = {k: v for k, v in matplotlib.rcParamsDefault.items() if "backend" not in k}
    with matplotlib.rc_context():
        matplotlib.rcParams.update(settings | SETTINGS)
        yield
