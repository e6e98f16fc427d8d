from __future__ import annotations

import csv
import io
import json
import runpy
from pathlib import Path

import duckdb
import pytest

from lth_bench.store.seed_rows import write_rows

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
call = RECORDS["call"]
TASKS = (("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """results: imp with reinit, one_shot, snip; imp's parameters changed once. old: before that;
    rows.parquet and a:b.parquet: its rows. apart: other seeds. newer: of a later version.
    empty: nothing.
    """
    folder = tmp_path_factory.mktemp("compare")
    Scenario, write = RECORDS["Scenario"], RECORDS["write"]
    usual = {"tasks": TASKS, "controls": ("reinit",)}
    before = Scenario(**usual, run_id="run-old")
    after = Scenario(
        tasks=TASKS, controls=("reinit",), strategies=("dense", "imp", "snip"), config="changed",
        run_id="run-new", outcomes={("snip", 1): ("diverged", "NaN")},
    )  # fmt: skip
    write(folder / "results.duckdb", before, after)
    write(folder / "old.duckdb", before)
    write(folder / "apart.duckdb", Scenario(tasks=TASKS, seeds=(7, 8)))
    write(folder / "empty.duckdb")
    write_rows(folder / "old.duckdb", "quickstart", folder / "rows.parquet", "lth-bench run")
    (folder / "a:b.parquet").write_bytes((folder / "rows.parquet").read_bytes())
    (folder / "text.parquet").write_text("seed,score")
    with duckdb.connect(str(folder / "newer.duckdb")) as con:
        con.execute("CREATE TABLE meta (key VARCHAR, value VARCHAR)")
        con.execute(
            "INSERT INTO meta VALUES ('schema_version', '99'), ('journal_offset', '0'), "
            "('records', '0')"
        )
    return folder


@pytest.fixture
def compare(capsys, monkeypatch, folder):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LTH_BENCH_RESULTS", "results.duckdb")
    return lambda *arguments: call(capsys, monkeypatch, "compare", *arguments)


def test_two_strategies(compare):
    code, out, err = compare("imp", "one_shot")
    assert (code, err) == (0, "")
    for words in ("A: imp · B: one_shot · test_accuracy in %, B − A paired by seed",
                  "quickstart: mlp · digits · mlp", "quickstart: conv2 · cifar10 · paper",
                  "across tasks", "insufficient tasks (n=2, needs at least 6)", "over 2 densities",
                  "2 tasks, 4 lines:"):  # fmt: skip
        assert words in out


def test_the_differences_are_b_minus_a_seed_by_seed(compare, folder):
    rows = json.loads(compare("imp", "imp/reinit", "--task", "mlp", "--json")[1])["comparison"]
    assert [row["target_density"] for row in rows] == [0.5, 0.2, None]
    con = duckdb.connect(str(folder / "results.duckdb"), read_only=True)
    with con:
        (expected,) = con.execute(
            "SELECT avg(difference) FROM paired WHERE label = 'imp' AND control = 'reinit' "
            "AND versus = 'ticket' AND model = 'mlp' AND target_density = 0.2"
        ).fetchone()
    assert rows[1]["difference"] == pytest.approx(expected)
    assert expected < 0
    assert (rows[1]["a"], rows[1]["b"]) == ("imp", "imp/reinit")
    assert rows[1]["b_mean"] - rows[1]["a_mean"] == pytest.approx(expected)


def test_two_databases_label_by_label(compare):
    code, out, _ = compare("old.duckdb", "results.duckdb")
    assert code == 0
    assert "A: old.duckdb · B: results.duckdb" in out
    rows = json.loads(compare("old.duckdb", "results.duckdb", "--json", "-s", "imp")[1])
    kinds = [(r["line"], r["strategy"]) for r in rows["comparison"]]
    assert kinds.count(("density", "imp")) == kinds.count(("density", "imp/reinit")) == 4
    assert {name for _, name in kinds} == {"imp", "imp/reinit"}
    one, other = (
        json.loads(compare(*sides, "--json", "--task", "mlp")[1])["comparison"]
        for sides in (("old.duckdb:imp", "results.duckdb:imp"), ("imp@run-old", "imp"))
    )
    assert [r["difference"] for r in one] == [r["difference"] for r in other]
    assert any(r["difference"] for r in one)


@pytest.mark.parametrize(
    ("rows", "database"),
    [
        (["imp", "rows.parquet:imp"], ["imp", "old.duckdb:imp"]),
        (["a:b.parquet:imp/reinit", "imp"], ["old.duckdb:imp/reinit", "imp"]),
        (["rows.parquet", "results.duckdb"], ["old.duckdb", "results.duckdb"]),
        (["imp", "snip", "--results", "rows.parquet"], ["imp", "snip", "--results", "old.duckdb"]),
        (
            ["--with", "literature", "--results", "rows.parquet"],
            ["--with", "literature", "--results", "old.duckdb"],
        ),
    ],
)
def test_a_file_of_rows_is_a_side_as_its_database_is(compare, rows, database):
    one, other = (
        next(iter(json.loads(compare(*x, "--json")[1]).values())) for x in (rows, database)
    )
    assert one
    for row in (*one, *other):
        row.pop("a", None)
        row.pop("b", None)
    assert one == other


def test_a_lost_seed_fails_the_gate_worse(compare):
    code, out, err = compare("snip@run-old", "snip", "--fail-on", "worse")
    assert code == 6
    assert "B lost 1 of 3 seeds" in out
    assert err.startswith(
        "fails: conv2/cifar10/paper at density 50.00%: B lost 1 of 3 seeds (worse)"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["imp", "imp/reinit", "--fail-on", "worse", "--density", ".2"], 6),
        (["imp/reinit", "imp", "--fail-on", "worse"], 0),
        (["imp/reinit", "imp", "--fail-on", "not-better", "--density", ".2"], 0),
        (["imp", "imp@run-old", "--fail-on", "not-equivalent", "--margin", "0.5"], 0),
        (["imp@run-old", "imp", "--fail-on", "insufficient", "--margin", "1e-6"], 6),
        (["imp", "imp/reinit", "--metric", "early_stop_step", "--fail-on", "worse"], 6),
        (["dense", "imp", "--metric", "val_accuracy", "--interval", "bootstrap"], 0),
    ],
)
def test_exit_codes(compare, arguments, code):
    found, out, err = compare(*arguments)
    assert (found, bool(out), bool(err)) == (code, True, code == 6)


@pytest.mark.parametrize("format", ["table", "json", "csv", "markdown", "latex"])
def test_every_format(compare, format):
    code, out, err = compare("old.duckdb", "results.duckdb", "--format", format)
    assert (code, err) == (0, "")
    assert "imp/reinit" in out
    if format == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        assert {row["line"] for row in rows} == {"density", "all densities", "across tasks"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["imp", "imp"], 4, "A and B are the same: 'imp'"),
        (["old.duckdb", "./old.duckdb"], 4, "A and B are the same"),
        (["results.duckdb:imp", "imp"], 4, "A and B are the same"),
        (["imp@run-new", "imp"], 4, "A and B are the same results: 'imp@run-new' and 'imp' name"),
        (["imp", "snpi"], 4, "results.duckdb: unknown label 'snpi'; did you mean 'snip'?"),
        (["imp", "snip/renit"], 4, "snip has no control 'renit'; did you mean 'reinit'?"),
        (["imp", "imp@run-"], 4, "imp@run- is ambiguous: run run-old, run run-new"),
        (["imp", "imp@zzz"], 4, "no revision of 'imp' starts with 'zzz'; there are runs run-old"),
        (["imp", "gone.duckdb"], 4, "gone.duckdb is a whole database and imp one label"),
        (["imp", "gone.parquet:imp"], 4, "there is no file gone.parquet"),
        (["imp", "text.parquet:imp"], 4, "text.parquet cannot be read as Parquet"),
        (["imp", "rows.parquet:ipm"], 4, "rows.parquet: unknown label 'ipm'; did you mean 'imp'?"),
        (["imp", "rows.parquet"], 4, "rows.parquet is a whole database and imp one label"),
        (["imp", "rows.parquet:"], 4, "a side is LABEL, LABEL/CONTROL, LABEL@REV"),
        (["imp", "old.journal.jsonl:imp"], 4, "as a DuckDB database (it is another kind of file)"),
        (["rows.parquet:ipm", "--with", "reference"], 4, "rows.parquet has no results of 'ipm'"),
        (["old.duckdb", "gone.duckdb"], 4, "there are no results at gone.duckdb"),
        (["old.duckdb", "newer.duckdb"], 4, "newer.duckdb was made by a newer lth-bench"),
        (["old.duckdb", "empty.duckdb"], 4, "empty.duckdb holds no results yet"),
        (["old.duckdb", "results.duckdb", "-s", "ipm"], 4, "has no strategy 'ipm'; did you mean"),
        (["imp", "snip", "-s", "imp"], 4, "--strategy narrows two whole databases"),
        (["apart.duckdb:imp", "imp"], 5, "no seed in common: A has 7, 8; B has 0, 1, 2"),
        (["imp", "snip", "--density", ".3"], 5, "nothing in common under --density 0.3: A has"),
        (["imp", "snip", "--task", "lenet5"], 5, "nothing in common under --task lenet5"),
        (["imp", "snip", "--suite", "quikstart"], 4, "unknown suite 'quikstart'; did you mean"),
        (["imp", "snip", "--metric", "acuracy"], 4, "unknown metric 'acuracy'"),
        (["imp", "snip", "--margin", "0"], 4, "--margin must be greater than 0, but got 0"),
        (["imp", "snip", "--margin", "nan"], 4, "--margin must be greater than 0"),
        (["imp", "snip", "--interval", "z"], 4, "--interval must be t or bootstrap, but got 'z'"),
        (["imp", "snip", "--fail-on", "wors"], 4, "--fail-on: unknown verdict 'wors'; did you"),
        (["imp", "snip", "--format", "xml"], 4, "unknown format 'xml'"),
        (["imp", "a b"], 4, "a side is LABEL, LABEL/CONTROL, LABEL@REV"),
        (["imp"], 4, "compare takes two sides, A and B; or A and --with reference; or --with lit"),
        ([], 4, "compare takes two sides, A and B"),
        (["--with", "literature", "--margin", ".1"], 4, "--margin has no meaning with --with lit"),
        (["--with", "literature", "--masks"], 4, "--masks has no meaning with --with literature"),
        (["imp", "snip", "--with", "literature"], 4, "a second side has no meaning with --with"),
        (["ipm", "--with", "literature"], 4, "unknown label 'ipm'; did you mean 'imp'?"),
        (["snip", "--with", "literature"], 5, "no published figure fits a method and a density"),
        (["imp", "--with", "rumour"], 4, "--with must be reference or literature, but got"),
        (["imp", "--with", "reference", "--masks"], 4, "--with compares values, and --masks masks"),
        (["old.duckdb", "--with", "reference"], 4, "old.duckdb is a whole database; name the"),
        (["imp@run-1", "imp", "--with", "reference"], 4, "A must be a label of the reference"),
        (["none", "--with", "reference"], 4, "results.duckdb has no results of 'none'; name a"),
        (["quickstart", "--with", "reference"], 4, "of 'quickstart', which is a suite; name"),
    ],
)  # fmt: skip
def test_wrong_usage_is_one_error(compare, arguments, code, message):
    found, out, err = compare(*arguments)
    assert (found, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err


def test_a_missing_label_is_reported_and_fails(tmp_path, capsys, monkeypatch) -> None:
    for name, strategies in (("old", ("dense", "imp", "snip")), ("new", ("dense", "imp"))):
        (tmp_path / name).mkdir()
        scenario = RECORDS["Scenario"](strategies=strategies)
        RECORDS["write"](tmp_path / name / "r.duckdb", scenario)
    sides = [str(tmp_path / name / "r.duckdb") for name in ("old", "new")]
    code, out, _ = call(capsys, monkeypatch, "compare", *sides)
    assert code == 0
    assert "only A has snip on mlp/digits/mlp" in out
    assert "old/r.duckdb" in out.replace("\n", "")
    code, _, err = call(capsys, monkeypatch, "compare", *sides, "--fail-on", "worse")
    assert code == 6
    assert "fails: snip on mlp/digits/mlp: missing in B (worse)" in err
    code, out, _ = call(capsys, monkeypatch, "compare", *reversed(sides), "--fail-on", "worse")
    assert "only B has snip on mlp/digits/mlp" in out
    assert code == 0
