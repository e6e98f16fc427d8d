"""The grids of transferred tickets: what is drawn."""

from __future__ import annotations

from typing import Any

import pytest

from lth_bench.analysis.evidence import TransferCell, TransferGrid, TransferGrids
from lth_bench.analysis.measures import measure
from lth_bench.output.paper.draw import small_multiples
from lth_bench.output.pictures import transfer


def cell(mean: float | None, difference: float | None = None, **rest: Any) -> TransferCell:
    """With intervals of ± .01 of the mean, ± .02 of the difference."""
    high = None if mean is None else mean + 0.01
    far = None if difference is None else difference + 0.02
    known = {"n": 3, "lost": 0, "collapsed": 0, **rest}
    return TransferCell(mean=mean, high=high, difference=difference, difference_high=far, **known)


def grid(label: str, density: float, cells: dict[tuple[int, int], TransferCell], control="none"):
    return TransferGrid(
        strategy=label, label=label, control=control, source="", target_density=density,
        cells=cells,
    )  # fmt: skip


def found(*grids: TransferGrid, metric: str = "test_accuracy", tasks: int = 2) -> TransferGrids:
    names = "abcdefgh"[:tasks]
    return TransferGrids(
        suite="s", measure=measure(metric), margin=0.005, shared=["digits"], sources=names,
        targets=names, grids=grids,
    )  # fmt: skip


FULL = {
    (0, 0): cell(0.91), (0, 1): cell(0.80, -0.02, collapsed=1),
    (1, 0): cell(0.92, 0.01, lost=1, n=2), (1, 1): cell(0.82),
}  # fmt: skip


def test_what_is_written_in_the_cells() -> None:
    picture = transfer(found(grid("imp", 0.2, FULL)))
    (panel,) = picture.panels
    (heat,) = panel.heats
    assert list(panel.x.names) == ["a", "b"]
    assert list(panel.y.names) == ["b", "a"]  # the first source is at the top
    assert heat.texts == [["+1.00‡\n±2.00", "82.00\n±1.00"], ["91.00\n±1.00", "−2.00†\n±2.00"]]
    assert heat.z == [[0.01, None], [None, -0.02]]
    assert heat.more == [[0.92, 0.82], [0.91, 0.80]]
    assert (heat.n, heat.lost) == ([[2, 3], [3, 3]], [[1, 0], [0, 0]])
    assert heat.collapsed == [[0, 0], [0, 1]]
    for text in (picture.note, picture.foot):
        assert "n = 2 to 3 seeds" in text
        assert "† some seeds with layer collapse" in text and "‡ some seeds failed" in text
        assert "difference in points" in text and "test accuracy in %" in text


def test_colours_have_their_middle_at_no_difference() -> None:
    picture = transfer(found(grid("imp", 0.2, FULL)))
    z = picture.panels[0].z
    low, high = z.range
    assert low == -high and high >= 0.02
    assert (z.reverse, z.format) == (False, "points")
    assert "Colours end" not in picture.note


def test_noise_is_not_coloured_and_one_collapse_does_not_pale_the_rest() -> None:
    little = {(0, 0): cell(0.9), (1, 0): cell(0.9, 0.0004), (0, 1): cell(0.9, -0.0002)}
    assert transfer(found(grid("imp", 0.2, little))).panels[0].z.range == (-0.005, 0.005)

    many = {(i, j): cell(0.9, 0.001 * (i - j)) for i in range(6) for j in range(6) if i != j}
    many[5, 0] = cell(0.1, -0.8, collapsed=3)
    picture = transfer(found(grid("imp", 0.2, many), tasks=6))
    assert picture.panels[0].z.range[1] < 0.05
    assert "Colours end at " in picture.note


def test_of_a_loss_less_is_bright() -> None:
    picture = transfer(found(grid("imp", 0.2, FULL), metric="test_loss"))
    (panel,) = picture.panels
    assert (panel.z.reverse, panel.z.format, panel.z.title) == (True, "value", "Δ test loss")
    assert panel.heats[0].texts[0][0] == "+0.01‡\n±0.02"
    assert " points" not in picture.note and " %" not in picture.note


def test_a_small_multiple_a_method_that_there_is_at_the_density() -> None:
    picture = transfer(
        found(grid("imp", 0.5, FULL), grid("imp", 0.2, FULL), grid("imp", 0.2, FULL, "shuffle"))
    )
    method, density = picture.facets
    assert (method.values, density.values) == (["imp", "imp/shuffle"], ["50%", "20%"])
    files = dict(small_multiples(picture))
    titles = {
        name: [[one.title for one in line] for line in cells] for name, cells in files.items()
    }
    assert titles == {"transfer-50": [["imp"]], "transfer-20": [["imp", "imp/shuffle"]]}


def test_what_has_no_result() -> None:
    lost = {(0, 0): cell(0.9), (1, 0): cell(None, lost=3, n=0)}
    heat = transfer(found(grid("imp", 0.2, lost))).panels[0].heats[0]
    assert heat.texts == [["–‡", ""], ["90.00\n±1.00", ""]]
    assert transfer(found(grid("imp", 0.2, {(1, 0): cell(None, n=0)}))) is None


def test_a_mean_without_tickets_to_compare_with_is_not_called_theirs() -> None:
    picture = transfer(found(grid("imp", 0.2, {(0, 1): cell(0.7)})))
    assert picture.panels[0].heats[0].texts[1][1] == "70.00\n±1.00"
    assert "test accuracy in %, of those tickets and where there are none" in picture.note
    assert "test accuracy in %, of these and where there are none" in picture.foot


def test_one_seed_has_no_interval() -> None:
    one = TransferCell(
        mean=0.9, high=None, difference=0.1, difference_high=None, n=1, lost=0, collapsed=0
    )
    picture = transfer(found(grid("imp", 0.2, {(0, 1): one})))
    assert picture.panels[0].heats[0].texts[1][1] == "+10.00"
    assert "n = 1 seed;" in f"{picture.foot};"
    assert picture.panels[0].z.range[1] == pytest.approx(0.1, abs=0.01)
