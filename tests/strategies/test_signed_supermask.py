"""The signed supermask, worked by hand, and on digits."""

from __future__ import annotations

import pytest
import torch

import lth_bench
from lth_strategies.signed_supermask import signed


def test_scores_keep_hide_or_invert():
    """At τ = 0.4 of (0.5, −0.45, 0.2), or two of three: (1, −1, 0); the gradient is the weight's,
    whatever the score, and reaches the hidden.
    """
    scores = torch.tensor([0.5, -0.45, 0.2], requires_grad=True)
    weights = torch.tensor([1.0, 2.0, -3.0])
    used = weights * signed(scores, 2)
    assert used.tolist() == pytest.approx([1, -2, 0])
    (used * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert scores.grad.tolist() == pytest.approx([1, 20, -300])


SUITE = """
schema_version = 1
[suite]
name = "signed"
densities = [0.3]
seeds = 1
[recipes.short]
optimizer = "adam"
lr = 0.01
batch_size = 60
steps = 120
val_size = 97
eval_every = 60
[[tasks]]
model = { name = "mlp", hidden = [60] }
dataset = "digits"
recipe = "short"
[[strategies]]
use = "signed_supermask"
"""


def test_signs_of_constants_are_enough(tmp_path):
    """It learns, from 10% by chance, with weights of one size, about half of which are inverted."""
    (tmp_path / "a.toml").write_text(SUITE)
    results = tmp_path / "results.duckdb"
    summary = lth_bench.run(tmp_path / "a.toml", results, "cpu", workers=1, cohort_size=1)
    assert summary.exit_code == 0
    rows = lth_bench.results(results).tickets(label="signed_supermask")
    assert rows.status[0] == "ok"
    assert rows.density[0] == pytest.approx(0.3, abs=1e-3)
    assert rows.test_accuracy[0] > 0.6
    ticket = lth_bench.load_ticket(results, rows.ticket_id[0])
    for name, weight in ticket.final.weights.items():
        kept = ticket.mask.kept[name]
        size = (3 / weight.shape[1]) ** 0.5
        assert weight[kept].abs().tolist() == pytest.approx([size] * int(kept.sum()), rel=1e-5)
        inverted = ticket.start.weights[name][kept] * weight[kept] < 0
        assert 0.2 < float(inverted.double().mean()) < 0.8
