from __future__ import annotations

from lth_bench.analysis.evidence import (
    METRICS,
    Place,
    Task,
    failures,
    gather,
    places,
    runs,
    subjects,
)

KINDS = ("pareto", "kept", "learning", "distances", "weights", "failures")


def test_every_task_has_every_kind_of_evidence(results) -> None:
    tasks = (("mlp", "digits", "mlp"), ("conv", "digits", "conv"))
    con = results(
        tasks=tasks, weights=True, strategies=("dense", "imp", "early_bird", "snip"),
        outcomes={("snip", 0): ("failed", "bug")},
    )  # fmt: skip
    found = gather(con)
    assert [one.place for one in found] == [Place("quickstart", Task(*t)) for t in sorted(tasks)]
    assert found[0].place.title == "quickstart: conv on digits, conv"
    for one in found:
        assert all(one.density[metric] for metric in METRICS)
        assert all(getattr(one, kind) for kind in KINDS)
    assert gather(con, ["other"]) == []


def test_a_planned_task_is_a_place_without_evidence(results) -> None:
    con = results(outcomes={(label, s): ("interrupted", None) for label in ("dense", "imp")
                            for s in range(3)}, strategies=("dense", "imp"))  # fmt: skip
    (one,) = gather(con)
    assert not any(one.density.values())
    assert [kind for kind in KINDS if getattr(one, kind)] == ["failures"]


def test_an_empty_database(results) -> None:
    con = results(strategies=())
    assert (gather(con), places(con), subjects(con)) == ([], [], [])
    assert len(runs(con)) == 1


def test_subjects_of_all_suites_in_the_order_of_legends(results) -> None:
    con = results(controls=("reinit",), strategies=("snip", "imp", "dense"))
    assert [s.name for s in subjects(con)] == ["dense", "imp", "imp/reinit", "snip", "snip/reinit"]
    assert subjects(con, ["other"]) == []


def test_failures_with_one_reason_are_one_group(results) -> None:
    con = results(
        densities=(0.5, 0.2),
        outcomes={
            ("imp", 0): ("failed", "<b>bug</b>"), ("imp", 2): ("failed", "<b>bug</b>"),
            ("snip", 1): ("skipped", "too sparse"), ("one_shot", 1): ("oom", None),
        },
    )  # fmt: skip
    (found,) = failures(con).values()
    assert [(f.label, f.status, f.reason, f.rows, f.seeds, f.densities) for f in found] == [
        ("imp", "failed", "<b>bug</b>", 4, (0, 2), (0.5, 0.2)),
        ("one_shot", "oom", "", 2, (1,), (0.5, 0.2)),
        ("snip", "skipped", "too sparse", 2, (1,), (0.5, 0.2)),
    ]
    rows = con.execute("SELECT count(*) FROM failures").fetchone()
    assert rows == (sum(f.rows for f in found),)
    known = con.execute("SELECT label, seed FROM failures WHERE experiment_id = ?", [
        found[0].experiment_id
    ]).fetchall()  # fmt: skip
    assert set(known) == {("imp", 0)}


def test_ok_and_planned_rows_are_not_failures(results, by_hand) -> None:
    assert failures(results()) == {}
    assert failures(by_hand([{"label": "a", "density": 1, "seed": 0, "status": "planned"}])) == {}
