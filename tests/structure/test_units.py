"""Units and what goes with them, checked by hand and by brute force."""

from __future__ import annotations

import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.structure import Slots, unit_groups

SMALL = [
    "mlp",
    "conv_bn",
    "conv_flat",
    "resnet",
    "pre_activation",
    "concat",
    "depthwise",
    "vgg_bn",
]


def set_units(values: dict[str, Tensor], slots: list[Slots], unit: int, draw: bool) -> None:
    """Zeros, or random numbers, at every position of one unit."""
    for slot in slots:
        places = values[slot.key].movedim(slot.dim, 0)
        index = slot.index[slot.unit == unit]
        places[index] = torch.rand_like(places[index]) + 0.5 if draw else 0.0


def facts(net) -> list[tuple]:
    return [(g.layers, g.size, g.norms) for g in unit_groups(net.module, net.shape)]


def test_mlp_by_hand(make_net):
    net = make_net("mlp")
    first, second = unit_groups(net.module, net.shape)
    assert (first.size, first.layers, first.norms) == (8, ("1",), ())
    assert [(s.key, s.dim, s.length) for s in first.rows] == [("1.weight", 0, 8)]
    assert [(s.key, s.dim, s.length) for s in first.vectors] == [("1.bias", 0, 8)]
    assert [(s.key, s.dim, s.length) for s in first.columns] == [("3.weight", 1, 8)]
    assert first.columns[0].index.tolist() == first.columns[0].unit.tolist() == list(range(8))
    # the output layer's ten units are no group
    assert (second.size, second.layers) == (6, ("3",))


def test_flattened_channels_own_many_columns(make_net):
    net = make_net("conv_flat")
    _, second, hidden = unit_groups(net.module, net.shape)
    columns = second.columns[0]
    assert (columns.key, columns.length) == ("6.weight", 27)
    assert columns.index.tolist() == list(range(27))
    assert columns.unit.tolist() == [0] * 9 + [1] * 9 + [2] * 9
    assert hidden.layers == ("6",)


def test_coupled_layers_by_hand(make_net):
    assert facts(make_net("conv_bn")) == [(("conv1",), 6, ("bn1",)), (("conv2",), 5, ("bn2",))]
    assert facts(make_net("resnet")) == [
        (("conv", "blocks.0.conv2"), 4, ("bn", "blocks.0.bn2")),
        (("blocks.0.conv1",), 4, ("blocks.0.bn1",)),
        (("blocks.1.conv1",), 5, ("blocks.1.bn1",)),
        (
            ("blocks.1.conv2", "blocks.1.shortcut.0"),
            5,
            ("blocks.1.bn2", "blocks.1.shortcut.1"),
        ),
        (("blocks.2.conv1",), 6, ("blocks.2.bn1",)),
        (
            ("blocks.2.conv2", "blocks.2.shortcut.0"),
            6,
            ("blocks.2.bn2", "blocks.2.shortcut.1"),
        ),
    ]
    assert facts(make_net("pre_activation")) == [
        (("conv", "conv2"), 4, ("bn1", "bn3")),
        (("conv1",), 5, ("bn2",)),
    ]
    # the depthwise layer's channels are its inputs' channels; a PReLU is no norm
    assert facts(make_net("depthwise")) == [(("0", "3"), 6, ("1", "4")), (("6",), 4, ())]
    # a norm after a concatenation serves both groups, each with its own part
    a, b, _ = unit_groups(*(lambda n: (n.module, n.shape))(make_net("concat")))
    assert {s.key: s.index.tolist() for s in a.columns} == {
        "b.weight": [0, 1, 2],
        "c.weight": [0, 1, 2],
    }
    assert {s.key: s.index.tolist() for s in b.vectors} == {
        "b.bias": [0, 1, 2, 3],
        "bn.weight": [3, 4, 5, 6],
        "bn.bias": [3, 4, 5, 6],
    }


def test_resnet20_groups(make_net):
    net = make_net("resnet20")
    groups = unit_groups(net.module, net.shape)
    # three residual streams and nine inner widths
    assert sorted(len(g.layers) for g in groups) == [1] * 9 + [4] * 3
    assert sum(g.size for g in groups) == (16 + 32 + 64) * 4


@pytest.mark.parametrize("name", SMALL)
def test_each_unit_by_brute_force(make_net, name):
    net = make_net(name)
    module = net.module.double().eval()
    x = torch.rand(3, *net.shape, dtype=torch.float64)
    start = {k: v.clone() for k, v in module.state_dict().items()}

    def outputs(*changes: tuple[tuple[Slots, ...], bool], unit: int) -> Tensor:
        module.load_state_dict(start)
        values = module.state_dict()
        for slots, draw in changes:
            set_units(values, list(slots), unit, draw)
        with torch.no_grad():
            return module(x)

    dense = outputs(unit=0)
    for group in unit_groups(module, net.shape):
        made = (*group.rows, *group.vectors)
        silent_anyway = 0
        for unit in range(group.size):
            masked = outputs((made, False), (group.columns, False), unit=unit)
            # whatever the removed unit computes, nobody reads it
            other = outputs((made, True), (group.buffers, True), (group.columns, False), unit=unit)
            assert torch.equal(masked, other)
            # and its readers lose nothing but that unit: ReLU networks pass zeros on
            silent = outputs((made, False), unit=unit)
            assert torch.allclose(masked, silent, rtol=0, atol=1e-12)
            silent_anyway += torch.allclose(masked, dense, rtol=0, atol=1e-9)
        # so that the above says something
        assert silent_anyway < group.size


def test_independent_of_values_and_picklable(make_net):
    one = unit_groups(*(lambda n: (n.module, n.shape))(make_net("resnet", 0)))
    two = pickle.loads(
        pickle.dumps(unit_groups(*(lambda n: (n.module, n.shape))(make_net("resnet", 1))))
    )
    assert [(g.size, g.layers, g.norms) for g in one] == [(g.size, g.layers, g.norms) for g in two]
    for a, b in zip(one, two, strict=True):
        for part in ("rows", "columns", "vectors", "buffers"):
            for s, t in zip(getattr(a, part), getattr(b, part), strict=True):
                assert (s.key, s.dim, s.length) == (t.key, t.dim, t.length)
                assert torch.equal(s.index, t.index)
                assert torch.equal(s.unit, t.unit)


def test_leaves_network_and_randomness_alone(make_net):
    net = make_net("resnet")
    net.module.train()
    net.module.bn.eval()
    net.module.fc.weight.requires_grad_(False)
    before = {k: v.clone() for k, v in net.module.state_dict().items()}
    modes = [m.training for m in net.module.modules()]
    state = torch.get_rng_state()
    with torch.no_grad():  # tracing needs gradients, and turns them on itself
        unit_groups(net.module, net.shape)
        assert not torch.is_grad_enabled()
    assert torch.equal(state, torch.get_rng_state())
    assert [m.training for m in net.module.modules()] == modes
    assert not net.module.fc.weight.requires_grad
    assert all(torch.equal(v, before[k]) for k, v in net.module.state_dict().items())


def test_scores_by_hand(make_net):
    net = make_net("resnet")
    values = net.module.state_dict()
    stem = unit_groups(net.module, net.shape)[0]
    values["bn.weight"].copy_(torch.tensor([1.0, -2.0, 3.0, 0.0]))
    values["blocks.0.bn2.weight"].copy_(torch.tensor([-3.0, 0.0, 1.0, 0.5]))
    assert stem.scores_from_norms(values).tolist() == [2.0, 1.0, 2.0, 0.25]
    values["conv.weight"].fill_(-1.0)  # 27 weights a unit
    values["blocks.0.conv2.weight"].fill_(0.5)  # 36 weights a unit
    values["blocks.0.conv2.weight"][2] = 0.0
    assert stem.scores_from_weights(values).tolist() == [22.5, 22.5, 13.5, 22.5]
    assert stem.scores_from_weights(values, order=2).tolist() == pytest.approx(
        [(27**0.5 + 3) / 2] * 2 + [27**0.5 / 2] + [(27**0.5 + 3) / 2]
    )
    concat = make_net("concat")
    second = unit_groups(concat.module, concat.shape)[1]
    gamma = torch.arange(7.0)
    assert second.scores_from_norms({"bn.weight": gamma}).tolist() == [3.0, 4.0, 5.0, 6.0]


def test_scores_need_a_norm(make_net):
    net = make_net("mlp")
    first = unit_groups(net.module, net.shape)[0]
    with pytest.raises(ValueError, match="units of 1 have no batch norm"):
        first.scores_from_norms(net.module.state_dict())


class OptionA(nn.Module):
    """A shortcut that pads missing channels with zeros, before and after, or only after."""

    def __init__(self, both: bool) -> None:
        super().__init__()
        self.both = both
        self.conv1 = nn.Conv2d(1, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 8, 3, padding=1)
        self.fc = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x))
        pad = (0, 0, 0, 0, 2, 2) if self.both else (0, 0, 0, 0, 0, 4)
        x = F.relu(self.conv2(x) + F.pad(x, pad))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class FromInput(nn.Module):
    """A sum with the data, whose channels cannot go."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.fc = nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(F.adaptive_avg_pool2d(x + self.conv(x), 1).flatten(1))


class Reversed(nn.Module):
    """Channels in another order than they were made in, which no graph of shapes can see."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(9, 6)
        self.b = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(F.relu(self.a(x.flatten(1))).flip(1))


class FirstHalf(nn.Module):
    """Uses the first half of its neurons: cut to a balanced half of them it works by chance."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.out = nn.Linear(9, 8), nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.a(x.flatten(1))).chunk(2, 1)[0])


@pytest.mark.parametrize(
    ("module", "shape", "why"),
    [
        (FirstHalf(), (1, 3, 3), "it fails with some units cut out"),
        (OptionA(both=True), (1, 4, 4), "OptionA does not support structured pruning"),
        (OptionA(both=False), (1, 4, 4), "OptionA does not support structured pruning"),
        (FromInput(), (3, 4, 4), "FromInput does not support structured pruning"),
        (Reversed(), (1, 3, 3), "through other layers than those known|its outputs differ between"),
        (
            nn.Sequential(
                nn.Conv2d(1, 4, 3), nn.Conv2d(4, 8, 3, groups=2), nn.Flatten(), nn.Linear(8, 10)
            ),
            (1, 5, 5),
            "'1' is a grouped or transposed convolution",
        ),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 10)),
            (1, 2, 2),
            r"'2' \(LayerNorm\) mixes units",
        ),
    ],
    ids=[
        "first-half",
        "padded",
        "padded-behind",
        "sum-with-data",
        "reversed",
        "grouped",
        "layer-norm",
    ],
)
def test_refuses_what_it_cannot_prune(module, shape, why):
    with pytest.raises(UserError, match=why):
        unit_groups(module, shape)
