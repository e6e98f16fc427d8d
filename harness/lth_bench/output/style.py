"""How each label looks, the same on the page and in paper figures.

Six hues, grey and black. Found by search in OKLCH for the largest distance between any two as seen
by people with deuteranopia, protanopia, tritanopia or none of them (Machado et al., 2009), under a
contrast with the background of at least 3 : 1 (light) and 4.5 : 1 (dark). Okabe and Ito's orange
and sky blue have 2.3 : 1 on white, too little for a thin line. Markers and dashes say the same
again without colour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lth_bench.analysis.evidence.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Look:
    """A colour, a marker and a dash, which tell lines apart without colour too."""

    light: str
    """Colour on white, as #rrggbb."""
    dark: str
    """Colour on near-black."""
    symbol: str
    """Plotly's name of the marker, `-open` for controls."""
    dash: str
    """Plotly's name of the dash."""
    marker: str
    """Matplotlib's name of the marker."""
    dashes: tuple[float, ...]
    """The dash in matplotlib's words: on, off, … in line widths; empty for a solid line."""
    open: bool
    """Whether the marker is drawn hollow: controls."""


COLOURS = {
    "black": ("#000000", "#ffffff"),
    "blue": ("#1a44a2", "#4f81c7"),
    "red": ("#cc2a1b", "#dc5815"),
    "green": ("#007834", "#65c67d"),
    "purple": ("#872d68", "#e68afa"),
    "ochre": ("#cb8614", "#ffdb67"),
    "cyan": ("#359bc4", "#a6dffb"),
    "grey": ("#767676", "#8d8d8d"),
}
"""On white, and on near-black."""

MARKERS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "triangle-down": "v",
    "cross": "P",
    "x": "X",
    "star": "*",
    "triangle-left": "<",
    "triangle-right": ">",
    "pentagon": "p",
}
"""Plotly's names, and matplotlib's."""

DASHES: dict[str, tuple[float, ...]] = {
    "solid": (),
    "dash": (5, 1.8),
    "longdash": (9, 2.5),
    "longdashdot": (9, 2, 1.2, 2),
    "dot": (1.2, 1.4),
    "dashdot": (4, 1.6, 1.2, 1.6),
    "2px,7px": (1.4, 4.6),
    "7px,2px,2px,2px,2px,2px": (4.6, 1.4, 1.4, 1.4, 1.4, 1.4),
    "3px,2px,3px,8px": (2, 1.4, 2, 5.3),
    "13px,3px,2px,3px,2px,3px": (8.6, 2, 1.4, 2, 1.4, 2),
    "6px,3px,6px,9px": (4, 2, 4, 6),
    "2px,3px,10px,3px": (1.4, 2, 6.6, 2),
    "10px,2px,2px,8px": (6.6, 1.4, 1.4, 5.3),
}
"""Plotly's names (or on and off in pixels), and matplotlib's on and off in line widths. From `dot`
on they are for controls."""

CONTEXT = "#8c8c8c"
"""Of what stands for no label, such as a Pareto front."""

HEAT = (
    "#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78", "#9b9476", "#bcae6c", "#dec958",
    "#fee838",
)  # fmt: skip
"""Colours of a matrix from low to high, evenly spread: cividis, which looks the same to people who
confuse red and green (Nuñez et al., 2018). It brightens from end to end and is grey in its middle:
around 0 it tells worse from better in grey print too."""


def ink_on(colour: tuple[float, float, float]) -> str:
    """Black or white, whichever has more contrast with red, green and blue in 0 to 1 (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"


FIXED = {
    "dense": ("black", "star", "longdash"),
    "imp": ("blue", "circle", "solid"),
    "late_rewind": ("red", "square", "dash"),
    "one_shot": ("green", "diamond", "solid"),
    "early_bird": ("purple", "triangle-up", "dash"),
    "snip": ("ochre", "triangle-down", "solid"),
    "rigl": ("cyan", "cross", "dash"),
    "random": ("grey", "x", "longdash"),
}
"""Labels that look the same in every database."""

CONTROLS = {
    "reinit": "dot",
    "reinit_at_rewind": "2px,7px",
    "reinit_same_signs": "7px,2px,2px,2px,2px,2px",
    "random_signs": "3px,2px,3px,8px",
    "shuffle": "dashdot",
    "moved_values": "2px,3px,10px,3px",
    "random_layers": "13px,3px,2px,3px,2px,3px",
    "shuffle_global": "10px,2px,2px,8px",
    "reorder": "6px,3px,6px,9px",
}
"""Controls take their ticket's colour and marker, hollow, and these dashes."""


def looks(subjects: Iterable[Subject]) -> dict[str, Look]:
    """A look for every subject, by its `name`.

    Give it all subjects of the database (`evidence.subjects(con)`), not those of one figure: a
    label then looks the same everywhere. Labels that are not in FIXED take what is free in the
    order of their names, and share no marker and dash with another of their colour before 140
    of them.
    """
    found = list(subjects)
    tickets = sorted({_ticket(s) for s in found} - FIXED.keys())
    chosen = FIXED | {ticket: _free(i) for i, ticket in enumerate(tickets)}
    return {s.name: _look(*chosen[_ticket(s)], s.control) for s in found}


def _ticket(subject: Subject) -> str:
    """Its name, or that of the ticket it is a control of."""
    return subject.label + (f" from {subject.source}" if subject.source else "")


def _free(i: int) -> tuple[str, str, str]:
    """The i-th of the looks that no fixed label has."""
    hues = [colour for colour, _, _ in FIXED.values() if colour != "black"]
    fixed = [marker for _, marker, _ in FIXED.values()]
    turn, hue = divmod(i, len(hues))
    colour = hues[hue]
    (own,) = [marker for c, marker, _ in FIXED.values() if c == colour]
    others = [m for m in (*[m for m in MARKERS if m not in fixed], *fixed) if m != own]
    dash = ("dash", "longdashdot")[(turn // len(others)) % 2]
    return colour, others[(turn + hue) % len(others)], dash


def _look(colour: str, symbol: str, dash: str, control: str) -> Look:
    is_control = control != "none"
    if is_control:
        dash = CONTROLS.get(control, "dot")
    light, dark = COLOURS[colour]
    shown = f"{symbol}-open" if is_control else symbol
    return Look(
        light=light,
        dark=dark,
        symbol=shown,
        dash=dash,
        marker=MARKERS[symbol],
        dashes=DASHES[dash],
        open=is_control,
    )
