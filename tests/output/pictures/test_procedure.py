"""The procedure as a picture: what is drawn of a search."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from lth_bench.analysis.evidence import Procedure, ProcedureRound
from lth_bench.analysis.measures import ACCURACY, measure
from lth_bench.output.pictures.procedure import HALF, procedure


def training(number: int, density: float, score: float, **more) -> ProcedureRound:
    known = {
        "start": 0, "step": (50, 100), "val_score": (0.5, score), "val_loss": (2.0, 1.5 - score),
        "layers": ("a", "b"), "kept": (density, 1.0), "pixels": (1.0, 0.5, 0.0, 0.5),
        "width": 2,
    }  # fmt: skip
    return ProcedureRound(number=number, density=density, score=score, **known | more)


def search(*rounds: ProcedureRound) -> SimpleNamespace:
    found = Procedure(strategy="imp", label="imp", control="none", source="", seed=3, rounds=rounds)
    return SimpleNamespace(procedure=found, primary=ACCURACY, measure=ACCURACY)


DENSE = training(0, 1.0, 0.9, pixels=(), width=0)
ROUNDS = [DENSE, training(1, 0.6, 0.8), training(2, 0.36, 0.7), training(5, 0.1, 0.6)]


def test_trainings_stand_side_by_side_and_arrows_go_back() -> None:
    picture = procedure(search(*ROUNDS))
    above, below = picture.panels
    assert above.x == below.x
    assert above.x.names == ["100%", "60%", "36%", "10%"]
    assert [trace.name for trace in above.traces] == ["dense", "imp", "imp", "imp"]
    assert list(above.traces[1].x) == pytest.approx([1.0, 1 + HALF])
    arrows = [note for note in above.notes if note.to]
    assert [(note.y, note.to[1]) for note in arrows] == [(0.9, 0.5), (0.8, 0.5), (0.7, 0.5)]
    words = [note.text for note in above.notes if note.text]
    assert words[:4] == ["90.00%", "80.00%", "70.00%", "60.00%"]
    assert {"train\n100 steps", "prune 40%", "rewind to\ninitial values", "3 rounds"} < set(words)
    assert "seed 3" in picture.note


def test_beside_another_metric_it_shows_the_loss() -> None:
    found = search(*ROUNDS)
    found.measure = measure("test_loss")
    picture = procedure(found)
    above, _ = picture.panels
    assert (above.y.title, above.y.format) == ("Validation loss", "value")
    assert list(above.traces[1].y) == pytest.approx([2.0, 0.7])
    assert "accuracy" not in picture.note
    assert not any("%" in note.text for note in above.notes if note.text != "prune 40%")
    arrows = [note for note in above.notes if note.to]
    assert [(note.y, note.to[1]) for note in arrows] == [
        (pytest.approx(1.5 - score), 2.0) for score in (0.9, 0.8, 0.7)
    ]


def test_a_pixel_s_brightness_is_relative_to_the_brightest() -> None:
    _, below = procedure(search(*ROUNDS)).panels
    dense, first, *_ = below.rasters
    bright, dark = first.pixels[0][0], first.pixels[1][0]
    assert bright == (0xFE, 0xE8, 0x38)
    assert dark == (0x00, 0x22, 0x4E)
    assert dense.pixels == [[bright, bright], [bright, bright]]
    assert first.x == (1 - HALF, 1 + HALF)


def test_layers_are_bars_where_there_are_no_pixels() -> None:
    plain = [replace(one, pixels=(), width=0) for one in ROUNDS]
    _, below = procedure(search(*plain)).panels
    assert not below.rasters
    grey, kept = below.polygons[4:6]  # of the first layer of the first ticket
    assert (grey.name, kept.name) == ("pruned", "imp")
    width = max(kept.x) - min(kept.x)
    assert width == pytest.approx(0.6 * (max(grey.x) - min(grey.x)))


def test_a_late_rewind_names_its_step() -> None:
    words = [note.text for note in procedure(search(DENSE, training(1, 0.5, 0.8, start=40)))
             .panels[0].notes]  # fmt: skip
    assert "rewind to\nstep 40" in words
    assert not any("repeat" in text for text in words)


def test_nothing_without_a_search_and_its_curves() -> None:
    assert procedure(SimpleNamespace(procedure=None)) is None
    assert procedure(search(DENSE)) is None
    assert procedure(search(DENSE, training(1, 0.5, 0.8, step=(9,), val_score=(0.5,)))) is None
