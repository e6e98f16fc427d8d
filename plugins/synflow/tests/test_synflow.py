"""SynFlow's facts: scores worked by hand, the conservation law, no layer lost."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import lth_bench_synflow.synflow
from lth_bench import Layer, Mask, UserError, count_at, effective_mask, sparsify
from lth_bench_synflow import SynFlow
from lth_bench_synflow.synflow import positive, synaptic_flow

SUITE = Path(__file__).resolve().parents[1] / "suite.toml"


def layers_of(module):
    return tuple(
        Layer(name, "linear", tuple(part.weight.shape))
        for name, part in module.named_modules()
        if isinstance(part, (nn.Linear, nn.Conv2d))
    )


def flow(module, ones, mask=None):
    layers = layers_of(module)
    return synaptic_flow(positive(module), layers, mask or Mask.ones(layers), ones)


def linear(weight, bias=None):
    layer = nn.Linear(len(weight[0]), len(weight), bias=bias is not None)
    layer.weight.data = torch.tensor(weight)
    if bias is not None:
        layer.bias.data = torch.tensor(bias)
    return layer


def chain(*widths, seed=0):
    """Linear layers without biases, ReLU between them, values of either sign."""
    torch.manual_seed(seed)
    parts = [nn.Flatten()]
    for fan_in, fan_out in pairwise(widths):
        parts += [nn.Linear(fan_in, fan_out, bias=False), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def a_ticket(module, shape, target):
    """As much of a ticket as `select_mask` asks for."""
    layers = layers_of(module)
    prunable = sum(x.numel for x in layers)
    return SimpleNamespace(
        initial=SimpleNamespace(values=None), module=lambda _: module, layers=layers,
        input_shape=shape, device=torch.device("cpu"), target=target, prunable=prunable,
        target_count=count_at(target, prunable), mask=Mask.ones(layers),
    )  # fmt: skip


# ---- by hand -----------------------------------------------------------------------------------


def test_two_layers():
    """|W₁|·1 = (3, 7), |W₂| = (1, 2): R = 17. |W₂| ⊙ h = (3, 14), and |W₁| times |W₂| by row =
    [[1, 2], [6, 8]]; both layers sum to R.
    """
    net = nn.Sequential(linear([[1.0, -2.0], [3.0, 4.0]]), nn.ReLU(), linear([[-1.0, 2.0]]))
    scores = flow(net, torch.ones(1, 2).double())
    assert scores["0"].tolist() == [[1, 2], [6, 8]]
    assert scores["2"].tolist() == [[3, 14]]


def test_biases_flow_and_are_not_scored():
    """A bias of −1 on the first unit counts as 1: h = (4, 7), so |W₂| ⊙ h = (4, 14)."""
    net = nn.Sequential(
        linear([[1.0, -2.0], [3.0, 4.0]], [-1.0, 0.0]), nn.ReLU(), linear([[-1.0, 2.0]])
    )
    scores = flow(net, torch.ones(1, 2).double())
    assert scores["2"].tolist() == [[4, 14]]
    assert list(scores) == ["0", "2"]


def test_under_a_mask():
    """Without |W₁|₁₁ = 4 the second unit has h = 3: R = 3 + 6."""
    net = nn.Sequential(linear([[1.0, -2.0], [3.0, 4.0]]), nn.ReLU(), linear([[-1.0, 2.0]]))
    kept = {"0": torch.tensor([[True, True], [True, False]]), "2": torch.ones(1, 2).bool()}
    scores = flow(net, torch.ones(1, 2).double(), Mask(kept))
    assert scores["0"].tolist() == [[1, 2], [6, 0]]
    assert scores["2"].tolist() == [[3, 6]]


def test_batch_norm_uses_the_magnitudes_of_its_buffers():
    """x = 1, |w| = 2, running mean |−½|, variance 4 − ε, |γ| = 3, |β| = 1:
    3 · (2 − ½) / 2 + 1 = 3.25; the classifier's |−2| makes R = 6.5, its own score. ∂R/∂|w| =
    2 · 3 / 2, so the convolution's score is 6.
    """
    norm = nn.BatchNorm2d(1)
    norm.running_mean.fill_(-0.5)
    norm.running_var.fill_(4 - norm.eps)
    norm.weight.data.fill_(-3)
    norm.bias.data.fill_(-1)
    convolution = nn.Conv2d(1, 1, 1, bias=False)
    convolution.weight.data.fill_(-2)
    net = nn.Sequential(convolution, norm, nn.ReLU(), nn.Flatten(), linear([[-2.0]]))
    scores = flow(net, torch.ones(1, 1, 1, 1).double())
    assert float(scores["0"]) == pytest.approx(6, rel=1e-6)
    assert float(scores["4"]) == pytest.approx(6.5, rel=1e-6)


# ---- the conservation law ----------------------------------------------------------------------


def test_every_layer_s_scores_sum_to_r_and_every_unit_passes_on_what_it_gets():
    """Against products of matrices, which share nothing with the gradient."""
    net = chain(9, 14, 11, 6, 3)
    layers = layers_of(net)
    draws = torch.Generator().manual_seed(3)
    mask = Mask({x.name: torch.rand(x.shape, generator=draws) < 0.4 for x in layers}, layers=layers)
    weights = [net.get_parameter(x.key).detach().double().abs() for x in layers]
    weights = [w * mask.kept[x.name] for w, x in zip(weights, layers, strict=True)]
    forward, backward = [torch.ones(9).double()], [torch.ones(3).double()]
    for w in weights:
        forward.append(w @ forward[-1])
    for w in reversed(weights):
        backward.insert(0, w.T @ backward[0])
    r = float(forward[-1].sum())
    assert r > 0
    scores = flow(net, torch.ones(1, 1, 3, 3).double(), mask)
    for i, (w, score) in enumerate(zip(weights, scores.values(), strict=True)):
        assert score.dtype == torch.float64
        expected = w * torch.outer(backward[i + 1], forward[i])
        torch.testing.assert_close(score, expected, rtol=1e-12, atol=0)
        assert float(score.sum()) == pytest.approx(r, rel=1e-12)
    for before, after in pairwise(scores.values()):
        torch.testing.assert_close(before.sum(1), after.sum(0), rtol=1e-12, atol=0)


def test_float64_where_float32_overflows():
    net = chain(4, *[16] * 60, 3)
    for x in layers_of(net):
        net.get_parameter(x.key).data *= 4
    big = torch.finfo(torch.float32).max
    scores = flow(net, torch.ones(1, 1, 2, 2).double())
    assert float(scores.sum()) > big
    assert all(bool(s.isfinite().all()) for s in scores.values())


# ---- masks -------------------------------------------------------------------------------------


def test_a_hundred_rounds_keep_the_published_fractions(monkeypatch):
    counts = []

    def watched(net, layers, mask, ones):
        counts.append(mask.count)
        return synaptic_flow(net, layers, mask, ones)

    monkeypatch.setattr(lth_bench_synflow.synflow, "synaptic_flow", watched)
    ticket = a_ticket(chain(36, 20, 10, 3), (1, 6, 6), 0.01)
    mask = SynFlow().select_mask(ticket)
    n = 36 * 20 + 20 * 10 + 10 * 3
    assert [*counts, mask.count] == [n] + [round(n * 0.01 ** (e / 100)) for e in range(1, 101)]


@pytest.mark.parametrize("per_layer", [1, 2, 5])
def test_no_layer_is_lost_while_one_path_remains(per_layer):
    """Down to one weight a layer, of eight layers of very different widths and scales."""
    net = chain(36, 40, 4, 30, 3, 25, 25, 12, 3)
    for i, x in enumerate(layers_of(net)):
        net.get_parameter(x.key).data *= 10.0 ** (i % 3)
    n = sum(x.numel for x in layers_of(net))
    target = 8 * per_layer / n
    mask = SynFlow().select_mask(a_ticket(net, (1, 6, 6), target))
    assert mask.count == 8 * per_layer
    assert min(mask.kept_per_layer().values()) >= 1
    assert effective_mask(net, (1, 6, 6), mask).count > 0
    if per_layer == 1:  # then nothing but one path is left
        assert effective_mask(net, (1, 6, 6), mask) == mask
    # which takes the rounds: in one, or by magnitude, layers vanish
    fresh = chain(36, 40, 4, 30, 3, 25, 25, 12, 3)
    once = SynFlow(rounds=1).select_mask(a_ticket(fresh, (1, 6, 6), target))
    assert min(once.kept_per_layer().values()) == 0


def test_data_and_dropout_do_not_matter():
    net = chain(36, 20, 3)
    masks = []
    for _ in range(2):
        dropping = nn.Sequential(nn.Flatten(), net[1], nn.ReLU(), nn.Dropout(0.5), net[3])
        masks.append(SynFlow(rounds=5).select_mask(a_ticket(dropping.train(), (1, 6, 6), 0.1)))
    assert masks[0].kept["1"].equal(masks[1].kept["1"])


def lth_bench(*arguments):
    command = [sys.executable, "-m", "lth_bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_suite_is_valid():
    done = lth_bench("validate", SUITE)
    assert done.returncode == 0, done.stdout + done.stderr


TASKS = """
schema_version = 1
[suite]
name = "tasks"
densities = [0.5]
seeds = [0]
[[tasks]]
model = { name = "transformer", width = 8, heads = 2, mlp = 8 }
dataset = { name = "modular", p = 11 }
recipe = "short"
[[tasks]]
model = { name = "mlp", hidden = [8] }
dataset = "points"
recipe = "short"
[recipes.short]
optimizer = "adam"
lr = 0.01
steps = 4
batch_size = 20
val_size = 10
eval_every = 2
[[strategies]]
use = "synflow"
params = { rounds = 3 }
MODELS
"""


def test_tokens_are_refused_by_one_error_before_anything_trains(tmp_path):
    suite = tmp_path / "tasks.toml"
    suite.write_text(TASKS.replace("MODELS", ""))
    results = tmp_path / "r.duckdb"
    for command in (["plan"], ["run", "--workers", "1", "--results", results]):
        done = lth_bench(command[0], suite, *command[1:])
        assert done.returncode == 4, done.stdout + done.stderr
        said = " ".join(done.stderr.split())
        assert said.count("SynFlow sends an input of ones through the network, and tokens") == 1
        assert "Traceback" not in said
        assert "'synflow' on transformer" in said
    assert not results.exists()
    # as the message advises
    suite.write_text(TASKS.replace("MODELS", 'models = ["mlp"]'))
    done = lth_bench("run", suite, "--workers", "1", "--results", results)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("kind", "refused"), [("images", 0), ("features", 0), ("tokens", 1)])
def test_only_tokens_are_refused(kind, refused):
    task = SimpleNamespace(input_shape=SimpleNamespace(kind=kind))
    with pytest.raises(ValueError, match="tokens") if refused else nullcontext():
        SynFlow().check_task(task)


def test_tokens_are_refused_in_a_loop_of_one_s_own():
    net = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 3))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    data = torch.tensor([[0, 5, 2], [1, 1, 7]]), torch.tensor([0, 2])
    with pytest.raises(UserError, match=r"^strategy 'SynFlow': SynFlow sends an input of ones"):
        sparsify(net, optimizer, SynFlow(), 0.5, data=data)
