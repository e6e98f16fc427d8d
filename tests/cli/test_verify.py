"""Others' results run again: what is equal, what was changed, what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store.seed_rows import write_rows

MINE = """
from dataclasses import dataclass

from pathlib import Path

from lth_bench import Mask, hookimpl


Path(__file__).with_name("ran").touch()


@dataclass(frozen=True)
class Mine:
    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)
"""


@pytest.fixture
def theirs(finished: Any, tmp_path: Path) -> Path:
    """A finished database, with its journal, in a folder of its own."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in ("results.duckdb", "results.journal.jsonl"):
        shutil.copy(finished.folder / name, folder / name)
    return folder / "results.duckdb"


def told(found: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(found.stdout)
    return document


def changed(theirs: Path, old: str, new: str) -> Path:
    """The same results by a journal in which something was changed."""
    journal = theirs.with_suffix(".journal.jsonl")
    text = journal.read_text()
    assert old in text
    theirs.unlink()
    journal.write_text(text.replace(old, new))
    return theirs


def test_a_rerun_gives_the_same_bits_and_writes_nothing(here: Any, theirs: Path) -> None:
    before = {file: file.read_bytes() for file in theirs.parent.iterdir()}
    found = told(here("verify", theirs, "--sample", 3, "--seed", 1, "--json"))
    assert found["verdicts"] == {"equal": 3, "consistent": 0, "different": 0, "open": 0}
    assert found["recorded"] == found["repeatable"] == 8
    assert {file: file.read_bytes() for file in theirs.parent.iterdir()} == before
    assert not here.results.exists()


def test_a_changed_record_is_found(here: Any, theirs: Path) -> None:
    """The first ticket's loss, by a thousandth."""
    journal = theirs.with_suffix(".journal.jsonl")
    tickets = [
        r for r in map(json.loads, journal.read_text().splitlines()) if r["record"] == "ticket"
    ]
    loss = next(t for t in tickets if t["reported"])["metrics"]["test_loss"]
    changed(theirs, f'"test_loss":{loss!r}', f'"test_loss":{loss * 1.001!r}')
    found = told(here("verify", theirs, "--sample", 99, "--json", code=6))
    assert found["verdicts"]["equal"] < 8
    assert found["verdicts"]["different"] >= 1
    (one, *_) = (x for x in found["experiments"] if x["verdict"] == "different")
    assert "other bits on the same numerics" in one["reason"]
    assert "test_loss" in one["reason"]


def test_a_strategy_of_another_source_is_refused(here: Any, theirs: Path) -> None:
    from lth_bench.plugins import load_registry
    from lth_bench.plugins.source import source_hash

    real = source_hash(load_registry((), False).get("strategies", "snip"))
    changed(theirs, real, "0" * 40)
    found = here("verify", theirs, "--sample", 1, "--seed", 0)
    assert "refused: snip on" in found.stdout
    words = " ".join(found.stdout.split())
    assert "the source of strategy 'snip' differs: 000000000000 there" in words


def test_a_rows_file_is_run_again_and_held_to_the_rules(here: Any, theirs: Path) -> None:
    file = theirs.with_name("rows.parquet")
    write_rows(theirs, "tiny", file, "lth-bench run tiny.toml")
    found = told(here("verify", file, "--sample", 1, "--seed", 0, "--rules", "--json", code=6))
    assert found["verdicts"]["equal"] == 1
    assert {one["rule"] for one in found["broken_rules"]} == {"seeds"}  # the suite has two


@pytest.fixture
def own_code(here: Any) -> tuple[Any, Path]:
    """Results of a suite with a one-file strategy, which is not installed."""
    suite = (
        'schema_version = 1\nplugins = ["mine.py"]\n[suite]\nname = "own"\ndensities = [0.5]\n'
        'seeds = 1\n[[tasks]]\nmodel = { name = "mlp", hidden = [8] }\ndataset = "digits"\n'
        'recipe = "r"\n[recipes.r]\noptimizer = "sgd"\nlr = 0.1\nsteps = 4\nbatch_size = 16\n'
        'val_size = 32\neval_every = 2\n[[strategies]]\nuse = "mine"\n'
        '[[strategies]]\nuse = "random"\n'
    )
    file = here.write("mine.py", MINE)
    here("run", here.write("own.toml", suite), "--plugin", file)
    (here.folder / "ran").unlink()
    return here, file


def test_code_that_came_with_results_runs_only_where_it_is_named(
    own_code: tuple[Any, Path],
) -> None:
    here, file = own_code
    found = here("verify", here.results, "--sample", 9, code=4)
    assert not (here.folder / "ran").exists()
    assert "none of the 3 finished experiments" in found.stderr
    assert "strategy 'mine'" in found.stderr
    assert "mine.py; read it, then allow it with --plugin FILE" in found.stderr
    allowed = told(here("verify", here.results, "--sample", 9, "--plugin", file, "--json"))
    assert allowed["verdicts"]["equal"] == 3


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.duckdb", None, "there are no results at none.duckdb"),
        ("text.duckdb", b"seed,score\n", "is neither a DuckDB database nor a file of rows"),
        ("text.parquet", b"seed,score\n", "cannot be read as Parquet"),
        ("x" * 300 + ".parquet", None, "File name too long; name other results"),
        ("x" * 300 + ".duckdb", None, "File name too long; name other results"),
        ("empty.jsonl", b"", "empty.jsonl has no results: no row was planned in it"),
        ("empty.journal.jsonl", b"", "has no results: no row was planned in it"),
    ],
)
def test_what_is_no_database_is_refused_in_one_message(
    here: Any, name: str, content: bytes | None, said: str
) -> None:
    if content is not None:
        (here.folder / name).write_bytes(content)
    for options in ((), ("--rules",)):
        found = here("verify", name, *options, code=4)
        assert said in found.stderr
        assert found.stderr.count("error:") == 1


def test_a_folder_and_a_seed_of_nothing_are_refused(here: Any) -> None:
    """Without the options of other commands."""
    (here.folder / "folder.duckdb").mkdir()
    found = here("verify", "folder.duckdb", "--rules", code=4)
    assert "folder.duckdb is a folder; name a file in it: results (.duckdb)" in found.stderr
    assert "--results" not in found.stderr
    (here.folder / "pipe?.duckdb").touch()
    found = here("verify", "pipe?.duckdb", code=4)
    assert "contains a ?" in found.stderr and "--results" not in found.stderr
    found = here("verify", "none.duckdb", "--rules", "--seed", 3, code=4)
    assert "--seed 3 chooses what is run again, and --rules runs nothing" in found.stderr


def test_a_newer_versions_database_is_refused(here: Any) -> None:
    import duckdb

    with duckdb.connect(str(here.folder / "newer.duckdb")) as con:
        con.execute("CREATE TABLE meta (key VARCHAR, value VARCHAR)")
        con.execute(
            "INSERT INTO meta VALUES ('schema_version', '99'), ('journal_offset', '0'), "
            "('records', '0')"
        )
    found = here("verify", "newer.duckdb", code=4)
    assert "was made by a newer lth-bench (tables of version 99" in found.stderr


def test_an_older_versions_database_is_read_by_its_journal_and_left_alone(
    here: Any, theirs: Path
) -> None:
    import duckdb

    with duckdb.connect(str(theirs)) as con:
        con.execute("UPDATE meta SET value = '3' WHERE key = 'schema_version'")
    before = theirs.read_bytes()
    found = told(here("verify", theirs, "--sample", 1, "--seed", 0, "--json"))
    assert found["verdicts"]["equal"] == 1
    assert theirs.read_bytes() == before
    theirs.with_suffix(".journal.jsonl").unlink()
    alone = here("verify", theirs, code=4)
    assert "has no journal in it, and results.journal.jsonl is not beside it" in alone.stderr


def test_data_that_is_missing_or_leads_out_is_refused(here: Any, theirs: Path) -> None:
    """Of a planned experiment, as a stranger's record may have it."""
    changed(
        theirs,
        '"dataset":{"name":"digits","params":{}}',
        '"dataset":{"name":"digits","params":{"of":{"file":"/etc/passwd"}}}',
    )
    found = here("verify", theirs, code=4)
    assert "none of the 8 finished experiments" in found.stderr
    assert "dataset 'digits' reads a file outside of the data root" in found.stderr


def test_other_data_is_refused(here: Any, theirs: Path) -> None:
    records = map(json.loads, theirs.with_suffix(".journal.jsonl").read_text().splitlines())
    print_ = next(r["fingerprint"] for r in records if r["record"] == "experiment")
    changed(theirs, print_, "f" * 40)
    found = here("verify", theirs, code=4)
    assert f"the data of digits differs: {'f' * 12} there, {print_[:12]} here" in found.stderr


@pytest.mark.parametrize("size", [-5, 3, 100_000_000_000])
def test_a_strangers_cohort_size_is_held_to_what_a_run_may_have(
    here: Any, theirs: Path, size: int
) -> None:
    """Networks are stacked that often, so that a large one took all memory."""
    journal = theirs.with_suffix(".journal.jsonl")
    theirs.unlink()
    text, n = re.subn(r'"cohort_size":\d+', f'"cohort_size":{size}', journal.read_text())
    assert n > 0
    journal.write_text(text)
    found = here("verify", theirs, code=4)
    assert f"must be a power of two from 1 to 256, but is {size}" in found.stderr


def test_messages_quote_no_control_characters_of_a_file(here: Any, theirs: Path) -> None:
    changed(theirs, '"label":"snip"', '"label":"\\u001b[31msnip"')
    found = here("compare", "imp", "snop", "--results", theirs, code=4)
    assert "�[31msnip" in found.stderr and "\x1b" not in found.stderr


def test_rows_are_exported_for_others(here: Any, theirs: Path) -> None:
    here("export", "rows", "tiny", "--output", "mine.parquet", "--results", theirs)
    found = told(here("verify", "mine.parquet", "--sample", 1, "--seed", 0, "--json"))
    assert (found["recorded"], found["verdicts"]["equal"]) == (8, 1)
    for arguments, said in (
        (("mine.parquet",), "mine.parquet exists"),
        (("mine.csv",), "--output must end in .parquet"),
        (("no/mine.parquet",), "there is no folder"),
    ):
        wrong = here("export", "rows", "tiny", "--output", *arguments, "--results", theirs, code=4)
        assert said in wrong.stderr
