from __future__ import annotations

from lth_bench.analysis.evidence import failures


def test_what_shares_its_reason_is_one_row(results) -> None:
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


def test_what_ended_well_or_has_not_run_is_no_failure(results, by_hand) -> None:
    assert failures(results()) == {}
    assert failures(by_hand([{"label": "a", "density": 1, "seed": 0, "status": "planned"}])) == {}
