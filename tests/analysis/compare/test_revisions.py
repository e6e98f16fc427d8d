from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.analysis.compare.revisions import begins, revision
from lth_bench.analysis.samples import samples
from lth_bench.errors import UserError
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    """Three runs of imp: as it was, with its source changed, with its parameters changed too.

    The newest one failed at a seed. Their accuracies are 0.5, 0.6 and 0.7.
    """

    class Run(RECORDS["Scenario"]):
        def run(self):
            record = super().run()
            record["environment"]["git"] = self.git
            return record

        def ticket(self, experiment, target, round_, control, reported=True):
            record = super().ticket(experiment, target, round_, control, reported)
            if reported:
                record["metrics"]["test_accuracy"] = self.accuracy
            return record

    made = []
    for i, (git, source, config, outcomes) in enumerate([
        ("v1.0-3-gaaaaaaaaaaaa", "sss1", "", {}),
        ("bbbbbbbbbbbb-dirty", "sss2", "", {}),
        ("cccccccccccc", "sss2", "slower", {("imp", 2): ("failed", "IndexError")}),
    ]):  # fmt: skip
        run = Run(
            strategies=("dense", "imp"), run_id=f"run{i}", config=config, source_hash=source,
            controls=("reinit",), outcomes=outcomes,
        )  # fmt: skip
        run.git, run.accuracy = git, 0.5 + i / 10
        made.append(run)
    paths = RECORDS["write"](tmp_path_factory.mktemp("revisions") / "results.duckdb", *made)
    fold(paths)
    with open_safe(paths) as opened:
        yield opened


def accuracies(con, rev):
    rows = revision(con, "imp", rev, [])
    found = samples(con, rows=rows.sql, given=rows.given)
    assert {(s.name, s.target_density) for s in found} == {
        (name, d) for name in ("imp", "imp/reinit") for d in (0.5, 0.2)
    }
    return {round(x, 6) for s in found for x in s.values.values()}, found


@pytest.mark.parametrize(
    ("rev", "accuracy"),
    [
        ("run0", 0.5),
        ("run1", 0.6),
        ("sss1", 0.5),
        ("v1.0", 0.5),
        ("aaaa", 0.5),  # the commit behind a tag
        ("bbbbbbbbbbbb", 0.6),
        ("bbbbbbbbbbbb1234567890123456789012345678", 0.6),  # in full
        ("cccc", 0.7),
    ],
)
def test_a_revision_has_only_its_rows(con, rev, accuracy):
    values, found = accuracies(con, rev)
    assert values == {accuracy}
    assert all(len(s.values) == (2 if rev == "cccc" else 3) for s in found)
    if rev == "cccc":
        assert {s.lost for s in found} == {frozenset({2})}


def test_a_configuration_id_names_a_revision(con):
    old, new = (
        con.execute(
            "SELECT DISTINCT config_id FROM experiments WHERE label = 'imp' AND current = ?", [x]
        ).fetchall()
        for x in (False, True)
    )
    (identity,) = {x for (x,) in new}
    assert accuracies(con, identity[:8])[0] == {0.7}
    (identity,) = {x for (x,) in old} - {identity}
    with pytest.raises(UserError, match=r"has several results for one seed .* sources sss1, sss2"):
        revision(con, "imp", identity, [])


@pytest.mark.parametrize(
    ("rev", "message"),
    [
        ("xyz", r"no revision of 'imp' starts with 'xyz'; there are runs run0, run1, run2; "),
        ("run", r"imp@run is ambiguous: run run0, run run1, run run2; give more characters of one"),
        (
            "sss2",
            r"source sss2 has several results for one seed and density; name one of runs run1",
        ),
        ("0.1.0", r"version 0.1.0 has several results"),
    ],
)
def test_unknown_and_ambiguous_revisions_are_errors(con, rev, message):
    with pytest.raises(UserError, match=message):
        revision(con, "imp", rev, [])


def test_revisions_of_other_suites_are_not_found(con):
    with pytest.raises(UserError, match="there are none"):
        revision(con, "imp", "run0", ["other"])


def test_revisions_have_metrics_of_the_table_metrics(con):
    rows = revision(con, "imp", "run0", [])
    (one, *_) = samples(con, metric="val_accuracy", rows=rows.sql, given=rows.given)
    assert len(one.values) == 3


def test_commits_match_by_the_start_of_their_hash():
    assert begins("git", "0123456789ab", "0123456789abcdef")
    assert not begins("git", "0123456789ab", "0123456789ac")
    assert not begins("run_id", "0123", "01234")
