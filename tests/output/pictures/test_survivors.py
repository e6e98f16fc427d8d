"""Where survivors come from: what is drawn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lth_bench.analysis.evidence import FateCounts, Series
from lth_bench.analysis.evidence.survivors import GRID
from lth_bench.output.pictures.survivors import PRUNED, origins, survival, values

MIDDLE = GRID // 2


def counts(**cells: int) -> tuple[int, ...]:
    """`p0_1=3`: three weights in the bin of initial value 0 and final value 1, from the middle."""
    found = [0] * (GRID * GRID)
    for name, count in cells.items():
        i, j = (int(part.replace("m", "-")) for part in name[1:].split("_"))
        found[GRID * (MIDDLE + i) + MIDDLE + j] = count
    return tuple(found)


def fate(label: str, layer: str, density: float, **kinds: tuple[int, ...]) -> FateCounts:
    return FateCounts(
        strategy=label, label=label, control="none", source="", target_density=density,
        layer=layer, reach=1.0, kept=kinds["kept"], pruned=kinds["pruned"], n=2,
    )  # fmt: skip


FATES = [
    fate("imp", "fc1", 0.5, kept=counts(p0_1=30, pm2_m2=5), pruned=counts(p0_1=10, p0_0=55)),
    fate("imp", "fc1", 0.2, kept=counts(p0_1=10), pruned=counts(p0_1=30, p0_0=60)),
    fate("snip", "fc2", 0.2, kept=counts(p1_0=1), pruned=counts(p1_0=3)),
]


def test_the_share_that_survives_at_each_place() -> None:
    picture = survival(SimpleNamespace(fates=FATES))
    assert [panel.title for panel in picture.panels] == ["fc1", "fc2"]
    assert [facet.values for facet in picture.facets] == [["imp", "snip"], ["50%", "20%"]]
    half, fifth = picture.panels[0].heats
    assert (half.when, fifth.when) == ((0, 0), (0, 1))
    # two bins on either side of 0 hold everything; rows are final values, from the lowest
    assert list(half.x) == list(half.y) == pytest.approx([-3 / 32, -1 / 32, 1 / 32, 3 / 32])
    assert list(half.z[3]) == [None, None, 0.75, None]
    assert list(half.z[2]) == [None, None, 0.0, None]
    assert list(half.z[0]) == [1.0, None, None, None]
    assert fifth.z[3][2] == 0.25


def test_methods_are_shown_over_the_same_bins() -> None:
    wide = replace(FATES[0], reach=2.0, label="wide")
    first, second = survival(SimpleNamespace(fates=[FATES[0], wide])).panels[0].heats
    assert list(first.x) == list(second.x)
    # what lay in bins 0 and 1 of half the width is in one bin, and the others in the next below 0
    filled = [value for row in first.z for value in row if value is not None]
    assert sorted(filled) == [pytest.approx(30 / 95), 1.0]


def test_distributions_of_kept_and_of_pruned_weights() -> None:
    picture = values(SimpleNamespace(fates=FATES))
    shown = {(t.name, t.when): t for t in picture.panels[0].traces}
    initial, final = shown["imp", (0, 0, 0)], shown["imp", (0, 0, 1)]
    assert initial.y[MIDDLE] == pytest.approx(30 / 35)
    assert final.y[MIDDLE + 1] == pytest.approx(30 / 35)
    assert shown[PRUNED, (0, 0, 1)].y[MIDDLE] == pytest.approx(55 / 65)
    assert picture.facets[2].values == ["initial", "final"]
    width = 1 / GRID * 2
    assert picture.panels[0].x.range == pytest.approx((-2 * width, 2 * width))


def test_a_panel_a_metric() -> None:
    def series(mean: float) -> Series:
        return Series(
            strategy="imp", label="imp", control="none", source="", x=(0.5, 0.2),
            density=(0.5, 0.2), mean=(mean, mean / 2), low=(None, None), high=(None, None),
            n=(1, 1), planned=(1, 1), lost=(0, 0),
        )  # fmt: skip

    density = {"moved_ratio": [series(1.6)], "survivors_grew": [series(0.8)], "pruned_grew": []}
    picture = origins(SimpleNamespace(density=density))
    assert [panel.title for panel in picture.panels] == [
        "Survivors that moved away from zero", "Distance moved, survivors : pruned",
    ]  # fmt: skip
    assert [panel.y.format for panel in picture.panels] == ["percent", "ratio"]
    assert [panel.key for panel in picture.panels] == ["survivors-grew", "moved-ratio"]


def test_nothing_without_the_dense_run() -> None:
    nothing = SimpleNamespace(fates=[], density={})
    assert survival(nothing) is values(nothing) is origins(nothing) is None
