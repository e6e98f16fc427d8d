"""What is prunable by default, of every kind of layer, and what a model or a suite declares."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError, WrongDeclaration
from lth_bench.masks import Mask, erk, layer_name, weight_key
from lth_bench.masks.layers import Layer
from lth_bench.models.declared import Declared, declared_by
from lth_bench.models.prunable import layers_by_name, prunable_layers

TOKENS = InputShape((4,), "tokens", 5)
NOTHING = SimpleNamespace()


class Language(nn.Module):
    """Tokens through attention and an LSTM; its head is the table of tokens."""

    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.scale = nn.Parameter(torch.ones(4))
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.lstm = nn.LSTM(4, 4, bidirectional=True, batch_first=True)
        self.join = nn.Linear(8, 4)
        self.head = nn.Linear(4, 5, bias=False)
        if tied:
            self.head.weight = self.table.weight

    def forward(self, x: Tensor) -> Tensor:
        h = self.table(x) * self.scale
        h = self.attention(h, h, h, need_weights=False)[0]
        out: Tensor = self.head(self.join(self.lstm(h)[0][:, -1]))
        return out


def layers(module: nn.Module, config: object = None, model: object = NOTHING) -> dict[str, Layer]:
    found = prunable_layers(module, TOKENS, 5, declared=declared_by(model, config or {}))  # type: ignore[arg-type]
    return {x.name: x for x in found}


DEFAULT = {
    "attention/in_proj_weight": Layer("attention/in_proj_weight", "linear", (12, 4), blocks=3),
    "attention.out_proj": Layer("attention.out_proj", "linear", (4, 4)),
    **{
        f"lstm/{name}": Layer(f"lstm/{name}", "linear", (16, 4), blocks=4)
        for name in (
            "weight_ih_l0", "weight_hh_l0", "weight_ih_l0_reverse", "weight_hh_l0_reverse",
        )
    },
    "join": Layer("join", "linear", (4, 8)),
    "head": Layer("head", "output", (5, 4)),
}  # fmt: skip


def test_attention_and_recurrent_matrices_are_prunable_by_default() -> None:
    module = Language()
    found = layers(module)
    assert found == DEFAULT
    assert layers_by_name(module) == DEFAULT
    assert all(x.key in module.state_dict() and layer_name(x.key) == x.name for x in found.values())


def test_the_network_may_be_a_layer_itself() -> None:
    (layer,) = prunable_layers(nn.Linear(3, 2), InputShape((3,), "features"), 2)
    assert (layer.name, layer.key) == ("", "weight")
    values = {"weight": torch.ones(2, 3)}
    Mask({"": torch.eye(2, 3).bool()}).apply_(values)
    assert values["weight"].sum() == 2


def test_a_table_that_is_the_head_counts_once_and_is_the_output() -> None:
    found = layers(Language(tied=True))
    assert found["table"] == Layer("table", "output", (5, 4))
    assert "head" not in found


def test_transposed_convolutions_have_their_fans_the_other_way_round() -> None:
    net = nn.Sequential(
        nn.Conv1d(6, 4, 3, groups=2), nn.ConvTranspose1d(4, 6, 3, groups=2),
        nn.ConvTranspose1d(6, 5, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
    )  # fmt: skip
    down, up, head = prunable_layers(net, InputShape((6, 9), "features"), 5)
    assert (down.shape, down.fan_in, down.fan_out) == ((4, 3, 3), 9, 6)
    assert (up.shape, up.fan_in, up.fan_out) == ((4, 3, 3), 6, 9)
    assert (head.kind, head.shape, head.fan_in, head.fan_out) == ("output", (6, 5, 1), 6, 5)
    # by counting: weights that reach an output, and that an input reaches
    for part, layer in zip(net[:3], (down, up, head), strict=True):
        x = torch.zeros(1, part.in_channels, 9, requires_grad=True)
        with torch.no_grad():
            part.weight.fill_(1.0)
            part.bias.zero_()
        out = part(x + 1)
        middle = out.shape[2] // 2
        assert out[0, 0, middle].item() == layer.fan_in
        (reach,) = torch.autograd.grad(out.sum(), x)
        assert reach[0, 0, 4].item() == layer.fan_out


def test_erk_gives_stacked_matrices_the_density_of_separate_ones() -> None:
    whole = [Layer("a/in_proj_weight", "linear", (24, 8), blocks=3), Layer("b", "linear", (64, 8))]
    apart = [*(Layer(n, "linear", (8, 8)) for n in "qkv"), Layer("b", "linear", (64, 8))]
    found, expected = erk(whole, 210), erk(apart, 210)
    assert found["b"] == pytest.approx(expected["b"], abs=1)
    assert found["a/in_proj_weight"] == pytest.approx(sum(expected[n] for n in "qkv"), abs=1)
    assert found["a/in_proj_weight"] + found["b"] == 210


def test_a_model_adds_and_leaves_out_and_a_suite_has_the_last_word() -> None:
    model = SimpleNamespace(prunable=("table.weight",), not_prunable=("lstm.*", "head"))
    found = layers(Language(), model=model)
    assert found["table"] == Layer("table", "linear", (5, 4), transposed=True)
    assert list(found) == ["table", "attention/in_proj_weight", "attention.out_proj", "join"]
    config = {"prunable": ["lstm.weight_hh*"], "not_prunable": ["table", "attention*"]}
    assert list(layers(Language(), config, model)) == [
        "lstm/weight_hh_l0", "lstm/weight_hh_l0_reverse", "join",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"prunable": ["tabel.weight"]}, "no parameter is called 'tabel.weight'; did you mean"),
        ({"prunable": ["encoder.*"]}, "no parameter is called 'encoder.*'; there are scale, table"),
        ({"prunable": ["scale"]}, "'scale' matches scale, which is a vector; only parameters of"),
        ({"prunable": ["lstm.*"]}, "which are vectors; only parameters of two dimensions or more"),
        ({"not_prunable": ["table.*"]}, "nothing that 'table.*' matches is prunable; prunable are"),
        ({"not_prunable": ["*"]}, "'*' leaves nothing to prune; keep one of"),
    ],
)
def test_a_declaration_that_does_not_fit_says_what_there_is(
    config: dict[str, list[str]], says: str
) -> None:
    with pytest.raises(WrongDeclaration) as error:
        layers(Language(), config)
    assert says in error.value.message
    assert "the task's" in error.value.message and "Language" in error.value.message


def test_a_model_whose_attribute_is_no_names_is_refused() -> None:
    with pytest.raises(UserError, match="prunable of model SimpleNamespace must be names of"):
        declared_by(SimpleNamespace(prunable=7), {})
    assert declared_by(SimpleNamespace(prunable="head.weight"), {}).steps
    assert declared_by(NOTHING, {"name": "x", "params": {}}) == Declared()


def test_a_recurrent_weight_that_is_computed_is_refused_by_name() -> None:
    module = Language()
    parametrizations.weight_norm(module.lstm, "weight_hh_l0")
    with pytest.raises(UserError, match="the weight_hh_l0 of layer 'lstm' is computed from") as e:
        layers(module)
    assert "remove_parametrizations(layer, 'weight_hh_l0')" in e.value.message


def test_a_slash_in_a_layer_s_name_is_refused() -> None:
    net = nn.ModuleDict({"a/b": nn.Linear(3, 2)})
    net.forward = lambda x: net["a/b"](x)  # type: ignore[method-assign]
    with pytest.raises(UserError, match=r"must not contain a slash, but got 'a/b\.weight'"):
        prunable_layers(net, InputShape((3,), "features"), 2)


@pytest.mark.parametrize("key", ["fc.weight", "weight", "lstm.weight_ih_l0", "inner", "a.b.inner"])
def test_layers_are_named_by_their_keys(key: str) -> None:
    assert weight_key(layer_name(key)) == key
