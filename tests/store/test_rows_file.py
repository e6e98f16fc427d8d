"""A database made of a file of rows again, and what is no such file."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest
from close import rows_of

from lth_bench.errors import UserError
from lth_bench.store import reading
from lth_bench.store.rows_file import about, restored
from lth_bench.store.rows_metadata import FORMAT, KEY

BACK = (
    "SELECT suite, strategy, label, params, control, model, dataset, recipe, seed, target_density, "
    "density, effective_density, test_accuracy, test_loss, score, early_stop_step, steps, "
    "search_steps, flops_dense, status, experiment_id, config_id, test_examples, metric "
    "FROM tickets_flat"
)


def test_what_was_written_is_read_again(file: Path) -> None:
    with reading(file.with_name("results.duckdb")) as con:
        there = rows_of("tickets_flat", con.execute(BACK).fetchall())
        board = con.execute("SELECT label, control, n, rank FROM leaderboard").fetchall()
    with restored(file) as database, reading(database) as con:
        assert rows_of("tickets_flat", con.execute(BACK).fetchall()) == there
        again = con.execute("SELECT label, control, n, rank FROM leaderboard").fetchall()
        assert again == board
    assert not database.exists()


ANSWERS = """
    SELECT label, control, model, dataset, seed, target_density, a.metric, a.bits
    FROM answers a JOIN flat f USING (ticket_id) ORDER BY ALL
"""
JUDGED = (
    "SELECT suite, max_seeds, decide_margin FROM suites",
    "SELECT * EXCLUDE (run_id, recorded_at, journal_order) FROM looks ORDER BY journal_order",
    "SELECT t.dataset, u.seed FROM uncommon u JOIN tasks t USING (task) ORDER BY ALL",
)


def test_the_right_test_examples_are_read_again(file: Path) -> None:
    with reading(file.with_name("results.duckdb")) as con:
        there = con.execute(ANSWERS).fetchall()
    with restored(file) as database, reading(database) as con:
        assert con.execute(ANSWERS).fetchall() == there
    assert len(there) > 20 and {len(bits) for *_, bits in there} == {8}


def test_until_when_seeds_were_added_is_read_again(decided_file: Path) -> None:
    """With what each look said, and the seeds that not all labels have."""
    with (
        restored(decided_file) as made,
        reading(made) as again,
        reading(decided_file.with_name("results.duckdb")) as con,
    ):
        for query in JUDGED:
            there = con.execute(query).fetchall()
            assert there and again.execute(query).fetchall() == there


def test_a_file_from_before_has_neither_and_is_read_as_ever(decided_file: Path) -> None:
    said = {k: v for k, v in about(decided_file).items() if k not in ("decide", "looks")}
    older = rewritten(decided_file, "SELECT * EXCLUDE (answers) FROM '{file}'", said)
    with restored(older) as database, reading(database) as con:
        assert con.execute(ANSWERS).fetchall() == []
        assert con.execute("SELECT DISTINCT max_seeds FROM suites").fetchall() == [(None,)]
        (count,) = con.execute("SELECT count(*) FROM flat WHERE status = 'ok'").fetchone() or (0,)
    assert count == 3 * 2 + 5


def rewritten(file: Path, select: str, said: object = None) -> Path:
    """The same rows, chosen or changed by SQL, with other metadata."""
    other = file.with_name("other.parquet")
    text = json.dumps(about(file) if said is None else said).replace("'", "''")
    with duckdb.connect() as con:
        con.execute(
            f"COPY ({select.format(file=file)}) TO '{other}' (FORMAT parquet, "
            f"KV_METADATA {{{KEY}: '{text}'}})"
        )
    return other


@pytest.mark.parametrize(
    ("select", "said", "told"),
    [
        ("SELECT * EXCLUDE (score) FROM '{file}'", None, "score is missing"),
        (
            "SELECT * REPLACE (CAST(seed AS VARCHAR) AS seed) FROM '{file}'",
            None,
            "seed is VARCHAR, not BIGINT",
        ),
        ("SELECT 1 AS x", None, r"experiment_id is missing.* and \d+ more"),
        ("FROM '{file}'", [1, 2], "its metadata has no 'lth_bench'"),
        ("FROM '{file}'", "later", f"it is of format 99, and this version reads {FORMAT}"),
        (
            "SELECT * REPLACE ('no JSON' AS config) FROM '{file}'",
            None,
            "has the right columns, but cannot be read",
        ),
        (
            "SELECT * REPLACE (MAP {{'test_accuracy': 'abc'}} AS answers) FROM '{file}'",
            None,
            r"answers is MAP\(VARCHAR, VARCHAR\), not MAP\(VARCHAR, BLOB\)",
        ),
        (
            "SELECT * REPLACE (MAP {{'test_accuracy': 'abc'::BLOB}} AS answers) FROM '{file}'",
            None,
            "answers by test_accuracy of .* are 3 bytes, but 60 test examples",
        ),
        (
            "SELECT * REPLACE (NULL::BIGINT AS test_examples) FROM '{file}'",
            None,
            "are 8 bytes, but test_examples is not said",
        ),
        (
            "SELECT * REPLACE (NULL::BIGINT AS seed) FROM '{file}'",
            None,
            "seed is NULL in 78 rows",
        ),
    ],
)
def test_a_strangers_file_is_refused_in_one_message(
    file: Path, select: str, said: object, told: str
) -> None:
    other = rewritten(file, select, {**about(file), "format": 99} if said == "later" else said)
    with pytest.raises(UserError, match=told) as caught, restored(other):
        pass
    assert str(other) in caught.value.message


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "x.parquet"
    other.write_text("seed,score\n0,0.9\n")
    with pytest.raises(UserError, match="cannot be read as Parquet"), restored(other):
        pass
    with pytest.raises(UserError, match="there is no file"), restored(tmp_path / "y.parquet"):
        pass
    with pytest.raises(UserError, match="is a folder; name a"), restored(tmp_path):
        pass
