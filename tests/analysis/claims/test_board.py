from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest

from lth_bench.analysis.claims import claims_board
from lth_bench.output.formats import FORMATS, render_board
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))

TOML = """
schema_version = 1
[suite]
name = "quickstart"
densities = [0.5, 0.2]
seeds = 3
[recipes.mlp]
steps = 10
[[tasks]]
model = "mlp"
dataset = "digits"
recipe = "mlp"
[[strategies]]
use = "imp"
controls = ["reinit", "shuffle"]
[[strategies]]
use = "snip"
[[claims]]
name = "beats-reinit"
text = "IMP's ticket is better than its re-initialised copy"
of = "imp"
versus = "imp/reinit"
density = 0.2
at_least = 0.001
published = 0.005
source = "A paper & its table_1"
[[claims]]
name = "beats-snip"
text = "IMP is better by a point"
of = "imp"
versus = "snip"
density = 0.2
at_least = 0.01
published = [0.01, 0.02]
source = "Another paper"
[[claims]]
name = "shuffled"
text = "Shuffling hurts"
of = "imp"
versus = "imp/shuffle"
density = 0.2
at_least = 0
source = "A paper"
[[claims]]
name = "special"
text = "A metric of its own"
metric = "drawn"
of = "snip"
density = 0.5
at_least = 1
source = "A paper"
"""


@pytest.fixture
def database(tmp_path):
    """`database(*scenarios, toml=TOML, **run)`: a connection to runs of a suite with this TOML."""
    opened = []

    class Run(RECORDS["Scenario"]):
        def run(self):
            return {**super().run(), "suite_toml": self.toml, **self.said}

        def ticket(self, experiment, target, round_, control, reported=True):
            record = super().ticket(experiment, target, round_, control, reported)
            spoilt = {"imp": 0.0, "snip": 0.02, "dense": 0.0}[experiment["label"]]
            spoilt += 0.004 if control == "reinit" else 0.0
            if reported:  # imp − reinit is 0.4 points at every seed, imp − snip 2 ± 0.1
                wave = 0.001 * experiment["seed"] if experiment["label"] == "snip" else 0.0
                record["metrics"]["test_accuracy"] = 0.95 - spoilt - wave
            return record

    def make(*scenarios, toml=TOML, **said):
        runs = []
        for i, options in enumerate(scenarios or ({},)):
            usual = {"strategies": ("dense", "imp", "snip"), "controls": ("reinit",)}
            run = Run(**{"run_id": f"run-{i}", **usual, **options})
            run.toml, run.said = toml, said
            runs.append(run)
        paths = RECORDS["write"](tmp_path / "results.duckdb", *runs)
        fold(paths)
        opened.append(open_safe(paths))
        return opened[-1]

    yield make
    for con in opened:
        con.close()


def verdicts(board):
    return {row["claim"]: row["verdict"] for row in board.rows}


def test_claims_are_read_from_the_suite_in_the_database(database):
    board = claims_board(database(), "quickstart")
    assert verdicts(board) == {
        "beats-reinit": "reproduced",
        "beats-snip": "reproduced",
        "shuffled": "no data",
        "special": "no data",
    }
    row = board.rows[1]
    # 0.02, 0.021, 0.022: ± 4.302653 · 0.001 / √3
    assert row["ours"] == pytest.approx(0.021)
    assert row["high"] == pytest.approx(0.021 + 0.002484, abs=1e-6)
    assert (row["n"], row["planned"], row["threshold"]) == (3, 3, 0.01)
    assert (row["published_low"], row["published_high"]) == (0.01, 0.02)
    assert (row["of"], row["versus"], row["densities"]) == ("imp", "snip", [0.2])
    assert row["level"] == pytest.approx(0.95) and "of a look" not in board.legend
    (table,) = board.tables
    assert "95% interval" in table.header
    assert "2 of 4 claims have no data" in table.notes[0]
    assert table.notes[0].endswith("lth-bench run quickstart -s imp -s snip")
    assert "special: no data" not in " ".join(table.notes)
    assert "special: no seed has drawn of snip" in table.notes


def test_every_format(database):
    board = claims_board(database(), "quickstart")
    for format in FORMATS:
        text = render_board(board, format, width=200)
        assert "+0.40 pt" in text or format in ("json", "csv"), format
        assert "reproduced" in text
    assert [row["claim"] for row in json.loads(render_board(board, "json"))["claims"]] == [
        *verdicts(board)
    ]
    narrow = render_board(board, "table", width=80)
    assert max(map(len, narrow.splitlines())) <= 80
    assert "beats-reinit: IMP's ticket is better" in narrow


def test_a_smoke_run_has_no_claims(database):
    con = database({"suite": "quickstart-smoke"})
    assert claims_board(con, "quickstart-smoke").rows == []
    assert claims_board(con, "quickstart").rows == []


def test_a_smoke_run_beside_the_suite_is_ignored(database):
    con = database({"seeds": (0, 1, 2)}, {"suite": "quickstart-smoke", "seeds": (7,)})
    assert {row["n"] for row in claims_board(con, "quickstart").rows} == {3, 0}


def test_a_lost_seed_is_not_reproduced(database):
    con = database({"outcomes": {("snip", 1): ("diverged", "NaN"), ("dense", 2): ("oom", "")}})
    board = claims_board(con, "quickstart")
    assert verdicts(board)["beats-snip"] == "not reproduced"
    assert "beats-snip: snip failed on 1 of 3 seeds" in board.tables[0].notes


def test_an_oom_seed_is_still_to_come(database):
    con = database({"outcomes": {("snip", 1): ("oom", "no memory")}})
    row = claims_board(con, "quickstart").rows[1]
    assert (row["verdict"], row["n"], row["planned"]) == ("insufficient", 2, 3)
    assert row["verdict_text"] == "needs 3+"


def test_results_of_a_changed_suite_are_noted(database):
    changed = database(overrides=["recipes.mlp.steps=5"], suite_version=2)
    notes = claims_board(changed, "quickstart").tables[0].notes
    assert notes[0].startswith("results of a changed suite, run with --set recipes.mlp.steps=5; ")
    assert notes[1] == "results of version 2 of the suite; it is now at 1"


@pytest.mark.parametrize(
    ("toml", "note"),
    [
        (TOML.replace("schema_version = 1", "schema_version = 9"), "is newer than this version"),
        (TOML.replace('of = "snip"', 'of = "\\u001b[31m"'), "unknown label"),
        ("not toml [[claims]]", "not valid TOML"),
    ],
)
def test_unreadable_claims_give_a_note(database, toml, note):
    board = claims_board(database(toml=toml), "quickstart")
    assert board.rows == []
    assert note in board.tables[0].notes[0]
    for format in FORMATS:
        assert "\x1b" not in render_board(board, format)


def test_suites_without_claims_and_unknown_suites_have_no_rows(database):
    con = database(toml=TOML.partition("[[claims]]")[0])
    assert claims_board(con, "quickstart").rows == []
    assert claims_board(con, "elsewhere").rows == []


def test_several_suites(database):
    con = database({}, {"suite": "other", "config": "o"})
    assert verdicts(claims_board(con, "quickstart"))["beats-reinit"] == "reproduced"
    # its TOML, as stored here, is named quickstart
    assert claims_board(con, "other").rows == []


def test_where_seeds_were_added_the_table_says_which_interval_it_is(database):
    """.02, .021, .022: ± 12.440 · .001 / √3, the repeated interval of a look."""
    board = claims_board(database(decide={"margin": None, "max_seeds": 10}), "quickstart")
    row = board.rows[1]
    assert row["high"] == pytest.approx(0.021 + 0.007182, abs=1e-6)
    assert (row["level"], row["verdict"]) == (pytest.approx(0.9936), "reproduced")
    assert "interval" in board.tables[0].header and "95% interval" not in board.tables[0].header
    assert "that of a look, 99.36%" in board.legend
    assert "of these 2, expect 0.1 at most" in board.legend
