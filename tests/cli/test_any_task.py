"""Tasks beyond images of classes, as a user runs them: ranked by their own metrics."""

from __future__ import annotations

import json

import duckdb
import pytest

SUITE = """
schema_version = 1
[suite]
name = "any"
densities = [0.5, 0.1]
seeds = [0, 1]
[recipes.short]
optimizer = "adam"
lr = 0.01
steps = 12
batch_size = 20
val_size = 20
eval_every = 6
EXTRA
[[tasks]]
model = { name = "mlp", hidden = [6] }
dataset = "tabular:diabetes"
recipe = "short"
objective = "absolute_error"
[[tasks]]
model = { name = "mlp", hidden = [6] }
dataset = { name = "points", train = 80, test = 40 }
recipe = "short"
objective = { name = "focal", gamma = 1.0 }
[[tasks]]
model = { name = "transformer", width = 8, heads = 2, mlp = 8 }
dataset = { name = "stdlib_text", size = 3000, length = 8, unit = "characters" }
recipe = "short"
[[strategies]]
use = "random"
"""
OWN = '''
from dataclasses import dataclass
from lth_bench.objectives import Metric, Objective

@dataclass(frozen=True)
class AbsoluteError(Objective):
    """Mean absolute error."""
    targets = ("values",)
    metrics = (Metric("misses", "", higher_is_better=False),)

    def losses(self, outputs, targets):
        return (outputs - targets).abs().mean(1)

    def measure(self, evidence, targets):
        return {"misses": float((evidence - targets).abs().mean())}
'''


def test_results_speak_of_each_tasks_own_metric(here) -> None:
    own = here.write("own.py", OWN)
    suite = here.write("any.toml", SUITE.replace("EXTRA", ""))
    here("run", suite, "--plugin", own, "--cohort-size", 2)
    with duckdb.connect(str(here.results)) as con:
        found = con.execute(
            "SELECT DISTINCT dataset, metric, higher_is_better FROM tickets_flat ORDER BY ALL"
        ).fetchall()
        assert found == [
            ("points(test=40,train=80)", "test_balanced_accuracy", True),
            ("stdlib_text(length=8,size=3000,unit=characters)", "test_perplexity", False),
            ("tabular:diabetes", "test_misses", False),
        ]
        scores = con.execute(
            "SELECT score, m.value, t.test_accuracy FROM tickets_flat t "
            "JOIN metrics m ON m.ticket_id = t.ticket_id AND m.metric = t.metric"
        ).fetchall()
        assert len(scores) == 3 * 2 * 3 and all(s == value for s, value, _ in scores)
        # accuracy is a metric of classes alone
        assert sum(accuracy is not None for _, _, accuracy in scores) == 6
        (curves,) = con.execute(
            "SELECT count(*) FROM curves WHERE val_score IS NULL OR NOT isfinite(val_score)"
        ).fetchall()
        assert curves == (0,)
    board = json.loads(here("leaderboard", "--json").stdout)["leaderboard"]
    assert {row["metric"] for row in board} == {
        "test_balanced_accuracy", "test_perplexity", "test_misses",
    }  # fmt: skip
    table = " ".join(here("leaderboard", "-d", "tabular:diabetes").stdout.split())
    assert "test_misses" in table and "lower is better" in table and "(assumed)" not in table


def test_the_smaller_is_the_better_where_the_objective_says_so(here) -> None:
    own = here.write("own.py", OWN)
    text = SUITE.replace("EXTRA", "").replace('[[strategies]]\nuse = "random"', "")
    text += '[[strategies]]\nuse = "random"\n[[strategies]]\nuse = "one_shot"\n'
    suite = here.write("any.toml", text)
    here("run", suite, "--plugin", own, "-d", "tabular", "--cohort-size", 1)
    rows = json.loads(here("leaderboard", "--json").stdout)["leaderboard"]
    for density in (0.5, 0.1):
        pair = sorted(
            (r for r in rows if r["target_density"] == density), key=lambda row: row["rank"]
        )
        assert len(pair) == 2 and pair[0]["mean"] <= pair[1]["mean"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("EXTRA", "crop = 2", "recipe 'short': crop = 2 changes images, but dataset"),
        ("EXTRA", "flip = true", "recipe 'short': flip = true changes images"),
        ("EXTRA", "label_smoothing = 0.1", "label_smoothing = 0.1 belongs to the objective"),
        ('"absolute_error"', '"cross_entropy"', "objective 'cross_entropy' needs one class an"),
        ('"absolute_error"', '"absolute_eror"', "unknown objective 'absolute_eror'; did you mean"),
        ("gamma = 1.0", "gamma = -1", "gamma"),
        ("gamma = 1.0", "alpha = 1", "alpha"),
        ('{ name = "transformer", width = 8, heads = 2, mlp = 8 }', '"mlp"', "of tokens"),
        (
            'dataset = "tabular:diabetes"',
            'dataset = "digits"',
            "but dataset 'digits' has one class",
        ),
        ("size = 3000, length = 8", "size = 1000, length = 800", "two sequences of 800 take 1,601"),
        ("hidden = [6] }\ndataset = { n", "hidden = [6] }\ndataset = { noise = -1, n", "noise"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_trains(here, old, new, said) -> None:
    own = here.write("own.py", OWN)
    assert old in SUITE
    text = SUITE.replace(old, new, 1).replace("EXTRA", "")
    if "of tokens" in said or "sequences" in said:  # with other tasks that can run, it is their row
        text = text[: text.index("[[tasks]]")] + text[text.rindex("[[tasks]]") :]
    failed = here("run", here.write("any.toml", text), "--plugin", own, code=4)
    assert said in " ".join(failed.stderr.split())
    assert not here.results.exists()


RAISES = {
    "losses": ("(outputs - targets).abs().mean(1)", "(outputs - targets).nothing()"),
    "measure": ("float((evidence - targets).abs().mean())", "evidence.nothing()"),
}


@pytest.mark.parametrize("method", RAISES)
def test_what_an_objective_raises_is_said_with_its_line(here, method) -> None:
    old, new = RAISES[method]
    assert old in OWN
    text = OWN.replace(old, new)
    (line,) = [i for i, code in enumerate(text.splitlines(), 1) if new in code]
    suite = here.write("any.toml", SUITE.replace("EXTRA", ""))
    own = here.write("own.py", text)
    here("run", suite, "--plugin", own, "-d", "tabular", "--cohort-size", 2, code=1)
    with duckdb.connect(str(here.results)) as con:
        rows = con.execute("SELECT status, reason FROM experiments").fetchall()
    assert rows
    for status, reason in rows:
        assert status == "failed"
        assert "objective AbsoluteError raised AttributeError" in reason
        assert f"(own.py:{line})" in reason


def test_losses_of_another_shape_are_refused_by_name(here) -> None:
    own = here.write("own.py", OWN.replace(".abs().mean(1)", ".abs()"))
    suite = here.write("any.toml", SUITE.replace("EXTRA", ""))
    here("run", suite, "--plugin", own, "-d", "tabular", "--cohort-size", 2, code=1)
    with duckdb.connect(str(here.results)) as con:
        reasons = con.execute("SELECT DISTINCT reason FROM experiments").fetchall()
    assert any(
        "objective AbsoluteError: losses must return one number an example, [20], but returned a "
        "tensor [20, 1]" in reason for (reason,) in reasons
    )  # fmt: skip
