from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.store import Journal, fold, rebuild
from lth_bench.store.database import open_safe
from lth_bench.store.journal import endings
from lth_bench.store.reading import is_current

Make = Callable[..., Any]


def test_every_record_becomes_a_row(
    make_scenario: Make, write: Make, contents: Make, lines: Make, state: Make
) -> None:
    scenario = make_scenario(controls=("reinit",), outcomes={("snip", 1): ("failed", "boom")})
    paths = write(scenario)
    count = len(lines(paths))
    assert state(fold(paths)) == ("folded", count)
    rows = {name: len(found) for name, found in contents(paths).items()}
    tickets = [r for r, _ in Journal(paths).read() if r["record"] == "ticket"]
    assert rows["tickets"] == len(tickets)
    assert rows["metrics"] == sum(len(t["metrics"]) for t in tickets)
    assert rows["layers"] == sum(len(t["layers"]) for t in tickets)
    assert rows["curves"] == sum(len(t["curve"]) for t in tickets)
    assert rows["ticket_trainings"] == sum(len(t["trainings"]) for t in tickets)
    assert rows["trainings"] == len({u["key"] for t in tickets for u in t["trainings"]})
    assert rows["experiments"] == 12
    assert rows["tickets_flat"] == 3 + 9 * 2 * 2  # dense, and three labels with a control each
    assert rows["suites"] == rows["environments"] == 1
    assert rows["plugins"] == 4


def test_fields_keep_their_values(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense", "late_rewind"), seeds=(3,)))
    fold(paths)
    ticket = next(r for r, _ in Journal(paths).read() if r.get("rewind_step") == 100)
    with open_safe(paths) as con:
        relation = con.execute("FROM tickets WHERE ticket_id = ?", [ticket["ticket_id"]])
        names = [column[0] for column in relation.description or ()]
        (row,) = [dict(zip(names, x, strict=True)) for x in relation.fetchall()]
        layers = con.execute(
            "SELECT layer, kind, total, kept FROM layers WHERE ticket_id = ? ORDER BY position",
            [ticket["ticket_id"]],
        ).fetchall()
        (training,) = con.execute("FROM trainings ORDER BY key LIMIT 1").fetchall()
        (command, device) = con.execute("SELECT command, device FROM environments").fetchall()[0]
    for key in ("round", "control", "reported", "target_density", "density", "rewind_step"):
        assert row[key] == ticket[key]
    for key in ("early_stop_step", "val_accuracy", "test_accuracy"):
        assert row[key] == ticket["metrics"].get(key)
    for key, value in ticket["cost"].items():
        assert row[key] == value
    assert layers == [tuple(x.values()) for x in ticket["layers"]]
    assert training[1:10] == (0, 1000, 1000, 1e9, 5e8, 1.5, "cpu", 1, "plain")
    assert training[10:] == ("AMD X", 5000, ticket["run_id"])
    assert (command, device) == ("lth-bench run quickstart --seeds 3", "cpu")


def test_old_journals_with_width_are_read_as_cohort_size(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense", "imp")))
    new = paths.journal.read_text()
    old = new.replace('"cohort_size":', '"width":')
    assert new != old
    paths.journal.write_text(old)
    fold(paths)
    with open_safe(paths) as con:
        sizes = con.execute("SELECT DISTINCT cohort_size FROM trainings").fetchall()
    assert sizes == [(1,)]


def test_endings_at_a_cohort_size_in_old_and_new_journals(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",), seeds=(0, 1)))
    ended = [r["experiment_id"] for r, _ in Journal(paths).read() if r["record"] == "experiment"]
    with Journal(paths) as journal:
        for identity, size in zip(ended, ({"width": 4}, {"cohort_size": 4}), strict=True):
            journal.append({
                "record": "experiment", "experiment_id": identity, "status": "ok", **size,
            })  # fmt: skip
    assert set(endings(paths, 4)) == set(ended)
    assert endings(paths, 3) == {}


def test_folding_again_changes_nothing(
    make_scenario: Make, write: Make, contents: Make, state: Make
) -> None:
    paths = write(make_scenario())
    fold(paths)
    before = contents(paths)
    assert state(fold(paths)) == ("current", 0)
    assert contents(paths) == before


def test_folding_line_by_line_equals_folding_at_once(
    make_scenario: Make, write: Make, contents: Make, lines: Make, state: Make
) -> None:
    scenario = make_scenario(
        strategies=("dense", "imp"), seeds=(0, 1), controls=("reinit",),
        outcomes={("imp", 1): ("timeout", "1h")},
    )  # fmt: skip
    paths = write(scenario)
    whole = lines(paths)
    paths.journal.write_bytes(b"")
    for line in whole:
        with paths.journal.open("ab") as file:
            file.write(line)
        assert state(fold(paths)) == ("folded", 1)
    piecewise = contents(paths)
    assert state(rebuild(paths)) == ("rebuilt", len(whole))
    assert contents(paths) == piecewise


def test_folding_in_batches_equals_folding_at_once(
    make_scenario: Make, write: Make, monkeypatch: pytest.MonkeyPatch, contents: Make
) -> None:
    paths = write(make_scenario(controls=("reinit",)))
    fold(paths)
    at_once = contents(paths)
    monkeypatch.setattr(sys.modules["lth_bench.store.staging"], "BATCH_BYTES", 20_000)
    rebuild(paths)
    assert contents(paths) == at_once


def test_repeated_records_add_no_rows(make_scenario: Make, write: Make, contents: Make) -> None:
    scenario = make_scenario(strategies=("dense", "imp"))
    once = write(scenario)
    fold(once)
    drop = {"suites", "environments"}  # when they were recorded differs
    before = {name: rows for name, rows in contents(once).items() if name not in drop}
    twice = write(scenario)  # appends to the same journal
    assert fold(twice).state == "folded"
    after = contents(twice)
    assert {k: len(v) for k, v in after.items() if k in before} == {
        k: len(v) for k, v in before.items()
    }
    assert after["leaderboard"] == before["leaderboard"]


def test_the_last_record_of_a_ticket_counts(
    make_scenario: Make, write: Make, contents: Make
) -> None:
    scenario = make_scenario(strategies=("imp",), seeds=(0,), densities=(0.5,))
    paths = write(scenario)
    fold(paths)
    ticket = next(r for r, _ in Journal(paths).read() if r["record"] == "ticket" and r["reported"])
    with Journal(paths) as journal:
        journal.append({**ticket, "metrics": {"test_accuracy": 0.5}, "layers": [], "curve": []})
    fold(paths)
    found = contents(paths)
    assert [r for r in found["metrics"] if r[0] == ticket["ticket_id"]] == [
        (ticket["ticket_id"], "test_accuracy", 0.5)
    ]
    assert not [r for r in found["layers"] if r[0] == ticket["ticket_id"]]
    # and one reported in its place under another id, as after a retry
    with Journal(paths) as journal:
        journal.append({**ticket, "ticket_id": "other", "metrics": {"test_accuracy": 0.7}})
    fold(paths)
    with open_safe(paths) as con:
        assert con.execute("SELECT ticket_id, test_accuracy FROM tickets_flat").fetchall() == [
            ("other", 0.7)
        ]


def test_unknown_records_and_fields_are_ignored(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    with Journal(paths) as journal:
        journal.append({"record": "trial", "value": 1})
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok", "new": {}})
    assert fold(paths).state == "folded"
    assert is_current(paths)


def test_an_incomplete_last_line_is_not_folded_yet(
    make_scenario: Make, write: Make, contents: Make, state: Make
) -> None:
    paths = write(make_scenario(strategies=("dense", "imp")))
    fold(paths)
    before = contents(paths)
    with paths.journal.open("ab") as file:
        file.write(b'{"record":"ticket","ticket_id":"hal')
    assert state(fold(paths)) == ("current", 0)
    assert is_current(paths)
    assert contents(paths) == before


@pytest.mark.parametrize("line", ["nonsense", "5", "[]", "{}"])
def test_an_invalid_line_is_named_and_loses_nothing(
    make_scenario: Make, write: Make, line: str, lines: Make, state: Make
) -> None:
    paths = write(make_scenario(strategies=("dense", "imp")))
    fold(paths)
    count = len(lines(paths))
    with paths.journal.open("a") as file:
        file.write(line + "\n")
    with Journal(paths) as journal:
        journal.append({"record": "experiment", "experiment_id": "x", "status": "ok"})
    with pytest.raises(UserError, match=rf"line {count + 1} is not a record"):
        fold(paths)
    good = [x for x in lines(paths) if x != line.encode() + b"\n"]
    paths.journal.write_bytes(b"".join(good))
    assert state(fold(paths)) == ("folded", 1)


def test_a_field_of_the_wrong_type_is_one_error(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",)))
    with paths.journal.open("a") as file:
        file.write('{"record":"ticket","ticket_id":"x","cost":{"steps":"many"}}\n')
    with pytest.raises(UserError, match=r"line 9 is not .*wrong type: .*many.*Delete that line"):
        fold(paths)


def test_a_plan_of_any_length_is_one_record(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",), seeds=range(3)))
    big = make_scenario(strategies=("imp",), seeds=range(3000), run_id="big")
    experiments = [{**e, "config": {"pad": "x" * 6000}} for e in big.experiments()]
    with Journal(paths) as journal:  # 19 MB, more than DuckDB takes a JSON object for
        journal.append({"record": "planned", "run_id": "big", "experiments": experiments})
    fold(paths)
    with open_safe(paths) as con:
        assert con.execute("SELECT count(*) FROM experiments").fetchall() == [(3003,)]


def test_answers_are_bytes_and_what_is_no_base64_is_passed_over(
    make_scenario: Make, write: Make
) -> None:
    records = list(make_scenario(strategies=("dense",), seeds=(0, 1)).records())
    first, second = (r for r in records if r["record"] == "ticket")
    first["right"] = {"test_accuracy": "oEA=", "early_stop_accuracy": None}
    second["right"] = {"test_accuracy": "no base64!"}
    paths = write(SimpleNamespace(records=lambda: iter(records)))
    fold(paths)
    with open_safe(paths) as con:
        found = con.execute("SELECT ticket_id, metric, bits FROM answers").fetchall()
    assert found == [(first["ticket_id"], "test_accuracy", b"\xa0\x40")]
