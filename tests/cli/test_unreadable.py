"""Files and folders that may not be read, and a disk that fills up: one message, nothing lost."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from thoroughness import some

from lth_bench.store import Paths, fold

TESTS = Path(__file__).parents[1]
RECORDS = runpy.run_path(str(TESTS / "store" / "records.py"))
DAMAGE = runpy.run_path(str(TESTS / "security" / "damage.py"))
CAPABILITIES = "-dac_override,-dac_read_search"


@pytest.fixture
def as_a_user(lth: Any) -> Callable[..., str]:
    """`as_a_user(command, …)`: its only error. To root every file is readable, so root gives up
    the right to read what its owner may not.
    """
    drop: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root reads every file, unless setpriv takes that right from it")
        drop = ["setpriv", f"--bounding-set={CAPABILITIES}", f"--inh-caps={CAPABILITIES}"]
        locked = lth.write("locked", "")
        locked.chmod(0)
        if subprocess.run([*drop, "cat", locked], capture_output=True, check=False).returncode == 0:
            pytest.skip("the right to read every file cannot be given up here")

    def command(*arguments: object) -> str:
        done = subprocess.run(
            [*drop, sys.executable, "-m", "lth_bench", *map(str, arguments)],
            cwd=lth.folder, env={**lth.env, "LTH_BENCH_OFFLINE": "1"}, text=True,
            capture_output=True, check=False, timeout=280,
        )  # fmt: skip
        assert done.returncode == 4, done.stderr
        assert "Traceback" not in done.stderr
        (said,) = [x for x in done.stderr.splitlines() if "cannot" in x]
        assert said.startswith("error: "), said
        return said

    return command


READING = [
    ["leaderboard"], ["run", "quickstart"], ["export", "csv", "--output", "tables"],
    ["report", "--output", "r.html"], ["compare", "dense", "imp"], ["query", "FROM failures"],
    ["show", "x"], ["why", "x"], ["gc"], ["db", "info"], ["db", "rebuild"],
    ["plan", "quickstart"], ["tune", "tune_digits", "--smoke"],
    ["merge", "results.duckdb", "--results", "new.duckdb"],
]  # fmt: skip


@pytest.mark.parametrize("command", some(READING))
def test_an_unreadable_journal_is_named(
    lth: Any, as_a_user: Callable[..., str], command: list[str]
) -> None:
    """By commands that only read, too, and also where the database holds all of it."""
    paths = RECORDS["write"](lth.results, RECORDS["Scenario"](strategies=("dense", "imp")))
    if command != ["leaderboard"]:
        fold(paths)
    whole = paths.journal.read_bytes()
    paths.journal.chmod(0)
    said = as_a_user(*command)
    assert f"{paths.journal.name}: Permission denied. Make it" in said
    paths.journal.chmod(0o600)
    assert paths.journal.read_bytes() == whole


IMAGES = """
schema_version = 1

[suite]
name = "animals"
densities = [0.5]
seeds = 1

[[tasks]]
model = { name = "mlp", hidden = [8] }
dataset = "image_folder:animals"
recipe = "short"

[recipes.short]
optimizer = "adam"
lr = 1e-3
batch_size = 4
steps = 4
val_size = 4
eval_every = 2

[[strategies]]
use = "imp"
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["data", "data/animals/b", "data/animals/b/3.png"])
def test_unreadable_data_is_an_error_before_training(
    lth: Any, as_a_user: Callable[..., str], place: str
) -> None:
    suite = lth.write("animals.toml", IMAGES)
    for kind in "ab":
        folder = lth.folder / "data" / "animals" / kind
        folder.mkdir(parents=True)
        for number in range(10):
            (folder / f"{number}.png").write_bytes(DAMAGE["encoded"]("PNG", size=(8, 8)))
    lth.env |= {"LTH_BENCH_DATA": str(lth.folder / "data"), "LTH_BENCH_STREAM": "never"}
    locked = lth.folder / place
    locked.chmod(0)
    try:
        said = as_a_user("run", suite)
    finally:
        locked.chmod(0o755)
    assert "(Permission denied); " in said
    assert place.removeprefix("data/animals/") in said
    assert not Paths(lth.results).journal.exists()


def test_a_run_continues_with_a_damaged_database(here: Any, tiny: str, finished: Any) -> None:
    """The journal has it all; what the run says leads to a whole database."""
    journal = Paths(finished.results).journal.read_bytes().splitlines(keepends=True)
    database = finished.results.read_bytes()
    Paths(here.results).journal.write_bytes(b"".join(journal[:-3]))
    here.results.write_bytes(database[: len(database) // 2])
    done = here("run", here.write("tiny.toml", tiny))
    assert f"lth-bench db rebuild --results {here.results}" in done.stderr
    here("db", "rebuild", "--results", here.results)
    assert rows(here) == rows(finished)


@pytest.fixture
def small_disk(lth: Any) -> Iterator[Path]:
    """A file system of a few megabytes, for the results and all that belongs to them."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = lth.folder / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("records", [3, 9])
def test_a_disk_that_fills_up_during_a_run_loses_nothing(
    lth: Any, small_disk: Path, longer: str, undisturbed: Any, records: int
) -> None:
    """Everything lies on it: journal, database, kept trainings; others' files fill it."""
    lth.results = small_disk / "results.duckdb"
    lth.env["LTH_BENCH_RESULTS"] = str(lth.results)
    suite = lth.write("tiny.toml", longer)
    journal = Paths(lth.results).journal
    process = lth.start("run", suite, "--workers", "1")
    deadline = time.monotonic() + lth.patience
    while not journal.exists() or journal.read_bytes().count(b"\n") < records:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    fill(small_disk / "filler")
    err = process.communicate(timeout=280)[1]
    assert process.returncode == 4, err
    assert "Traceback" not in err
    (said,) = [x for x in err.splitlines() if x.startswith("error:")]
    assert "No space left on device" in said
    assert "rerun the command to resume" in said
    before = journal.read_bytes()
    assert all(json.loads(line) for line in before.splitlines())
    assert len(before.splitlines()) >= records
    (small_disk / "filler").unlink()
    lth("run", suite, "--workers", "1")
    assert journal.read_bytes().startswith(before)
    assert rows(lth) == rows(undisturbed)


def fill(file: Path) -> None:
    with file.open("wb", buffering=0) as opened:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    opened.write(bytes(size))
            except OSError:
                pass


def rows(lth: Any) -> Any:
    sql = ("SELECT label, control, seed, target_density, density, test_accuracy, test_loss, steps, "
           "status FROM tickets_flat ORDER BY ALL")  # fmt: skip
    return json.loads(lth("query", sql, "--format", "json").stdout)
