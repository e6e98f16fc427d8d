"""Every method on attention, recurrent layers and transposed convolutions, reading tokens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lth_bench.plugins import load_registry

MODELS = '''
from dataclasses import dataclass
from torch import nn

class Reader(nn.Module):
    def __init__(self, vocabulary, classes, middle):
        super().__init__()
        self.table, self.middle = nn.Embedding(vocabulary, 8), middle
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        h = self.table(x)
        if isinstance(self.middle, nn.MultiheadAttention):
            h = self.middle(h, h, h)[0]
        elif isinstance(self.middle, nn.LSTM):
            h = self.middle(h)[0]
        else:
            h = self.middle(h.transpose(1, 2)).transpose(1, 2)
        return self.head(h.mean(1))

@dataclass(frozen=True)
class Read:
    """Tokens, a layer of some kind, the mean over the places, the classes."""

    kind: str = "lstm"
    """lstm, attention, conv1d or transposed."""

    def build(self, input_shape, classes):
        middle = {
            "lstm": lambda: nn.LSTM(8, 8, batch_first=True),
            "attention": lambda: nn.MultiheadAttention(8, 2, batch_first=True),
            "conv1d": lambda: nn.Sequential(nn.Conv1d(8, 8, 2), nn.ReLU(), nn.Conv1d(8, 8, 1)),
            "transposed": lambda: nn.ConvTranspose1d(8, 8, 2, stride=2),
        }[self.kind]()
        return Reader(input_shape.vocabulary, classes, middle)
'''
SUITE = """
schema_version = 1
[suite]
name = "layers"
densities = [0.5]
seeds = [0]
[recipes.short]
optimizer = "adam"
lr = 0.01
steps = 12
batch_size = 20
val_size = 10
eval_every = 6
[[tasks]]
model = [MODELS]
dataset = { name = "modular", p = 11 }
recipe = "short"
KEYS
STRATEGIES
"""
TRANSFORMER = '{ name = "transformer", width = 8, heads = 2, mlp = 8 }'
KINDS = ("lstm", "attention", "conv1d", "transposed")
READERS = ", ".join(f'{{ name = "read", kind = "{kind}" }}' for kind in KINDS)
REFUSED = {"early_bird", "filter_l1", "slimming", "n_m", "aws"}
"""Methods that say at planning that they do not suit these networks (tests/running)."""
METHODS = {
    "imp": "prune_rate = 0.5",
    "one_shot": "",
    "late_rewind": "prune_rate = 0.5, rewind_fraction = 0.3",
    "early_imp": "prune_rate = 0.5, mask_fraction = 0.5",
    "snip": "batch_size = 16",
    "iter_snip": "batch_size = 16, rounds = 3",
    "force": "batch_size = 16, rounds = 3",
    "grasp": 'batch = "random", per_class = 1',
    "magnitude_init": "",
    "rigl": "update_every = 3",
    "lr_rewind": "prune_rate = 0.5, rewind_fraction = 0.3",
    "fine_tune": "prune_rate = 0.5",
    "sculpt": "",
    "bimp": "",
    "gradual": "",
    "acdc": "",
    "granet": "",
    "set": "update_every = 3",
    "snfs": "update_every = 3",
    "srigl": "update_every = 3",
    "random": "",
    "supermask": "",
    "edge_popup": "",
    "signed_supermask": "",
}
SCORED = {"edge_popup", "signed_supermask"}
"""Methods that score pruned weights too, so that they cost what a dense network does."""


def suite(models: str, *methods: str, keys: str = "") -> str:
    blocks = [f'[[strategies]]\nuse = "{name}"\nparams = {{ {METHODS[name]} }}' for name in methods]
    text = SUITE.replace("MODELS", models).replace("KEYS", keys)
    return text.replace("STRATEGIES", "\n".join(blocks))


def played(here: Any, install: Any, models: str, *methods: str) -> None:
    install("lth-bench-read", {"models": {"read": "read_x:Read"}}, read_x=MODELS)
    file = here.write("layers.toml", suite(models, *methods))
    here("run", file, "--workers", "1")
    rows = json.loads(
        here(
            "query", "--format", "json",
            "SELECT label, model, status, reason, density, effective_density, "
            "flops_masked_theoretical / flops_dense AS share FROM tickets_flat "
            "WHERE control = 'none' AND target_density < 1",
        ).stdout
    )["rows"]  # fmt: skip
    assert {row["label"] for row in rows} == set(methods)
    for row in rows:
        who = row["label"], row["model"], row["reason"]
        assert row["status"] == "ok", who
        assert 0.49 < row["density"] < 0.51, who
        assert 0 < row["effective_density"] <= row["density"], who
        assert 0 < row["share"] < 1 or row["label"] in SCORED, who


def test_two_methods_on_tokens_with_a_transformer_and_an_lstm(here: Any, install: Any) -> None:
    played(here, install, f'{TRANSFORMER}, {{ name = "read", kind = "lstm" }}', "imp", "rigl")


@pytest.mark.slow
def test_every_method_on_every_kind_of_layer(here: Any, install: Any) -> None:
    known = load_registry(third_party=False).strategies.keys()
    assert {*METHODS} == known - REFUSED - {"dense", "dense_rewind"}
    played(here, install, f"{TRANSFORMER}, {READERS}", *METHODS)


def test_a_suite_says_what_is_prunable(here: Any) -> None:
    keys = 'prunable = ["embedding.weight"]\nnot_prunable = ["head.*", "blocks.0.key"]'
    plain = here.write("plain.toml", suite(TRANSFORMER, "random"))
    told = here.write("told.toml", suite(TRANSFORMER, "random", keys=keys))
    first, second = (
        json.loads(here("plan", file, "--no-estimate", "--json").stdout) for file in (plain, told)
    )
    (note,) = second["notes"]
    assert "are prunable, and densities count these alone, as declared; the rest stays" in note
    assert "blocks.0.key" in note and "embedding" not in note.partition("(")[2].partition("(")[2]
    assert first["notes"] != second["notes"]
    ran = here("run", told, "--workers", "1", "--json")
    assert json.loads(ran.stdout)["notes"] == [note]
    layers = here("query", "SELECT DISTINCT layer, kind FROM layers ORDER BY layer").stdout
    assert "embedding" in layers and "blocks.0.up" in layers
    assert "head" not in layers and "blocks.0.key" not in layers
    here("report", "--output", "page.html")
    assert note.partition(": ")[2].partition(",")[0] in (here.folder / "page.html").read_text()


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            'prunable = ["embeding.weight"]',
            "is called 'embeding.weight'; did you mean 'embedding",
        ),
        ('prunable = ["norm.weight"]', "'norm.weight' matches norm.weight, which is a vector"),
        ('not_prunable = ["*"]', "'*' leaves nothing to prune"),
        ('not_prunable = ["head", "head"]', "not_prunable lists 'head' twice"),
        ("not_prunable = [7]", "not_prunable"),
    ],
)
def test_a_declaration_that_does_not_fit_is_a_usage_error(here: Any, keys: str, says: str) -> None:
    file = here.write("wrong.toml", suite(TRANSFORMER, "random", keys=keys))
    for command in ("plan", "run"):
        found = here(command, file, code=4)
        assert says in " ".join(found.stderr.split())
    assert not here.results.exists()
