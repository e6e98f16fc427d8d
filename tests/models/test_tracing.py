"""Networks without values, made and run for their shapes."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from lth_bench.models import tracing
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.tracing import shapes_only, to_trace
from lth_bench.training.flops import count_flops

COMPILER = ("torch._dynamo", "torch._inductor", "sympy", "timm", "torchvision")
TRAINS = """
import sys
import torch
from torch import nn
from lth_bench.models.prunable import prunable_layers
from lth_bench.models.tracing import shapes_only
from lth_bench.structure import removable_units
from lth_bench.training.flops import count_flops
from lth_bench.training.optimizers import make_optimizer
from lth_bench.training.recipe import Recipe

with shapes_only():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 5))
    nn.init.kaiming_normal_(net[0].weight)
    nn.init.zeros_(net[0].bias)
layers = prunable_layers(net, (3, 8, 8), 5)
count_flops(net, layers, (3, 8, 8))
removable_units(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5)), (3, 8, 8))
parameters = [nn.Parameter(torch.zeros(3))]
for optimizer in ("sgd", "adam", "adamw"):
    make_optimizer(parameters, Recipe(optimizer=optimizer, lr=0.1, steps=1, batch_size=1))
print([x.kind for x in layers], [name for name in %r if name in sys.modules])
"""


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


@pytest.mark.slow
def test_planning_and_training_do_without_torch_s_compiler():
    found = subprocess.run(
        [sys.executable, "-c", TRAINS % (COMPILER,)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "['conv', 'output'] []"


def test_what_is_made_for_its_shapes_takes_no_memory():
    with shapes_only():
        huge = nn.Linear(10**7, 10**7)
        nn.init.orthogonal_(nn.init.xavier_uniform_(torch.empty(3, 3)))
    assert huge.weight.is_meta
    assert huge.weight.shape == (10**7, 10**7)


def test_outside_of_it_values_are_drawn():
    with shapes_only():
        pass
    assert float(nn.Linear(5, 5).weight.detach().abs().sum()) > 0


def test_a_copy_is_run_and_the_network_stays_as_it_is():
    module = net().train()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    twin, examples = to_trace(module, (3, 8, 8))
    assert examples.shape == (2, 3, 8, 8)
    assert not twin.training
    assert twin(examples).shape == (2, 5)
    assert module.training
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_network_without_values_gets_zeros(dtype):
    with shapes_only():
        module = net().to(dtype)
    twin, examples = to_trace(module, (3, 8, 8))
    logits = twin(examples)
    assert logits.dtype == dtype
    assert not logits.any()


@pytest.mark.parametrize(("name", "limit"), [("SMALL", 100), ("PIXELS", 63)])
def test_large_ones_stay_without_values(monkeypatch, name, limit):
    monkeypatch.setattr(tracing, name, limit)
    twin, examples = to_trace(net(), (3, 8, 8))
    logits = twin(examples)
    assert logits.is_meta
    assert logits.shape == (2, 5)


class Looks(nn.Sequential):
    """Decides by its values, which the meta device has none of."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h: torch.Tensor = super().forward(x)
        return h.relu() if float(h.detach().sum()) > 0 else h


def test_a_large_network_that_looks_at_its_values_is_run_with_values() -> None:
    shape = (1, 80, 80)
    module = Looks(nn.Flatten(), nn.Linear(6400, 3))
    twin, examples = to_trace(module, shape)
    assert not examples.is_meta and twin(examples).shape == (2, 3)
    layers = prunable_layers(module, shape, 3)
    assert count_flops(module, layers, shape).forward == 2 * 3 * 6400
    assert to_trace(nn.Sequential(*module), shape)[1].is_meta
