"""The page's colours can be read: WCAG 2 asks for a contrast of 4.5 between text and what is
behind it.
"""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

SHEET = files("lth_bench.output.page").joinpath("templates", "page.css").read_text()
THEMES = [
    dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
    for block in re.findall(r":root[^{]*\{([^}]*)\}", SHEET)
]
"""Light, dark by the button, dark by the system, paper."""


def luminance(colour: str) -> float:
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(2 * digit for digit in digits)
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_hand() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", THEMES, ids=["light", "dark", "system-dark", "paper"])
def test_text_has_enough_contrast(theme: dict[str, str]) -> None:
    for behind in ("page", "faint"):
        for text in ("text", "quiet", "link", "good", "bad", "warn"):
            assert contrast(theme[text], theme[behind]) >= 4.5, (text, behind)
    assert contrast(theme["warn"], theme["warn-page"]) >= 4.5
    assert contrast(theme["focus" if "focus" in theme else "text"], theme["page"]) >= 3


def test_both_definitions_of_the_dark_theme_are_equal() -> None:
    assert THEMES[1] == THEMES[2]
