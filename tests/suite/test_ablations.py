"""The keys `ablations` and `compared_to` of a suite."""

from __future__ import annotations

import pytest

from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.running.plan import plan_suite
from lth_bench.suite import load_suite
from lth_bench.suite.load import suite_of
from lth_bench.suite.select import select

TEXT = """
schema_version = 1
[suite]
name = "mine"
densities = [0.36, 0.13]
seeds = 2
{suite}
[recipes.short]
batch_size = 60
steps = 40
val_size = 97
[[tasks]]
model = "mlp"
dataset = "digits"
recipe = "short"
[[strategies]]
use = "imp"
params = {{ prune_rate = 0.4 }}
controls = ["reinit"]
{imp}
[[strategies]]
use = "snip"
{snip}
[[strategies]]
use = "random"
"""


def suite(tmp_path, *, suite="", imp="", snip=""):
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.format(suite=suite, imp=imp, snip=snip))
    return path


def plan(tmp_path, **parts):
    return plan_suite(load_suite(suite(tmp_path, **parts)), load_registry(), tmp_path)


def test_ablations_stand_beside_their_strategies(tmp_path):
    loaded = load_suite(
        suite(
            tmp_path, suite='ablations = ["random_labels"]', imp='ablations = ["scratch_b"]',
            snip='ablations = ["equal_cost", "half_data"]\ncompared_to = "imp"',
        )
    )  # fmt: skip
    found = [(s.label, s.use, s.ablation, s.controls, s.compared_to) for s in loaded.strategies]
    assert found == [
        ("imp", "imp", None, ("reinit",), None),
        ("imp-scratch_b", "imp", "scratch_b", (), None),
        ("snip", "snip", None, (), None),
        ("snip-equal_cost", "snip", "equal_cost", (), "imp"),
        ("snip-half_data", "snip", "half_data", (), None),
        ("random", "random", None, (), None),
        ("random-random_labels", "random", "random_labels", (), None),
    ]


def test_an_added_strategy_has_the_suites_ablations(tmp_path):
    path = suite(tmp_path, suite='ablations = ["random_labels"]')
    loaded = suite_of(path.read_text(), path, added={"one_shot": "--add one_shot"})
    assert [s.label for s in loaded.strategies][-2:] == ["one_shot", "one_shot-random_labels"]


def test_an_ablation_is_another_experiment_and_the_others_keep_their_ids(tmp_path):
    plain = plan(tmp_path)
    more = plan(tmp_path, suite='ablations = ["random_labels", "inverted_score"]')
    own = {p.experiment.experiment_id for p in plain.experiments}
    found = {p.experiment.experiment_id: p.experiment for p in more.experiments}
    assert own < found.keys()
    assert {e.label: e.ablation for i, e in found.items() if i not in own} == {
        f"{use}-{name}": {"name": name}
        for use in ("imp", "snip", "random")
        for name in ("random_labels", "inverted_score")
    }
    for p in plain.experiments:
        assert "ablation" not in p.experiment.planned_record()["config"]


def test_the_plan_knows_what_equal_cost_is(tmp_path):
    """The dense run and the rounds of IMP: one or two of them, each of 40 steps."""
    found = plan(tmp_path, snip='ablations = ["equal_cost"]\ncompared_to = "imp"')
    steps = {
        p.experiment.densities: (p.experiment.ablation["steps"], p.fits)
        for p in found.experiments
        if p.experiment.ablation
    }
    # 0.6² = 0.36 and 0.6⁴ = 0.1296
    assert steps == {(0.36,): (120, (120,)), (0.13,): (200, (200,))}


@pytest.mark.parametrize(("parts", "message"), [
    ({"imp": 'ablations = ["random"]'}, "ablations"),
    ({"imp": 'ablations = ["scratch_e", "scratch_e"]'}, "twice"),
    ({"suite": 'ablations = ["equal_cost"]'}, "needs `compared_to`"),
    ({"snip": 'ablations = ["equal_cost"]'}, "need each other"),
    ({"snip": 'compared_to = "imp"'}, "need each other"),
    ({"snip": 'ablations = ["equal_cost"]\ncompared_to = "impp"'}, "did you mean 'imp'"),
    ({"snip": f'label = "{"s" * 60}"\nablations = ["half_data"]'}, "at most 64"),
])  # fmt: skip
def test_mistakes_are_named_with_their_line(parts, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        load_suite(suite(tmp_path, **parts))
    assert "mine.toml:" in str(caught.value)


def test_the_densities_of_equal_cost_are_one_label(tmp_path):
    """Each has another budget, but none of them hides the others as an older configuration."""
    asked = load_suite(suite(tmp_path, snip='ablations = ["equal_cost"]\ncompared_to = "imp"'))
    found = plan_suite(asked, load_registry(third_party=False), tmp_path).experiments
    own = [p.experiment for p in found if p.experiment.label == "snip-equal_cost"]
    assert len({one.ablation["steps"] for one in own}) == len({one.densities for one in own}) > 1
    assert len({one.config_id for one in own}) == 1


@pytest.mark.parametrize(("parts", "message"), [
    ({"imp": 'ablations = ["equal_cost"]\ncompared_to = "imp"'}, "imp trains otherwise"),
    ({"snip": 'ablations = ["equal_cost"]\ncompared_to = "random"'}, "an iterative strategy"),
])  # fmt: skip
def test_ablations_that_do_not_suit_are_refused_when_planned(parts, message, tmp_path):
    with pytest.raises(UserError, match=message) as caught:
        plan(tmp_path, **parts)
    assert "mine.toml:" in str(caught.value)


def test_scores_that_are_asked_for_must_exist(tmp_path):
    path = suite(tmp_path)
    path.write_text(path.read_text() + 'ablations = ["inverted_score"]\n')
    with pytest.raises(UserError, match="random has no method `scores`"):
        plan_suite(load_suite(path), load_registry(), tmp_path)


def test_dense_has_no_search(tmp_path):
    path = suite(tmp_path)
    path.write_text(path.read_text() + '[[strategies]]\nuse = "dense"\nablations = ["half_data"]')
    with pytest.raises(UserError, match="dense has no ticket"):
        load_suite(path)


def test_dense_at_equal_cost_is_a_label_of_its_own(tmp_path):
    """As long as IMP takes to the sparsest ticket, reported once, beside the dense run."""
    path = suite(tmp_path, suite='ablations = ["half_data"]')
    more = '[[strategies]]\nuse = "dense"\nablations = ["equal_cost"]\ncompared_to = "imp"\n'
    path.write_text(path.read_text() + more)
    found = plan_suite(load_suite(path), load_registry(), tmp_path).experiments
    dense = {p.experiment.label: p for p in found if p.experiment.strategy == "dense"}
    assert dense.keys() == {"dense", "dense-equal_cost"}
    longer = dense["dense-equal_cost"]
    assert (longer.experiment.densities, longer.fits) == ((1.0,), (200,))
    # chosen alone, it has the dense run to be compared with
    alone = plan_suite(
        select(load_suite(path), strategies=["dense-equal_cost", "imp"]), load_registry(), tmp_path
    )
    assert {p.experiment.label for p in alone.experiments} == {
        "dense", "dense-equal_cost", "imp", "imp-half_data",
    }  # fmt: skip


def test_a_rewound_dense_network_has_controls_and_no_search_to_ablate(tmp_path):
    """Its labels are at density 1, beside the dense run, whatever the suite's ablations."""
    path = suite(tmp_path, suite='ablations = ["half_data"]')
    more = """
[[strategies]]
use = "dense_rewind"
params = { rewind_step = 10 }
controls = ["reorder"]
"""
    path.write_text(path.read_text() + more)
    found = plan_suite(load_suite(path), load_registry(), tmp_path).experiments
    rewound = [p for p in found if p.experiment.strategy == "dense_rewind"]
    assert [p.experiment.seed for p in rewound] == [0, 1]
    assert (rewound[0].experiment.densities, rewound[0].fits) == ((1.0,), (30, 30))
    assert {p.experiment.label for p in found} >= {"dense", "dense_rewind", "imp-half_data"}
    (dense,) = {p.experiment.dense_checkpoints for p in found if p.experiment.label == "dense"}
    assert dense == (10,)
    path.write_text(path.read_text() + 'ablations = ["half_data"]\n')
    with pytest.raises(UserError, match="dense_rewind has no ticket whose search"):
        plan_suite(load_suite(path), load_registry(), tmp_path)


@pytest.mark.parametrize("ablation", ["half_data", "other_order"])
def test_the_densities_of_an_ablation_share_its_dense_run(ablation, tmp_path):
    """Two seeds: SNIP's tickets at two densities, and one dense run beside them."""
    base, more = (plan(tmp_path, snip=text) for text in ("", f'ablations = ["{ablation}"]'))
    assert more.trainings - base.trainings == 2 * (1 + 2)
    assert more.steps - base.steps == 2 * (1 + 2) * 40


def test_half_of_the_data_is_at_least_a_batch(tmp_path):
    path = suite(tmp_path, imp='ablations = ["half_data"]')
    path.write_text(path.read_text().replace("batch_size = 60", "batch_size = 700"))
    with pytest.raises(UserError, match="not one batch of 700"):
        plan_suite(load_suite(path), load_registry(), tmp_path)
