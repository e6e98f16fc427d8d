from __future__ import annotations

import pytest

from lth_bench.analysis.page import Judgement
from lth_bench.output.page.content import verdict_cell
from lth_bench.stats import Summary, judge


@pytest.mark.parametrize(
    ("summary", "lost", "text", "short", "style"),
    [
        (Summary(3, 0.02, 0.001), 0, "better", "better", "good"),
        (Summary(3, -0.02, 0.001), 0, "worse", "worse", "bad"),
        (Summary(5, 0.0001, 0.001), 0, "equivalent (within ±0.5 points)", "equivalent (±0.5)",
         "good"),
        (Summary(2, 0.0, 0.001), 0, "needs 3+", "needs 3+", "dim"),
        (Summary(3, 0.0973, 0.05219), 0,
         "open: −3.2 to +22.7; settled by 4 seeds in 1 of 2 cases, by 7 in 4 of 5", "open ~4–7",
         ""),
        (Summary(3, 0.0, 0.02), 1, "1 of 4 seeds failed", "1 of 4 seeds failed", "warn"),
    ],
)  # fmt: skip
def test_words_and_colours(summary, lost, text, short, style) -> None:
    verdict = Judgement.of(judge(summary, lost=lost))
    assert (verdict_cell(verdict).text, verdict_cell(verdict).style) == (text, style)
    cell = verdict_cell(verdict, short=True)
    assert (cell.text, cell.style) == (short, style)


def test_nothing_to_say() -> None:
    assert verdict_cell(None).text == verdict_cell(None, short=True).text == ""
    assert verdict_cell(Judgement.of(judge(None))).text == ""
