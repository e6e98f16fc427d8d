from __future__ import annotations

import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from close import close_rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lth_bench.errors import UserError
from lth_bench.store import Journal, Paths, fold, reading, replay, schema
from lth_bench.store.journal import encode
from lth_bench.store.mark import FileMark
from lth_bench.store.merge import MergeReport, merge, merge_journal
from lth_bench.store.staging import copy_lines, stage, unstage

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
Scenario = RECORDS["Scenario"]

PROVENANCE = {"run_id", "recorded_at", "journal_order"}
"""Columns that say when and where: of two machines' equal results, those of the one kept."""


def written(results: Path, *parts: tuple[Any, int]) -> Paths:
    """Scenarios as they were run one after another, each at a minute of its own."""
    paths = Paths(results)
    with Journal(paths) as journal:
        for scenario, minute in parts:
            at = f"2026-01-01T00:{minute:02}:00.000+00:00"
            journal.extend(encode({**record, "at": at}) for record in scenario.records())
    return paths


def views(con: duckdb.DuckDBPyConnection) -> dict[str, list[Any]]:
    """Rows without their provenance, sorted. Other views are made of these."""
    found = {}
    for view in ("experiments", "tickets_flat", "leaderboard", "suites", "metrics", "curves"):
        result = con.execute(f"FROM {view}")
        names = [column[0] for column in result.description or ()]
        keep = [i for i, name in enumerate(names) if name not in PROVENANCE]
        found[view] = close_rows([row[i] for i in keep] for row in result.fetchall())
    return found


class Folded:
    """Journals folded in memory, which is quicker than on disk."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.con = con
        schema.create(con)

    def __call__(self, paths: Paths, sql: str | None = None) -> Any:
        """The views, or the rows of a query."""
        module = sys.modules["lth_bench.store.fold"]
        with tempfile.TemporaryDirectory() as folder:
            batch = copy_lines(
                paths.journal,
                FileMark(schema_version=1, offset=0, records=0, head="", tail=""),
                Path(folder) / "batch.jsonl",
            )
            assert batch is not None
            stage(self.con, batch)
        self.con.execute("BEGIN")
        module._fold_batch(self.con)
        found = views(self.con) if sql is None else self.con.execute(sql).fetchall()
        self.con.execute("ROLLBACK")
        unstage(self.con)
        return found


@pytest.fixture(scope="module")
def folded() -> Iterator[Folded]:
    with duckdb.connect() as con:
        yield Folded(con)


def take(ours: Paths, theirs: Paths) -> MergeReport:
    with Journal(ours) as journal:
        return merge_journal(journal, theirs.results, theirs.journal)


@pytest.fixture
def ours(tmp_path: Path) -> Paths:
    return written(tmp_path / "ours.duckdb", (Scenario(strategies=("dense", "imp")), 1))


# what comes


def test_seeds_of_another_machine_come_in(ours: Paths, tmp_path: Path) -> None:
    more = Scenario(strategies=("dense", "imp"), seeds=(2, 3, 4), run_id="run-2")
    theirs = written(tmp_path / "theirs.duckdb", (more, 2))
    mine, yours = ours.journal.read_bytes(), theirs.journal.read_bytes()
    (report,), fold_report = merge(ours, [theirs.results])
    # seed 2 of both labels is here already: a dense run, and a ladder of two densities and a round
    assert (report.experiments_new, report.experiments_known) == (4, 2)
    assert (report.tickets_new, report.tickets_known) == (8, 4)
    assert (report.filled, report.different, report.configurations) == (0, 0, ())
    assert fold_report.state == "folded"
    with reading(ours.results) as con:
        rows = con.execute(
            "SELECT label, target_density, n FROM leaderboard ORDER BY ALL"
        ).fetchall()
    assert rows == [("dense", 1.0, 5), ("imp", 0.2, 5), ("imp", 0.5, 5)]
    assert ours.journal.read_bytes().startswith(mine)
    assert theirs.journal.read_bytes() == yours
    assert {p.name for p in tmp_path.iterdir()} <= {
        "ours.duckdb", "ours.journal.jsonl", "ours.journal.lock", "theirs.journal.jsonl",
        "theirs.journal.lock",
    }  # fmt: skip


def test_merging_again_changes_nothing(ours: Paths, tmp_path: Path) -> None:
    more = Scenario(suite="other", controls=("reinit",), run_id="run-2", config="else")
    theirs = written(tmp_path / "theirs.duckdb", (more, 2))
    merge(ours, [theirs.results])
    once = ours.journal.read_bytes()
    reports, fold_report = merge(ours, [theirs.results, theirs.journal])
    assert [(r.records, r.experiments_new, r.tickets_new) for r in reports] == [(0, 0, 0)] * 2
    assert fold_report.state == "current"
    assert ours.journal.read_bytes() == once


def test_into_nothing_is_a_copy(tmp_path: Path, folded: Folded) -> None:
    scenarios = (
        (Scenario(controls=("reinit",)), 1),
        (Scenario(suite="b", config="b", run_id="run-2"), 2),
    )
    theirs = written(tmp_path / "theirs.duckdb", *scenarios)
    target = Paths(tmp_path / "new.duckdb")
    take(target, theirs)
    assert folded(target) == folded(theirs)
    assert sorted(target.journal.read_text().splitlines()) == sorted(
        theirs.journal.read_text().splitlines()
    )


def test_a_result_fills_what_failed_here_and_never_the_other_way(
    tmp_path: Path, folded: Folded
) -> None:
    outcomes = {("imp", 0): ("failed", "boom"), ("imp", 1): ("interrupted", "stopped"),
                ("dense", 1): ("oom", "memory")}  # fmt: skip
    options = {"strategies": ("dense", "imp"), "seeds": (0, 1)}
    broken = written(tmp_path / "broken.duckdb", (Scenario(**options, outcomes=outcomes), 1))
    whole = written(tmp_path / "whole.duckdb", (Scenario(**options, run_id="run-2"), 2))
    expected = folded(whole)
    report = take(broken, whole)
    assert (report.filled, report.experiments_new) == (3, 0)
    report = take(whole, broken)
    assert (report.filled, report.experiments_new, report.tickets_new) == (0, 0, 0)
    assert folded(whole)["tickets_flat"] == expected["tickets_flat"]
    found = folded(broken)
    assert {**found, "suites": []} == {**expected, "suites": []}
    assert folded(broken, "SELECT DISTINCT status FROM experiments") == [("ok",)]


@pytest.mark.parametrize(
    ("worse", "better"),
    [("interrupted", "oom"), ("interrupted", "timeout"), ("oom", "failed"), ("timeout", "failed"),
     ("failed", "diverged"), ("failed", "skipped")],
)  # fmt: skip
@pytest.mark.parametrize("direction", [1, -1])
def test_of_two_ends_the_one_that_says_more_counts(
    tmp_path: Path, folded: Folded, worse: str, better: str, direction: int
) -> None:
    a, b = (
        written(
            tmp_path / f"{status}.duckdb",
            (Scenario(strategies=("imp",), seeds=(0,), outcomes={("imp", 0): (status, "x")}), 1),
        )
        for status in (worse, better)[::direction]
    )
    take(a, b)
    assert folded(a, "SELECT DISTINCT status FROM tickets_flat") == [(better,)]


def test_another_result_of_the_same_experiment_is_counted_and_not_taken(
    ours: Paths, tmp_path: Path, folded: Folded
) -> None:
    theirs = Paths(tmp_path / "theirs.duckdb")
    with Journal(theirs) as journal:
        for record, _ in Journal(ours).read():
            if record.get("reported") and record["target_density"] == 0.2:
                record["metrics"]["test_accuracy"] -= 0.25
            journal.append({**record, "run_id": "run-2"})
    expected = folded(ours)
    report = take(ours, theirs)
    assert report.different == 3  # imp's three seeds
    assert (report.experiments_new, report.tickets_new, report.filled) == (0, 0, 0)
    assert folded(ours) == expected


def test_a_density_and_a_control_that_came_later_are_taken(tmp_path: Path, folded: Folded) -> None:
    """An experiment that ended well may lack what was added to its suite since."""
    one = {"strategies": ("one_shot",), "seeds": (0,)}
    plain = written(tmp_path / "a.duckdb", (Scenario(**one), 1))
    theirs = written(
        tmp_path / "b.duckdb", (Scenario(**one, controls=("reinit",), run_id="run-2"), 2)
    )
    report = take(plain, theirs)
    assert (report.tickets_new, report.tickets_known) == (2, 2)
    assert folded(
        plain, "SELECT control, status, count(*) FROM tickets_flat GROUP BY ALL ORDER BY ALL"
    ) == [("none", "ok", 2), ("reinit", "ok", 2)]


def test_rounds_of_an_experiment_that_is_finished_here_are_not_wanted(
    ours: Paths, tmp_path: Path
) -> None:
    theirs = Paths(tmp_path / "theirs.duckdb")
    with Journal(theirs) as journal:
        for record, _ in Journal(ours).read():
            if record.get("reported") is False:
                record["ticket_id"] = f"other-{record['ticket_id']}"
            journal.append(record)
    assert take(ours, theirs).tickets_new == 0


def test_records_of_kinds_that_are_not_known_come_along_once(ours: Paths, tmp_path: Path) -> None:
    theirs = Paths(tmp_path / "theirs.duckdb")
    with Journal(theirs) as journal:
        journal.append({"record": "trial", "number": 1, "at": "2026"})
        journal.append({"record": "trial", "number": 2, "at": "2026"})
    assert [take(ours, theirs).records for _ in range(2)] == [2, 0]
    assert [r["number"] for r, _ in Journal(ours).read() if r["record"] == "trial"] == [1, 2]


def test_fields_that_are_not_known_come_along(tmp_path: Path) -> None:
    theirs = Paths(tmp_path / "theirs.duckdb")
    with Journal(theirs) as journal:
        for record in Scenario(strategies=("imp",), seeds=(0,)).records():
            journal.append({**record, "from_the_future": {"a": [1]}})
    target = Paths(tmp_path / "new.duckdb")
    take(target, theirs)
    assert {str(r.get("from_the_future")) for r, _ in Journal(target).read()} == {"{'a': [1]}"}


# which configuration counts


@pytest.mark.parametrize("minute", [0, 9], ids=["older there", "newer there"])
def test_the_configuration_planned_last_counts_whichever_side_it_is_from(
    tmp_path: Path, folded: Folded, minute: int
) -> None:
    old, new = (Scenario(strategies=("imp",), config=c, run_id=c) for c in ("lr=.1", "lr=.2"))
    a = written(tmp_path / "a.duckdb", (old, 5))
    b = written(tmp_path / "b.duckdb", (new, minute))
    (text,) = take(a, b).configurations
    assert text.startswith("imp on mlp · digits · mlp in suite quickstart")
    assert ("planned there" if minute else "planned here") in text
    winner = (new if minute else old).experiments()[0]["config_id"]
    assert folded(a, "SELECT DISTINCT config_id FROM tickets_flat") == [(winner,)]
    assert folded(a, "SELECT count(*) FROM tickets WHERE reported") == [(12,)]
    assert take(a, b).records == 0


def test_only_labels_that_they_planned_are_planned_again(tmp_path: Path) -> None:
    a = written(tmp_path / "a.duckdb", (Scenario(strategies=("imp", "snip")), 5))
    b = written(tmp_path / "b.duckdb", (Scenario(strategies=("imp",), config="b", run_id="b"), 1))
    size = a.journal.stat().st_size
    take(a, b)
    plans = [r for r, _ in Journal(a).read(size) if r["record"] == "planned"]
    assert [(p["at"][14:16], {e["label"] for e in p["experiments"]}) for p in plans] == [
        ("01", {"imp"}), ("05", {"imp"}),
    ]  # fmt: skip


def test_the_suite_as_last_run_counts(tmp_path: Path, folded: Folded) -> None:
    a = written(tmp_path / "a.duckdb", (Scenario(run_id="here"), 5))
    take(a, written(tmp_path / "b.duckdb", (Scenario(run_id="before"), 1)))
    assert folded(a, "SELECT run_id FROM suites") == [("here",)]
    take(a, written(tmp_path / "c.duckdb", (Scenario(run_id="after"), 9)))
    assert folded(a, "SELECT run_id FROM suites") == [("after",)]
    assert folded(a, "SELECT count(*) FROM environments") == [(3,)]


RUNS = st.fixed_dictionaries({
    "suite": st.sampled_from(["quickstart", "other"]),
    "strategies": st.sampled_from([("dense", "imp"), ("imp", "snip"), ("one_shot",)]),
    "seeds": st.sampled_from([(0,), (0, 1), (1, 2)]),
    "densities": st.sampled_from([(0.5,), (0.5, 0.2)]),
    "controls": st.sampled_from([(), ("reinit",)]),
    "config": st.sampled_from(["", "lr=.2"]),
    "outcomes": st.dictionaries(
        st.tuples(st.sampled_from(["imp", "snip"]), st.integers(0, 1)),
        st.sampled_from([("failed", "x"), ("interrupted", "y"), ("oom", "z")]), max_size=2,
    ),
    "curve_points": st.just(1),
})  # fmt: skip


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(parts=st.lists(st.tuples(st.booleans(), RUNS), min_size=2, max_size=6))
def test_a_merge_is_idempotent_and_the_same_in_either_order(
    parts: list[tuple[bool, dict[str, Any]]], folded: Folded
) -> None:
    runs: tuple[list[Any], list[Any]] = ([], [])
    for minute, (side, options) in enumerate(parts):
        runs[side].append((Scenario(**options, run_id=f"run-{minute}"), minute))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, two = (written(folder / f"{i}.duckdb", *runs[i]) for i in (0, 1))
        there, back = Paths(folder / "there.duckdb"), Paths(folder / "back.duckdb")
        shutil.copy(one.journal, there.journal)
        shutil.copy(two.journal, back.journal)
        take(there, two)
        take(back, one)
        assert folded(there) == folded(back)
        before = there.journal.read_bytes()
        assert [take(there, other).records for other in (two, one, back)] == [0, 0, 0]
        assert there.journal.read_bytes() == before


# what stops it


def process(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, check=False, **options,
    )  # fmt: skip


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from lth_bench.store import Paths, journal
    from lth_bench.store.merge import merge
    ours, theirs, allowed = sys.argv[1], sys.argv[2], int(sys.argv[3])
    def write(fd, chunk):
        os.write(fd, chunk[:allowed])
        os.kill(os.getpid(), signal.SIGKILL)
    journal._write_all = write
    merge(Paths(Path(ours)), [Path(theirs)])
"""


@pytest.mark.parametrize("share", [0.01, 0.1, 0.9])
def test_killed_in_the_middle_a_repetition_completes_it(
    tmp_path: Path, folded: Folded, share: float
) -> None:
    """The sides have configurations of their own, so that plans have to be put in order."""
    early = Scenario(strategies=("dense", "imp"), config="early", run_id="early")
    late = Scenario(strategies=("dense", "imp"), config="late", run_id="late")
    a = written(tmp_path / "a.duckdb", (late, 5))
    b = written(tmp_path / "b.duckdb", (early, 1), (Scenario(suite="b", run_id="more"), 9))
    undisturbed = Paths(tmp_path / "u.duckdb")
    shutil.copy(a.journal, undisturbed.journal)
    take(undisturbed, b)
    before = a.journal.read_bytes()
    size = undisturbed.journal.stat().st_size - len(before)
    done = process(KILLED, a.results, b.results, round(share * size))
    assert done.returncode == -signal.SIGKILL, done.stderr
    torn = a.journal.read_bytes()
    assert len(torn) == len(before) + round(share * size)
    assert torn.startswith(before)
    list(Journal(a).read())  # valid as it is
    take(a, b)
    assert folded(a) == folded(undisturbed)
    assert take(a, b).records == 0


FULL = """
    import resource, signal, sys
    from pathlib import Path
    from lth_bench.errors import UserError
    from lth_bench.store import Journal, Paths
    from lth_bench.store.merge import merge_journal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with Journal(Paths(Path(sys.argv[1]))) as journal:
        limit = journal.paths.journal.stat().st_size + 1000
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            merge_journal(journal, Path("theirs"), Path(sys.argv[2]))
        except UserError as error:
            print(error.message)
"""


def test_a_full_disk_leaves_the_journal_as_it_was(ours: Paths, tmp_path: Path) -> None:
    """A real refusal: the journal may not grow by more than 1000 bytes."""
    theirs = written(tmp_path / "b.duckdb", (Scenario(seeds=(7,), run_id="b"), 2))
    before = ours.journal.read_bytes()
    done = process(FULL, ours.results, theirs.journal)
    assert f"cannot write the journal {ours.journal}" in done.stdout, done.stderr
    assert "Free some space, then rerun the command to resume" in done.stdout
    assert ours.journal.read_bytes() == before


def test_a_run_in_progress_is_not_disturbed(ours: Paths, tmp_path: Path) -> None:
    theirs = written(tmp_path / "theirs.duckdb", (Scenario(run_id="b", seeds=(9,)), 2))
    before = ours.journal.read_bytes()
    with Journal(ours), pytest.raises(UserError, match=r"another run is writing to .*wait for it"):
        merge(ours, [theirs.results])
    assert ours.journal.read_bytes() == before


def test_a_database_that_is_open_elsewhere_delays_the_folding_only(
    ours: Paths, tmp_path: Path
) -> None:
    fold(ours)
    theirs = written(tmp_path / "theirs.duckdb", (Scenario(run_id="b", seeds=(9,)), 2))
    with duckdb.connect(str(ours.results), read_only=True):
        (report,), fold_report = merge(ours, [theirs.results])
        assert fold_report.delayed
    assert report.experiments_new == 4
    assert fold(ours).records == report.records


def test_ctrl_c_leaves_the_journal_as_it_was(
    ours: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = written(tmp_path / "theirs.duckdb", (Scenario(run_id="b", seeds=(9,)), 2))
    before = ours.journal.read_bytes()

    def interrupted(picks: Any, lines: Any = replay.lines) -> Iterator[bytes]:
        for number, line in enumerate(lines(picks)):
            if number == 5:
                raise KeyboardInterrupt
            yield line * 500  # enough to be written at once

    monkeypatch.setattr("lth_bench.store.merge.lines", interrupted)
    with pytest.raises(KeyboardInterrupt):
        take(ours, theirs)
    assert ours.journal.read_bytes() == before


def test_a_database_without_its_journal_is_not_merged_into(tmp_path: Path) -> None:
    alone = written(tmp_path / "alone.duckdb", (Scenario(), 1))
    fold(alone)
    alone.journal.unlink()
    theirs = written(tmp_path / "theirs.duckdb", (Scenario(run_id="b"), 2))
    with pytest.raises(UserError, match=r"no journal beside it .*lth-bench merge .*NEW\.duckdb"):
        merge(alone, [theirs.results])
    assert not alone.journal.exists()


def test_a_damaged_journal_of_ours_is_named_before_anything_is_written(
    ours: Paths, tmp_path: Path
) -> None:
    with ours.journal.open("ab") as file:
        file.write(b"nonsense\n")
    before = ours.journal.read_bytes()
    theirs = written(tmp_path / "theirs.duckdb", (Scenario(run_id="b"), 2))
    with pytest.raises(UserError, match=r"ours\.journal\.jsonl, line \d+ is not a record"):
        merge(ours, [theirs.results])
    assert ours.journal.read_bytes() == before
