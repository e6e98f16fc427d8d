from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from lth_bench.analysis.evidence import Subject
from lth_bench.output.style import COLOURS, FIXED, HEAT, ink_on, looks

DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array([
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ]),
    "deuteranopia": np.array([
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]),
    "tritanopia": np.array([
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ]),
}  # fmt: skip
"""Of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1."""

TO_LMS = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip
"""OKLab (Ottosson, 2020)."""


def linear(colour: str):
    c = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(colour: str, deficiency: str):
    seen = np.clip(DEFICIENCIES[deficiency] @ linear(colour), 0, 1)
    return TO_LAB @ np.cbrt(TO_LMS @ seen)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    """WCAG 2's, 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def subject(label: str, control: str = "none", source: str = "") -> Subject:
    return Subject("dense" if label == "dense" else "any", label, control, source)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_colours_are_distinct_with_colour_blindness(deficiency, mode) -> None:
    colours = [lab(pair[mode], deficiency) for pair in COLOURS.values()]
    nearest = min(float(np.linalg.norm(a - b)) for a, b in combinations(colours, 2))
    assert nearest > 0.08  # Okabe and Ito's eight: .076


@pytest.mark.parametrize(
    ("mode", "background", "least"), [(0, "#ffffff", 3.0), (1, "#15171a", 4.5)]
)
def test_colours_contrast_with_the_background(mode, background, least) -> None:
    for pair in COLOURS.values():
        assert contrast(pair[mode], background) >= least, pair


def test_known_labels_look_the_same_everywhere() -> None:
    alone = looks([subject("imp")])
    among = looks(map(subject, ["a", "imp", "zzz", "dense"]))
    assert alone["imp"] == among["imp"]
    assert (alone["imp"].symbol, alone["imp"].dash, alone["imp"].open) == ("circle", "solid", False)


def test_controls_have_their_ticket_s_colour_hollow_and_dotted() -> None:
    found = looks([subject("mine", c) for c in ("none", "reinit", "shuffle", "else")])
    ticket, reinit = found["mine"], found["mine/reinit"]
    assert (reinit.light, reinit.dark, reinit.marker) == (ticket.light, ticket.dark, ticket.marker)
    assert (reinit.symbol, reinit.open, reinit.dash) == (f"{ticket.symbol}-open", True, "dot")
    assert found["mine/shuffle"].dash == "dashdot"
    assert found["mine/else"].dash == "dot"


def test_no_two_labels_look_the_same() -> None:
    labels = [*FIXED, *(f"mine_{i:03}" for i in range(132))]
    found = looks(map(subject, labels))
    assert len({(look.light, look.marker, look.dash) for look in found.values()}) == 140
    assert len({(look.light, look.marker) for look in list(found.values())[:70]}) == 70


def test_looks_do_not_depend_on_the_order() -> None:
    labels = [subject(f"mine_{i}") for i in range(9)]
    assert looks(labels) == looks(reversed(labels))


def test_a_transferred_ticket_looks_different() -> None:
    found = looks([subject("imp"), subject("imp", source="a/b/c")])
    assert found["imp"] != found["imp from a/b/c"]


def test_what_is_written_on_a_matrix_can_be_read_on_every_colour() -> None:
    stops = [np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)]) / 255 for c in HEAT]
    between = [a + (b - a) * part for a, b in pairwise(stops) for part in np.linspace(0, 1, 8)]
    for colour in between:
        found = "#{:02x}{:02x}{:02x}".format(*(round(255 * c) for c in colour))
        assert contrast(found, ink_on(tuple(colour))) >= 4.5


def test_the_colours_of_a_matrix_brighten_from_end_to_end() -> None:
    """So that they can be told apart in grey print: around 0, worse from better."""
    grey = [luminance(colour) for colour in HEAT]
    assert grey == sorted(grey)
    assert np.ptp(lab(HEAT[len(HEAT) // 2], "none")[1:]) < 0.03  # of no hue in the middle
