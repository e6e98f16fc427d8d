"""What needs no process of its own of `lth-bench tune`."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.cli.tune import _budget
from lth_bench.errors import UserError


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("trials=20", "tune.budget={ trials = 20 }"),
        (" minutes = 1.5 ", "tune.budget={ minutes = 1.5 }"),
        ("steps=1e5", "tune.budget={ steps = 1e5 }"),
    ],
)
def test_the_budget_option_overrides_the_suite(text, change):
    assert _budget(text) == [change]
    assert _budget(None) == []


@pytest.mark.parametrize("text", ["20", "trials", "trials=", "hours=3", "trials=many", "steps=nan"])
def test_another_budget_is_refused(text):
    with pytest.raises(UserError, match="--budget takes trials=N, steps=N or minutes=X"):
        _budget(text)


PAIR = """
[tune]
budget = { trials = 12 }
objective = ["accuracy", "cost"]
seeds = 2
"""


@pytest.fixture
def shown(tmp_path, capsys, monkeypatch):
    """`shown(tune, **search)`: what is printed of a study of the suite quickstart."""
    from lth_bench.cli.tuned import conclude
    from lth_bench.store import fold
    from lth_bench.store.database import open_safe
    from lth_bench.store.trials import read_studies
    from lth_bench.suite import load_suite
    from lth_bench.suite.load import suite_of
    from lth_bench.tuning.loop import TuneSummary

    records = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))

    def make(tune, bought=None, **search):
        own = load_suite("quickstart")
        paths = records["write"](tmp_path / "r.duckdb", records["Search"](**search))
        fold(paths)
        with open_safe(paths) as con:
            studies = read_studies(con)
        summary = TuneSummary(run_id="x", studies=[])
        suite = suite_of(own.text + tune, own.path)
        gains = {} if bought is None else {studies[0].study_id: bought}
        conclude(
            suite,
            "my suite.toml",
            path=paths.results,
            summary=summary,
            final=None,
            studies=studies,
            gained=gains,
        )
        return studies[0], capsys.readouterr()

    return make


def test_with_two_objectives_the_front_is_printed(shown):
    study, printed = shown(PAIR, objectives=("accuracy", "cost"), trials=12)
    lines = [line for line in printed.out.splitlines() if line.lstrip(" *").startswith("#")]
    assert {int(line.lstrip(" *#").partition(":")[0]) for line in lines} == {
        t.number for t in study.front
    }
    (marked,) = (line for line in lines if line.startswith(" * "))
    assert marked.startswith(f" * #{study.best.number}: accuracy {study.best.values[0]:.4g}")
    assert "with --best -s LABEL --trial N" in printed.out
    assert "best settings" not in printed.out


def test_the_density_of_a_front_is_not_a_parameter(shown):
    change = {n: {"params": {"task.density": 0.2, "a": 0.5}, "distributions": {}} for n in range(9)}
    _, printed = shown(PAIR, objectives=("accuracy", "density"), trials=9, changes=change)
    assert "a 0.5" in printed.out
    assert "task.density" not in printed.out


def test_a_pipe_gets_full_names_and_no_unused_legend(shown):
    label = "x" * 64
    task = (f"mlp(hidden=[{', '.join(['100'] * 20)}])", "digits", "a_recipe_of_a_long_name")
    _, printed = shown(PAIR.replace('["accuracy", "cost"]', '"accuracy"'), label=label, task=task)
    assert "/".join(task) in printed.out and label in printed.out
    assert "tuned − own" not in printed.out
    assert "lth-bench tune 'my suite.toml' --best" in printed.err


def test_a_gain_has_its_legend(shown):
    from lth_bench.analysis.gains import StudyGain
    from lth_bench.stats import paired_interval

    gain = StudyGain(paired_interval({0: 0.9, 1: 0.8}, {0: 0.7, 1: 0.7}), 0.7, (0.2,))
    _, printed = shown(PAIR.replace('["accuracy", "cost"]', '"accuracy"'), gain, seeds=(1, 100))
    assert "tuned − own: difference of test accuracy" in printed.out
    assert "at seeds 0, 2, 3, 4." in " ".join(printed.out.split())


def test_help_names_the_suite_s_table():
    from typer.testing import CliRunner

    from lth_bench.cli.app import app

    text = CliRunner().invoke(app, ["tune", "--help"]).output
    assert "as set in its table tune" in " ".join(text.split())
