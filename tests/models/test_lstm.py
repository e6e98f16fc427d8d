"""The recurrent network: its inputs, and what its masks reach."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lth_bench.data.info import InputShape
from lth_bench.masks import Mask
from lth_bench.models.lstm import LSTM
from lth_bench.models.prunable import prunable_layers
from lth_bench.structure.connections import Connections

WORDS = InputShape((5,), "tokens", 7, "tokens")
DIGITS = (1, 8, 8)


@pytest.mark.parametrize(
    ("shape", "answers"),
    [
        (DIGITS, (3, 4)),
        ((3, 5, 6), (3, 4)),
        (InputShape((9, 2), "features"), (3, 4)),
        (InputShape((9,), "features"), (3, 4)),
        (InputShape((5,), "tokens", 7), (3, 4)),
        (WORDS, (3, 5, 4)),
    ],
)
def test_every_kind_of_sequence(shape: Any, answers: tuple[int, ...]) -> None:
    kind = InputShape.of(shape).kind
    x = torch.zeros(3, *shape, dtype=torch.int64 if kind == "tokens" else torch.float32)
    assert LSTM(hidden=6).build(shape, 4)(x).shape == answers


def test_the_rows_of_an_image_are_its_places_from_top_to_bottom() -> None:
    net = LSTM(hidden=6).build((2, 3, 4), 4)
    seen = net.sequence(torch.arange(24.0).view(1, 2, 3, 4))
    assert seen[0].tolist() == [
        [*range(4 * row, 4 * row + 4), *range(12 + 4 * row, 16 + 4 * row)] for row in range(3)
    ]


def test_no_place_sees_a_later_one() -> None:
    net = LSTM(hidden=6).build(WORDS, 7)
    x = torch.zeros(1, 5, dtype=torch.int64)
    changed = x.clone()
    changed[0, 3] = 1
    differs = (net(x) != net(changed)).any(2).any(0)
    assert differs.tolist() == [False, False, False, True, True]


def test_effective_density_follows_the_state() -> None:
    """Two units: the head reads unit 0 alone, which reads unit 1's state at its first gate."""
    net = LSTM(hidden=2).build(DIGITS, 3)
    layers = prunable_layers(net, DIGITS, 3)
    assert [x.name for x in layers] == ["lstm/weight_ih_l0", "lstm/weight_hh_l0", "head"]

    def effective(**kept: torch.Tensor) -> dict[str, int]:
        masks = {x.name: torch.zeros(x.shape, dtype=torch.bool) for x in layers}
        for name, rows in kept.items():
            masks[{"ih": layers[0].name, "hh": layers[1].name, "head": "head"}[name]] |= rows
        found = Connections(net, DIGITS, layers).effective(Mask(masks, layers=layers))
        return dict(zip(("ih", "hh", "head"), found.kept_per_layer().values(), strict=True))

    ih = torch.zeros(8, 8, dtype=torch.bool)
    ih[1] = True  # the input gate of unit 1 reads all pixels
    hh = torch.zeros(8, 2, dtype=torch.bool)
    hh[0, 1] = True  # the input gate of unit 0 reads the state of unit 1
    head = torch.zeros(3, 2, dtype=torch.bool)
    head[:, 0] = True
    assert effective(ih=ih, hh=hh, head=head) == {"ih": 8, "hh": 1, "head": 3}
    # without the connection between the units nothing is on a path
    assert effective(ih=ih, head=head) == {"ih": 0, "hh": 0, "head": 0}
