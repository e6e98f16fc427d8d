"""The reference results in suites/reference: run, written, and listed in the README there.

    python docs/make_reference.py                 all that are left, one after another
    python docs/make_reference.py quickstart …    these
    python docs/make_reference.py --written       runs nothing: writes again what is finished

`make reference` is the first one. It may be stopped at any time and goes on from there: each suite
is run into build/reference/, and written when it is finished. One process at cohort size 1, so that
the bits depend on no measurement of speed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError
from lth_bench.store.reading import reading
from lth_bench.store.reference import FOLDER, references
from lth_bench.store.rows_file import about, restored
from lth_bench.store.seed_rows import write_rows

BUILD = Path("build/reference")
OPTIONS = ("--device", "cpu", "--cohort-size", "1")
BEGIN, END = "<!-- written by docs/make_reference.py -->\n", "<!-- end -->\n"


@dataclass(frozen=True)
class Recipe:
    """A suite and how it is run."""

    suite: str
    command: tuple[str, ...]
    reduced: str = ""
    """What is run of the suite; "" for all of it."""


def _short(name: str) -> Recipe:
    return Recipe(name, ("run", name, "--dataset", "digits"), "its short form, on digits")


RECIPES = (
    Recipe("quickstart", ("run", "quickstart")),
    Recipe("tune_digits", ("tune", "tune_digits")),
    *map(
        _short,
        (
            "snip_2019",
            "grasp_2020",
            "rigl_2020",
            "deconstructing_2019",
            "missing_the_mark_2021",
            "state_of_sparsity_2019",
            "sanity_checking_2020",
            "renda_2020",
            "one_ticket_2019",
            "linear_mode_2020",
            "lottery_ticket_2019",
            "early_bird_2020",
            "rethinking_2019",
        ),
    ),
    Recipe(
        "mnist_lenet_10k",
        (
            "run",
            "mnist_lenet",
            "--set",
            "suite.name=mnist_lenet_10k",
            "--set",
            "recipes.paper.steps=10000",
        ),
        "the whole suite, at 10,000 of 50,000 steps",
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make what is left; returns the number of suites that are not finished."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", nargs="*", help="only these")
    parser.add_argument("--written", action="store_true", help="run nothing")
    given = parser.parse_args(arguments)
    known = {one.suite: one for one in RECIPES}
    if unknown := set(given.suite) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(known)}")
    unfinished = 0
    for one in (known[name] for name in given.suite or known):
        results = BUILD / f"{one.suite}.duckdb"
        if not given.written:
            command = [*one.command, *OPTIONS, "--workers", "1", "--results", str(results)]
            code = subprocess.run(
                [sys.executable, "-m", "lth_bench", *command],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                check=False,
            ).returncode
            if code == 2:  # interrupted
                return 1
        if not (finished(one.suite, results) and write(one, results)):
            unfinished += 1
    (FOLDER / "README.md").write_text(readme(), encoding="utf-8")
    return unfinished


def finished(suite: str, results: Path) -> bool:
    """Whether the suite has been run to its end there."""
    try:
        with reading(results) as con:
            rows = con.execute(
                "SELECT count(*), count(*) FILTER (status IN ('ok', 'skipped', 'diverged')) "
                "FROM flat WHERE suite = ?",
                [suite],
            ).fetchone()
    except UserError:
        return False
    return rows is not None and rows[0] == rows[1] > 0


def write(one: Recipe, results: Path) -> bool:
    """Write the suite's rows, and say how many."""
    target = FOLDER / f"{one.suite}.parquet"
    command = shlex.join(["lth-bench", *one.command, *OPTIONS])
    FOLDER.mkdir(exist_ok=True)
    rows = write_rows(results, one.suite, target, command)
    print(f"{target.name}: {rows} rows, {target.stat().st_size / 1e3:.1f} kB")
    return True


def readme() -> str:
    """The README with its table written again."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def table() -> str:
    """A line for every file, and what they were made with."""
    known = {one.suite: one for one in RECIPES}
    lines = [
        "| suite | version | seeds | rows | size | what was run | SHA-256 |",
        "|---|---|---|---|---|---|---|",
    ]
    made: dict[str, list[str]] = {}
    size = 0
    for name, file in references().items():
        said = about(file)
        content = file.read_bytes()
        size += len(content)
        with restored(file) as database, reading(database) as con:
            found = con.execute(
                "SELECT count(*), list(DISTINCT seed ORDER BY seed) FROM flat"
            ).fetchone()
        assert found is not None
        seeds = f"{found[1][0]}–{found[1][-1]}" if len(found[1]) > 1 else str(found[1][0])
        lines.append(
            f"| `{name}` | {said['suite_version']} | {len(found[1])} ({seeds}) | {found[0]:,} | "
            f"{len(content) / 1e3:.1f} kB | {known[name].reduced or 'the whole suite'} | "
            f"`{hashlib.sha256(content).hexdigest()[:16]}` |"
        )
        made.setdefault(_made(said), []).append(name)
    lines.append("")
    left = [f"`{name}`" for name in known if name not in references()]
    if left:
        lines += [f"Not made yet: {', '.join(left)}.", ""]
    lines.append(f"{len(references())} files, {size / 1e3:.0f} kB in all. Made with:")
    lines.append("")
    lines += [
        f"- {what}: {', '.join(f'`{name}`' for name in names)}" for what, names in made.items()
    ]
    return "\n".join(lines) + "\n"


def _made(said: dict[str, Any]) -> str:
    where = said["environment"]
    packages = where.get("packages") or {}
    numpy = f", numpy {packages['numpy']}" if "numpy" in packages else ""
    return (
        f"{said['date']}, Python {where.get('python')}, torch {where.get('torch')}{numpy}, "
        f"{where.get('cpu')}, one thread"
    )


if __name__ == "__main__":
    sys.exit(main())
