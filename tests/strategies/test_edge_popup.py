"""Edge-popup: a subnetwork of random weights."""

from __future__ import annotations

import pytest
import torch

import lth_bench
from lth_strategies.edge_popup import straight_through


def test_the_gate_keeps_the_largest_and_passes_the_gradient_to_all():
    """Gradient of a score: that of its weight, times the weight, times the score's sign."""
    scores = torch.tensor([0.5, -0.1, -0.7, 0.2], requires_grad=True)
    weights = torch.tensor([1.0, 2.0, -3.0, 4.0])
    used = weights * straight_through(scores, 2)
    assert used.tolist() == pytest.approx([1, 0, -3, 0])
    (used * torch.tensor([1.0, 10.0, 100.0, 1000.0])).sum().backward()
    assert scores.grad.tolist() == pytest.approx([1, -20, 300, 4000])


SUITE = """
schema_version = 1
[suite]
name = "hidden"
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
use = "edge_popup"
[[strategies]]
use = "supermask"
[[strategies]]
use = "supermask"
label = "random-mask"
params = { criterion = "random", survivors = "constant" }
[[strategies]]
use = "supermask"
label = "frozen"
params = { pruned = "initial" }
controls = ["reinit", "shuffle"]
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "a.toml").write_text(SUITE)
    summary = lth_bench.run(
        folder / "a.toml", folder / "results.duckdb", "cpu", workers=1, cohort_size=1
    )
    assert summary.exit_code == 0
    return folder / "results.duckdb"


def test_untrained_weights_are_enough(results):
    """It learns: from chance, 10%, to far above it; and its weights are constants of one size."""
    rows = lth_bench.results(results).tickets(label="edge_popup")
    assert rows.status[0] == "ok"
    assert rows.density[0] == pytest.approx(0.3, abs=1e-3)
    assert rows.test_accuracy[0] > 0.6
    ticket = lth_bench.load_ticket(results, rows.ticket_id[0])
    for name, weight in ticket.final.weights.items():
        kept = ticket.mask.kept[name]
        fan_in = weight.shape[1]
        size = (2 / (fan_in * float(kept.double().mean()))) ** 0.5
        assert weight[kept].abs().tolist() == pytest.approx([size] * int(kept.sum()), rel=1e-5)


def test_frozen_weights_keep_their_initial_values(results):
    rows = lth_bench.results(results).tickets(label="frozen")
    assert sorted(zip(rows.control, rows.status, strict=True)) == [
        ("none", "ok"), ("reinit", "ok"), ("shuffle", "ok"),
    ]  # fmt: skip
    assert rows.density.tolist() == pytest.approx([0.3] * 3, abs=1e-3)
    assert rows.flops_masked_theoretical.tolist() == pytest.approx(rows.flops_dense.tolist())
    (own,) = rows.ticket_id[rows.control == "none"]
    ticket = lth_bench.load_ticket(results, own)
    for name, weight in ticket.final.weights.items():
        pruned = ~ticket.mask.kept[name]
        assert torch.equal(weight[pruned], ticket.start.weights[name][pruned])
        assert float(weight[pruned].abs().mean()) > 0.01
    with pytest.raises(lth_bench.UserError, match="freezes them at other values"):
        lth_bench.prune_with_torch(ticket.module(), ticket.mask)


def test_a_mask_alone_knows_something(results):
    """Untrained, large_final is far above a random mask (Zhou et al., 2019, section 5)."""
    found = {
        label: lth_bench.results(results).sql(
            "SELECT m.value FROM metrics m JOIN tickets t USING (ticket_id) JOIN experiments e"
            f" USING (experiment_id) WHERE e.label = '{label}'"
            " AND m.metric = 'untrained_val_accuracy'"
        )
        for label in ("supermask", "random-mask")
    }
    own, random = (float(found[label].value[0]) for label in ("supermask", "random-mask"))
    assert own > random + 0.2
