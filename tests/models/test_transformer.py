from __future__ import annotations

from typing import Any

import pytest
import torch

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.transformer import Transformer
from lth_bench.structure.connections import Connections
from lth_bench.training.flops import count_flops

WORDS = InputShape((5,), "tokens", 7, "tokens")
ONE = InputShape((5,), "tokens", 7, "class")
SMALL: dict[str, Any] = {"width": 8, "heads": 2, "mlp": 12, "depth": 2}


def tokens() -> torch.Tensor:
    return torch.randint(0, 7, (3, 5), generator=torch.Generator().manual_seed(0))


def test_it_answers_at_every_place_or_once() -> None:
    x = tokens()
    assert Transformer(**SMALL).build(WORDS, 7)(x).shape == (3, 5, 7)
    assert Transformer(**SMALL).build(ONE, 4)(x).shape == (3, 4)
    assert Transformer(**SMALL, causal=False).build(ONE, 4)(x).shape == (3, 4)


def test_a_place_sees_those_up_to_it_and_no_later_one() -> None:
    net, x = Transformer(**SMALL).build(WORDS, 7), tokens()
    changed = x.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 7
    differs = (net(x) != net(changed)).any(2).any(0)
    assert differs.tolist() == [False, False, False, True, True]


def test_an_encoder_sees_all_places() -> None:
    net, x = Transformer(**SMALL, causal=False).build(ONE, 4), tokens()
    for place in range(5):
        changed = x.clone()
        changed[:, place] = (changed[:, place] + 1) % 7
        assert bool((net(x) != net(changed)).any(1).all())


def test_its_linear_layers_are_prunable_and_counted() -> None:
    net = Transformer(**SMALL).build(WORDS, 7)
    layers = prunable_layers(net, WORDS, 7, "tokens")
    parts = ("query", "value", "out", "key", "up", "down")
    names = [f"blocks.{block}.{part}" for block in range(2) for part in parts]
    assert [layer.name for layer in layers] == [*names, "head"]
    assert layers[-1].kind == "output"
    # 2 a multiply-add, once at each of the five places
    flops = count_flops(net, layers, WORDS)
    assert {x.name: flops.layers[x.name].forward for x in layers} == {
        x.name: 2 * 5 * x.numel for x in layers
    }
    assert Connections(net, WORDS, layers).dense == 1


@pytest.mark.parametrize(
    ("shape", "options", "said"),
    [
        ((1, 8, 8), {}, r"takes sequences of tokens, but got images of shape \[1, 8, 8\]"),
        (InputShape((13,), "features"), {}, "but got features"),
        (WORDS, {"causal": False}, "with causal = false a place sees the token"),
    ],
)
def test_inputs_that_it_cannot_take(shape: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Transformer(**SMALL, **options).build(shape, 4)


def test_heads_divide_the_width() -> None:
    with pytest.raises(ValueError, match="width must be a multiple of heads"):
        Transformer(width=10, heads=4)


def test_what_a_network_answers_is_held_against_the_targets() -> None:
    net = Transformer(**SMALL).build(ONE, 7)
    with pytest.raises(UserError, match=r"outputs of shape \[2, 5, 7\].* returns \[2, 7\]"):
        prunable_layers(net, ONE, 7, "tokens")
