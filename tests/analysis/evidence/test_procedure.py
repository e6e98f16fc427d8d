"""One iterative search, read round by round from the database."""

from __future__ import annotations

import pytest

from lth_bench.analysis.evidence import procedures

COLUMNS = (
    "experiment_id, config_id, suite, strategy, label, model, dataset, recipe, seed, iterative"
)


@pytest.fixture
def search(by_hand):
    """`search(labels)`: tickets of these labels at two densities and two seeds, and dense runs."""

    def make(*labels: str):
        rows = [
            {"label": "dense", "density": 1.0, "seed": seed, "experiment_id": "dense", "round": 0,
             "score": 0.9}
            for seed in (0, 1)
        ]  # fmt: skip
        rows += [
            {"label": label, "density": density, "seed": seed, "experiment_id": label,
             "round": round_, "ticket_id": f"{label}-{seed}-{density}", "score": density,
             "rewind_step": 7}
            for label in labels for seed in (0, 1) for round_, density in ((0, 0.5), (2, 0.2))
        ]  # fmt: skip
        con = by_hand(
            rows,
            curves=[("imp-0-0.5", step, 1.0, 1.0, step / 10, step / 10) for step in (2, 1)],
            layers=[("imp-0-0.5", 0, "fc1", "linear", 8, 4), ("dense-0", 0, "fc1", "linear", 8, 8)],
            units=[("imp-0-0.5", "fc1", "in", [2, 1, 2], [2, 1, 1, 0])],
        )
        for label in ("dense", *labels):
            con.execute(
                f"INSERT INTO plans ({COLUMNS}) "
                "VALUES (?, 'c', 'suite', ?, ?, 'm', 'd', 'r', 0, ?)",
                [label, label, label, label != "dense"],
            )
        con.execute("UPDATE cells SET strategy = label")
        return con

    return make


def test_rounds_by_hand(search) -> None:
    (found,) = procedures(search("imp")).values()
    assert (found.name, found.seed) == ("imp", 0)
    dense, first, second = found.rounds
    assert [one.number for one in found.rounds] == [0, 1, 3]
    assert [one.density for one in found.rounds] == [1.0, 0.5, 0.2]
    assert (dense.score, dense.start, first.start) == (0.9, 0, 7)
    assert (first.step, first.val_score) == ((1, 2), (0.1, 0.2))
    assert (first.layers, first.kept) == (("fc1",), (0.5,))
    # two channels of two pixels, two units: a pixel has four weights
    assert (first.pixels, first.width) == ((3 / 4, 1 / 4), 2)
    assert (dense.pixels, second.pixels, second.layers) == ((), (), ())


def test_imp_comes_first_and_others_where_it_is_not(search) -> None:
    (found,) = procedures(search("another", "imp")).values()
    assert found.label == "imp"


def test_another_iterative_strategy_serves_too(search) -> None:
    (found,) = procedures(search("another")).values()
    assert (found.label, len(found.rounds)) == ("another", 3)


def test_nothing_without_an_iterative_strategy(search) -> None:
    con = search("imp")
    con.execute("UPDATE plans SET iterative = false")
    assert procedures(con) == {}


def test_the_first_rounds_of_a_long_search(search) -> None:
    (found,) = procedures(search("imp"), rounds=2).values()
    assert [one.density for one in found.rounds] == [1.0, 0.5]


def test_one_of_several_dense_labels_is_the_dense_run(search) -> None:
    """As `dense` beside itself at equal cost."""
    con = search("imp", "dense-equal_cost")
    for table in ("cells", "plans"):
        con.execute(f"UPDATE {table} SET strategy = 'dense' WHERE label = 'dense-equal_cost'")
    con.execute("UPDATE plans SET iterative = false WHERE strategy = 'dense'")
    (found,) = procedures(con).values()
    assert [one.number for one in found.rounds] == [0, 1, 3]
    assert found.rounds[0].score == 0.9


def test_a_map_that_is_not_whole_is_none(search) -> None:
    con = search("imp")
    con.execute("UPDATE units SET kept = [2, 1]")
    (found,) = procedures(con).values()
    assert found.rounds[1].pixels == ()
