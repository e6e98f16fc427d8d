from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]

SUITE = """
schema_version = 1
[suite]
name = "quickstart"
densities = [0.5, 0.2]
seeds = 3
[recipes.mlp]
steps = 10
[[tasks]]
model = ["mlp", "lenet5"]
dataset = "digits"
recipe = "mlp"
[[strategies]]
use = "imp"
[[strategies]]
use = "snip"
"""
CLAIM = """
[[claims]]
name = "{name}"
text = "IMP is better than SNIP"
model = "{model}"
of = "imp"
versus = "snip"
density = 0.2
at_least = {least}
published = 0.03
source = "A paper"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With `mine.toml`, and results of its tasks with the mlp."""
    folder = tmp_path_factory.mktemp("claims")
    scenario = RECORDS["Scenario"](strategies=("dense", "imp", "snip"))
    RECORDS["write"](folder / "results.duckdb", scenario)
    claims = [("above", "mlp", -0.5), ("below", "mlp", 0.5), ("elsewhere", "lenet5", 0.0)]
    text = [CLAIM.format(name=n, model=m, least=x) for n, m, x in claims]
    (folder / "mine.toml").write_text(SUITE + "".join(text))
    return folder


@pytest.fixture
def lth(capsys, monkeypatch, folder):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LTH_BENCH_RESULTS", "results.duckdb")
    return lambda *arguments: call(capsys, monkeypatch, "claims", *arguments)


def test_the_table_has_the_published_value_ours_and_the_verdict(lth):
    code, out, err = lth("mine.toml")
    assert (code, err) == (0, "")
    for words in ("quickstart ─", "mlp · digits · mlp", "≥ -50.00 pt".replace("-", "−"), "+3.00 pt",
                  "1 no data, 1 not reproduced, 1 reproduced"):  # fmt: skip
        assert words in out
    assert "lth-bench run mine.toml -s imp -s snip -m lenet5" in out.replace("\n", " ")


def test_json(lth):
    code, out, _ = lth("mine.toml", "--json")
    assert code == 0
    found = json.loads(out)["claims"]
    assert [row["verdict"] for row in found] == ["reproduced", "not reproduced", "no data"]
    assert found[0]["ours"] > 0 and found[0]["n"] == 3


@pytest.mark.parametrize(
    ("gates", "code", "failing"),
    [
        (["insufficient"], 0, []),
        (["not-reproduced"], 6, ["below: not reproduced"]),
        (["no-data"], 6, ["elsewhere: no data"]),
        (["not-reproduced", "no-data"], 6, ["below: not reproduced", "elsewhere: no data"]),
    ],
)
def test_fail_on(lth, gates, code, failing):
    options = [word for gate in gates for word in ("--fail-on", gate)]
    found, out, err = lth("mine.toml", *options)
    assert found == code
    assert out  # the table is printed all the same
    assert [line.split(": ", 1)[1].split(": nothing")[0] for line in err.splitlines()] == failing


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["quickstart"], 5, "suite 'quickstart' has no claims; add [[claims]] to it"),
        (["mine.toml", "--fail-on", "reproduced"], 4, "did you mean 'not-reproduced'?"),
        (["mine.toml", "--format", "html"], 4, "unknown format 'html'"),
        (["mine.toml", "--results", "no.duckdb"], 4, "there are no results at no.duckdb"),
        (["mnist_lent"], 4, "did you mean 'mnist_lenet'?"),
    ],
)
def test_wrong_usage_is_one_error(lth, arguments, code, message):
    found, out, err = lth(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ") and message in err


def test_an_error_in_a_claim_names_its_line(lth, folder):
    text = (folder / "mine.toml").read_text()
    (folder / "other.toml").write_text(text.replace('versus = "snip"', 'versus = "snpi"', 1))
    code, _, err = lth("other.toml")
    assert code == 4
    assert err.startswith("error: other.toml:23: claims[0].versus: unknown label 'snpi'; did you")


def test_a_suite_without_results_has_no_data(lth):
    code, out, _ = lth("mnist_lenet")
    assert code == 0
    assert "no results of mnist_lenet; there are quickstart" in out
    assert "10 claims: 10 no data." in out


def test_plugin_files_are_accepted(lth, folder):
    (folder / "mine.py").write_text(
        "from lth_bench import hookimpl\nclass Mine:\n    @hookimpl\n"
        "    def select_mask(self, ticket): ...\n"
    )
    code, out, err = lth("mine.toml", "--plugin", "mine.py")
    assert (code, err) == (0, "")
    assert "--plugin mine.py" in out.replace("\n", " ")
    code, _, err = lth("mine.toml", "--plugin", "none.py")
    assert code == 4
    assert "no plugin file" in err
