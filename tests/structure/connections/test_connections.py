"""Reachability through a network's operations: what the dense network's own number is, by hand."""

from __future__ import annotations

import random

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError
from lth_bench.masks import Mask
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.vit import ViT
from lth_bench.plugins import load_registry
from lth_bench.structure import effective_density, effective_mask
from lth_bench.structure.connections import Connections, Unsupported

SHAPE = (1, 6, 6)


def connections_of(module: nn.Module, shape=SHAPE, classes=3) -> Connections:
    return Connections(module, shape, prunable_layers(module, shape, classes))


class Normalising(nn.Module):
    """The mean and the deviation of its input are constants of its own."""

    def __init__(self, sign=1.0):
        super().__init__()
        self.sign = sign
        self.conv, self.fc = nn.Conv2d(1, 4, 3), nn.Linear(64, 3)

    def forward(self, x):
        x = (x - 0.5) / 0.25
        return self.fc(F.relu(self.sign * self.conv(x) - 3.0).flatten(1))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head = nn.Linear(6, 4), nn.Linear(4, 3)
        self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)

    def forward(self, x):
        return self.head(self.layer(self.embed(x.squeeze(1))).mean(1))


class Gated(nn.Module):
    """1 − gate, a squared deviation, and a parameter that is no bias but is added."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.gate = nn.Linear(36, 6), nn.Linear(6, 6), nn.Linear(6, 6)
        self.shift, self.out = nn.Parameter(torch.full((6,), -9.0)), nn.Linear(6, 3)

    def forward(self, x):
        h = F.relu(self.a(x.flatten(1)) + self.shift)
        t = torch.sigmoid(self.gate(h))
        return self.out((1 - t) * F.relu(-self.b(h)) - t * (h - h.mean(1, keepdim=True)) ** 2)


@pytest.mark.parametrize(
    "make", [Normalising, lambda: Normalising(-1.0), Encoder, Gated], ids=lambda f: f.__name__
)
def test_constants_signs_and_training_change_nothing(make):
    """A shifted input gave 0 for the dense network, an encoder layer .28 after a few steps."""
    torch.manual_seed(0)
    module = make()
    layers = prunable_layers(module, SHAPE, 3)
    rng = torch.Generator().manual_seed(1)
    mask = Mask({x.name: torch.rand(x.shape, generator=rng) < 0.3 for x in layers}, layers=layers)
    before = effective_mask(module, SHAPE, mask)
    assert effective_density(module, SHAPE, Mask.ones(layers)) == 1.0
    for _ in range(5):
        module.zero_grad()
        F.cross_entropy(module(torch.randn(8, *SHAPE)), torch.randint(0, 3, (8,))).backward()
        with torch.no_grad():
            for parameter in module.parameters():
                parameter -= 0.1 * parameter.grad
    assert effective_density(module, SHAPE, Mask.ones(layers)) == 1.0
    assert effective_mask(module, SHAPE, mask) == before


@pytest.mark.parametrize("name", ["mlp", "lenet5", "conv2", "conv_bn", "resnet20"])
def test_models_that_come_with_the_package_are_connected_throughout(name):
    module = load_registry([], third_party=False).get("models", name)().build((3, 32, 32), 10)
    assert connections_of(module, (3, 32, 32), 10).dense == 1.0


class Heads(nn.Module):
    """`other` is never used, and two of `a`'s six outputs are left out."""

    def __init__(self):
        super().__init__()
        self.a, self.out, self.other = nn.Linear(36, 6), nn.Linear(4, 3), nn.Linear(6, 2)

    def forward(self, x):
        return self.out(F.relu(self.a(x.flatten(1)))[:, :4])


def test_weights_that_reach_no_output_are_named():
    found = connections_of(Heads())
    assert found.unused == ("a", "other")
    assert found.dense == pytest.approx((4 * 36 + 12) / (6 * 36 + 12 + 12))


def test_attention_by_hand():
    """Queries and keys decide where values go: they are connected to what comes out."""

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.q, self.k, self.v = (nn.Linear(6, 4, bias=False) for _ in range(3))
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            x = x.squeeze(1)
            scores = self.q(x) @ self.k(x).transpose(1, 2)
            return self.head((scores.softmax(-1) @ self.v(x)).mean(1))

    module = Attention()
    kept = {
        x.name: torch.ones(x.shape, dtype=torch.bool) for x in prunable_layers(module, SHAPE, 3)
    }
    kept["q"][1] = False  # a query's dimension that has no weights: its keys' are still read
    kept["v"][2] = False  # a value that nothing arrives at, but the scores do
    kept["head"][:, 3] = False  # a value that no output reads
    found = effective_mask(module, SHAPE, Mask(kept))
    assert found.kept["k"].all() and found.kept["head"][:, :3].all()
    assert not found.kept["v"][3].any() and found.kept["v"][:2].all()


class Solved(nn.Module):
    """Answers with the solution of a system of equations, which no rule knows."""

    def __init__(self):
        super().__init__()
        self.a, self.matrix = nn.Linear(36, 3), nn.Parameter(torch.eye(3))

    def forward(self, x):
        return torch.linalg.solve(self.matrix, self.a(x.flatten(1)).t()).t()


def test_an_operation_without_a_rule_is_refused_by_name():
    module = Solved()
    layers = prunable_layers(module, SHAPE, 3)
    with pytest.raises(
        UserError, match=r"^Solved has no effective density: there is no rule for .*solve"
    ):
        effective_density(module, SHAPE, Mask.ones(layers))


class Distances(nn.Module):
    """Answers with distances to prototypes."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(36, 2), nn.Linear(2, 2)
        self.prototypes = nn.Parameter(torch.randn(3, 2))

    def forward(self, x):
        return -torch.cdist(self.b(self.a(x.flatten(1))), self.prototypes)


def test_distances_to_prototypes():
    kept = {"a": torch.ones(2, 36), "b": torch.tensor([[1, 0], [1, 0]])}
    found = effective_mask(Distances(), SHAPE, Mask({k: v.bool() for k, v in kept.items()}))
    assert found.kept["a"][0].all() and not found.kept["a"][1].any() and found.count == 38


def test_complex_numbers_are_refused():
    class Transformed(nn.Module):
        """Mixes its tokens by a Fourier transform."""

        def __init__(self):
            super().__init__()
            self.a, self.out = nn.Linear(6, 5), nn.Linear(5, 3)

        def forward(self, x):
            h = torch.fft.fft(self.a(x.squeeze(1)), dim=1).real
            return self.out(F.relu(h).mean(1))

    with pytest.raises(Unsupported, match="complex"):
        connections_of(Transformed())


@pytest.mark.parametrize(
    "change",
    [
        nn.Mish(inplace=True),
        nn.ReLU6(inplace=True),
        nn.LeakyReLU(inplace=True),
        nn.LeakyReLU(),
        nn.Hardtanh(inplace=True),
        nn.ELU(inplace=True),
        nn.Threshold(0.1, 0.0, inplace=True),
        torch.ops.aten.gelu_,
        lambda h: h.masked_fill_(torch.eye(6, dtype=torch.bool)[:2].any(0), -1.0),
        lambda h: torch.where(h > 0, h, -h).abs_(),
    ],
)
def test_element_by_element_in_place(change):
    """torch tags some of them as such out of place only."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.out(change(self.a(x.flatten(1))))

    module = Net()
    mask = Mask({"a": torch.ones(6, 36).bool(), "out": (torch.arange(18).view(3, 6) % 6 != 4)})
    found = effective_mask(module, SHAPE, mask)
    assert found.kept["a"].any(1).tolist() == [True, True, True, True, False, True]


class Choosing(nn.Module):
    """Whole numbers made of the examples choose which weights are used."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = F.relu(self.a(x.flatten(1)))
        rows = self.out.weight[h.argmax(1)[:1] % 3]
        return h @ rows.t() + F.linear(h, self.out.weight, self.out.bias)


def test_places_that_come_from_the_examples_are_no_guess():
    with pytest.raises(Unsupported, match="computes its indices from the examples"):
        connections_of(Choosing())


class Hidden(nn.Module):
    """Goes by a way that no record sees."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = self.a(x.flatten(1))
        scale = float(h.detach().sum())
        return scale * self.out(x.flatten(1)[:, :6])


def test_what_the_record_cannot_see_is_refused_instead_of_reported():
    with pytest.raises(
        Unsupported, match=r"^the weights of a affect the outputs in a way that was not tr"
    ):
        connections_of(Hidden())


class Withheld(Hidden):
    """As `Hidden`, where a parameter that starts at zero withholds all from the outputs."""

    def __init__(self, shape):
        super().__init__()
        self.zero = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return self.zero * super().forward(x)


@pytest.mark.parametrize("shape", [(), (3,), (1, 3)])
def test_zeros_at_the_end_hide_nothing_from_that_check(shape):
    with pytest.raises(Unsupported, match="in a way that was not traced"):
        connections_of(Withheld(shape))


@pytest.mark.parametrize("depth", [1, 2])
def test_a_vision_transformer_is_connected_from_its_first_block(depth):
    """At depth 1 only the class token's query is read, and no example reaches that token."""
    torch.manual_seed(0)
    module = ViT(patch=2, width=4, depth=depth, heads=2, mlp=4).build((1, 6, 6), 3)
    nn.init.zeros_(module.head.weight)
    assert connections_of(module).dense == 1.0


def test_a_lone_class_token_by_hand():
    """One block: patches reach the class token by keys and values, and its query weighs them."""
    module = ViT(patch=2, width=4, depth=1, heads=1, mlp=4).build((1, 6, 6), 3)
    layers = prunable_layers(module, (1, 6, 6), 3)
    kept = {x.name: torch.ones(x.shape, dtype=torch.bool) for x in layers}
    kept["blocks.0.value"][2] = False  # a value that only the scores decide on
    kept["blocks.0.key"][1] = False  # a key's dimension of no weights: the query's is still read
    kept["blocks.0.out"][:, 3] = False  # and a value that nothing reads
    found = effective_mask(module, (1, 6, 6), Mask(kept)).kept
    rows = {name.split(".")[-1]: on.all(1).tolist() for name, on in found.items() if on.dim() == 2}
    assert rows["query"] == [True] * 4 and rows["key"] == [True, False, True, True]
    assert rows["value"] == [True, True, False, False]
    assert found["patches.conv"].all() and found["head"].all()


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn, self.head = kind(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0][:, -1])


def steps(places: int) -> InputShape:
    return InputShape((places, 2), "features")


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_nothing_comes_out_of_a_recurrent_layer_that_nothing_feeds(kind):
    """Its first state is zero: recurrent weights alone carry nothing."""
    module = Recurrent(kind)
    layers = prunable_layers(module, steps(4), 2)
    kept = {x.name: torch.full(x.shape, "ih" not in x.name) for x in layers}
    assert effective_mask(module, steps(4), Mask(kept)).count == 0
    assert effective_mask(module, steps(4), Mask.ones(layers)).density == 1.0


def test_recurrent_weights_by_hand():
    """Unit 0 is fed at its cell's gate, and feeds unit 1's; unit 1 feeds unit 0's input gate."""
    module = Recurrent(nn.LSTM)
    layers = prunable_layers(module, steps(4), 2)
    kept = {x.name: torch.zeros(x.shape, dtype=torch.bool) for x in layers}
    ih, hh = kept["rnn/weight_ih_l0"], kept["rnn/weight_hh_l0"]  # rows: i, f, g, o of three units
    ih[6, 0] = hh[7, 0] = hh[0, 1] = True
    hh[0, 2] = hh[2, 2] = True  # from unit 2, which nothing feeds
    kept["head"][:] = True
    found = effective_mask(module, steps(4), Mask(kept)).kept
    assert found["rnn/weight_ih_l0"].nonzero().tolist() == [[6, 0]]
    assert found["rnn/weight_hh_l0"].nonzero().tolist() == [[0, 1], [7, 0]]
    assert found["head"].tolist() == [[True, True, False]] * 2


@pytest.mark.parametrize(("kind", "ih"), [(nn.RNN, 6), (nn.GRU, 18), (nn.LSTM, 18)])
def test_a_sequence_of_one_step_uses_no_recurrent_weight(kind, ih):
    """And an LSTM has nothing to forget: a quarter of its 24 other weights is not used either."""
    module = Recurrent(kind)
    layers = prunable_layers(module, steps(1), 2)
    found = effective_mask(module, steps(1), Mask.ones(layers)).kept
    assert [int(on.sum()) for on in found.values()] == [ih, 0, 6]
    assert "rnn/weight_hh_l0" in Connections(module, steps(1), layers).unused


class Drawing(nn.Module):
    """Draws in eval mode too."""

    def __init__(self):
        super().__init__()
        self.a, self.out = nn.Linear(36, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.out(F.dropout(F.relu(self.a(x.flatten(1))), 0.5)) * (1 + random.random())


def test_random_states_stay():
    module = Drawing()
    layers = prunable_layers(module, SHAPE, 3)
    before = torch.get_rng_state(), random.getstate()
    effective_density(module, SHAPE, Mask.ones(layers))
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]
