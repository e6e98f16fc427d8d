"""A suite with sources, run as a user does: in cohorts, and with the trainings of both tasks."""

from __future__ import annotations

import pytest

import lth_bench
from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import UserError
from lth_bench.store.reading import reading

SUITE = """
schema_version = 1
[suite]
name = "moved"
densities = [0.5]
seeds = 2
controls = ["shuffle"]
[recipes.one]
steps = 12
batch_size = 32
val_size = 97
eval_every = 6
[recipes.two]
steps = 16
optimizer = "adam"
lr = 0.01
batch_size = 32
val_size = 97
eval_every = 8
[[tasks]]
model = { name = "mlp", hidden = [10] }
dataset = "digits"
recipe = ["one", "two"]
sources = [{ recipe = ["one", "two"] }]
[[strategies]]
use = "one_shot"
[[strategies]]
use = "rigl"
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("moved")
    (folder / "moved.toml").write_text(SUITE)
    lth_bench.run(folder / "moved.toml", results=folder / "r.duckdb")
    return folder / "r.duckdb"


@pytest.fixture(scope="module")
def rows(results):
    return lth_bench.results(results).tickets()


def test_every_pair_has_its_rows(rows) -> None:
    assert set(rows.status) == {"ok"}
    moved = rows[rows.recipe != rows.source_recipe]
    assert len(moved) == 2 * 2 * 2 * 2  # strategies, pairs, seeds, ticket and control
    assert set(moved.source_dataset) == {"digits"}
    assert {tuple(x) for x in moved[["source_recipe", "recipe"]].to_numpy()} == {
        ("one", "two"), ("two", "one"),
    }  # fmt: skip


def test_the_search_is_on_the_source(rows) -> None:
    tickets = rows[(rows.control == "none") & (rows.label == "one_shot")]
    for source, target in (("one", "two"), ("two", "one")):
        own = tickets[(tickets.recipe == source) & (tickets.source_recipe == source)]
        moved = tickets[(tickets.recipe == target) & (tickets.source_recipe == source)]
        assert list(moved.steps) == [{"one": 12, "two": 16}[target]] * 2
        found = own.set_index("seed").density
        assert (moved.set_index("seed").density == found).all()


def test_the_grid_of_sources_and_targets(results, rows) -> None:
    with reading(results, print) as con:
        board = leaderboard(con, Question(by="transfer", selection=Selection(controls=["none"])))
    assert [table.title for table in board.tables] == [
        "one_shot at 50.00% of the weights", "rigl at 50.00% of the weights",
    ]  # fmt: skip
    table = board.tables[0]
    assert table.header == ("found on", "one", "two")
    assert [line[0].text for line in table.lines()] == ["one", "two"]
    own = rows[(rows.control == "none") & (rows.label == "one_shot")]
    by_pair = own.groupby(["source_recipe", "recipe"]).test_accuracy.mean()
    for row in board.rows:
        if row["label"] != "one_shot":
            continue
        pair = (row["source_recipe"], row["recipe"])
        assert row["mean"] == pytest.approx(by_pair[pair])
        assert row["n"] == row["difference_n"] == 2
        assert row["difference"] == pytest.approx(by_pair[pair] - by_pair[(pair[1], pair[1])])
    diagonal, moved = table.lines()[0][1], table.lines()[0][2]
    assert diagonal.text == f"{100 * by_pair[('one', 'one')]:.2f}"
    assert moved.text.startswith(f"{100 * by_pair[('one', 'two')]:.2f} (")


def test_no_grid_without_transferred_tickets(results) -> None:
    with reading(results, print) as con:
        question = Question(by="transfer", selection=Selection(tasks=["*/digits/nowhere"]))
        with pytest.raises(UserError):
            leaderboard(con, question)
    with pytest.raises(UserError, match="--across"):
        Question(by="transfer", across=True)
