"""Images of masks, and kept weights per unit: what is drawn."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lth_bench.analysis.evidence import MaskMap, UnitShares
from lth_bench.output.pictures import FULL
from lth_bench.output.pictures.masks import kept_per_unit, mask_maps


def image(label: str, density: float, kept: tuple[float, ...], *, is_kernel: bool = False):
    return MaskMap(
        strategy=label, label=label, control="none", source="", target_density=density,
        layer="fc1", is_kernel=is_kernel, width=2, kept=kept, n=3,
    )  # fmt: skip


MAPS = [
    image("imp", 0.5, (0.5, 0.5, 0.5, 0.5)),
    image("imp", 0.2, (0.6, 0.2, 0.0, 0.0)),
    image("snip", 0.2, (0.2, 0.2, 0.4, 0.0)),
    image("empty", 0.2, (0.0, 0.0, 0.0, 0.0)),
]


def test_a_panel_a_density_and_an_image_a_method() -> None:
    picture = mask_maps(SimpleNamespace(maps=MAPS))
    assert picture.facets[0].values == ["imp", "snip"]  # no image of what keeps nothing
    assert [panel.title for panel in picture.panels] == ["50% kept", "20% kept"]
    dense, sparse = picture.panels
    assert [heat.when for heat in dense.heats] == [(0,)]
    imp, snip = sparse.heats
    assert (imp.when, snip.when) == ((0,), (1,))
    # relative to the mean, .2; the top row of the image is drawn last
    assert list(imp.z[1]) == pytest.approx([3, 1])
    assert list(imp.z[0]) == [0, 0]
    assert list(imp.y) == [1, 0]
    assert dense.z == sparse.z
    assert sparse.z.range == (0, pytest.approx(3))
    assert "(3)" in picture.note
    assert "at each pixel" in picture.note


def test_long_pages_have_the_sparsest_images() -> None:
    picture = mask_maps(SimpleNamespace(maps=MAPS), replace(FULL, maps=1))
    assert [panel.title for panel in picture.panels] == ["20% kept"]


def test_kernels_are_called_so() -> None:
    picture = mask_maps(SimpleNamespace(maps=[image("imp", 0.2, (1, 0), is_kernel=True)]))
    assert "place of the kernel" in picture.title


def test_nothing_without_masks() -> None:
    assert mask_maps(SimpleNamespace(maps=[])) is None
    assert mask_maps(SimpleNamespace(maps=MAPS[-1:])) is None
    assert kept_per_unit(SimpleNamespace(units=[])) is None


def test_a_panel_a_layer_and_a_line_a_method() -> None:
    def shares(label: str, layer: str, side: str) -> UnitShares:
        return UnitShares(
            strategy=label, label=label, control="none", source="", target_density=0.2,
            layer=layer, side=side, kept=(0.8, 0.4, 0.0), n=2,
        )  # fmt: skip

    units = [
        shares("imp", "fc1", "in"), shares("imp", "fc1", "out"), shares("snip", "fc2", "out"),
    ]  # fmt: skip
    picture = kept_per_unit(SimpleNamespace(units=units))
    assert [panel.title for panel in picture.panels] == ["fc1", "fc2"]
    assert picture.facets[1].values == ["into each unit", "out of each unit"]
    one, other = picture.panels[0].traces
    assert (one.when, other.when) == ((0, 1), (0, 0))
    assert (list(one.x), list(one.y)) == ([0, 0.5, 1], [0.8, 0.4, 0.0])
