"""Networks that cannot be pruned as they are: one message with the layer and what to do, before
anything trains.
"""

from __future__ import annotations

import re
from itertools import count

import pytest

NAMES = count()
MODEL = """
import warnings
from dataclasses import dataclass
from torch import nn
from torch.nn.utils import parametrizations, prune

class Two(nn.Module):
    def __init__(self, always=False):
        super().__init__()
        self.a, self.out, self.aux = nn.Linear(64, 6), nn.Linear(6, 10), nn.Linear(6, 10)
        self.always = always
    def forward(self, x):
        h = self.a(x.flatten(1)).relu()
        return (self.out(h), self.aux(h)) if self.training or self.always else self.out(h)

def mlp(wrap=lambda layer: layer, layer=None):
    first = wrap(layer or nn.Linear(64, 6))
    return nn.Sequential(nn.Flatten(), first, nn.ReLU(), nn.Linear(6, 10))

def pruned(layer):
    prune.l1_unstructured(layer, "weight", 0.5)
    return layer

def old(layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return nn.utils.weight_norm(layer)

@dataclass(frozen=True)
class Odd:
    def build(self, input_shape, classes):
        return MADE
"""
SUITE = """
schema_version = 1
[suite]
name = "odd"
version = 1
densities = [0.5]
seeds = [0]
[[tasks]]
model = "odd"
dataset = "digits"
recipe = "short"
[recipes.short]
batch_size = 50
steps = 4
val_size = 97
[[strategies]]
use = "snip"
"""
COMPUTED = (
    r"the network Sequential: the weight of layer '1' is computed from {} before every forward pass"
)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ("mlp(layer=nn.LazyLinear(6))", r"layer '1' \(LazyLinear\) is lazy: it has no weights "),
        ("mlp(old)", COMPUTED.format(r"'1\.weight_g', '1\.weight_v'") + ".*remove_weight_norm"),
        (
            "mlp(parametrizations.weight_norm)",
            COMPUTED.format(r"'1\.parametrizations\.weight\.original0', '1\.\S+original1'")
            + r".*remove_parametrizations\(layer, 'weight'\)",
        ),
        ("mlp(parametrizations.spectral_norm)", "remove_parametrizations"),
        (
            "mlp(pruned)",
            COMPUTED.format(r"'1\.weight_orig', '1\.weight_mask'") + r".*prune\.remove\(layer",
        ),
        (
            "Two()",
            "network Two must return .* in training mode it returns a tuple; there is only one",
        ),
        ("Two(always=True)", "network Two must return .* in eval mode it returns a tuple; there"),
        ("mlp().requires_grad_(False)", "has no trainable parameter: all have requires_grad=F"),
    ],
)
def test_unusable_networks_are_refused_before_training(made, message, install, here):
    name = f"odd{next(NAMES)}_x"
    models = {"models": {"odd": f"{name}:Odd"}}
    install("lth-bench-odd", models, **{name: MODEL.replace("MADE", made)})
    suite = here.write("odd.toml", SUITE)
    said = " ".join(here("run", suite, code=4).stderr.split())
    assert re.search(r"model 'odd': .*" + message, said), said
    assert not here.results.exists()
