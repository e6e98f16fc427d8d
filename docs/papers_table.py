"""The table of the papers' claims in suites/papers/README.md, published and ours.

    python docs/papers_table.py                                        writes it
    python docs/papers_table.py RESULTS.duckdb                         takes what came out first
    python docs/papers_table.py RESULTS.duckdb --wrong "one round"     of a method that is wrong

What came out is kept in `suites/papers/ours.csv`, a row for each claim that was run; all else is
read from the suites and `published.csv`. A test compares the table with them, and `make test-slow`
runs the short forms on the same seeds and compares what comes out with the rows.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.claims import findings, words
from lth_bench.analysis.claims.finding import Finding
from lth_bench.analysis.measures import ACCURACY, Measure, measure
from lth_bench.stats import Interval
from lth_bench.store.reading import reading, to_stderr
from lth_bench.suite import load_suite
from lth_bench.suite.load import suite_of
from lth_bench.suite.published import Figure, figures
from lth_bench.suite.source import FOLDER, papers
from lth_bench.suite.spec import Claim, Side, Suite

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

README = FOLDER / "papers" / "README.md"
OURS = FOLDER / "papers" / "ours.csv"
BEGIN, END = "<!-- written by docs/papers_table.py -->\n", "<!-- end -->\n"
HEADER = "| claim | published | ours | n | verdict | wrong variant |\n|---|---|---|---|---|---|\n"
NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What came out of one claim."""

    suite: str
    claim: str
    wrong: str
    """What is wrong with the method on purpose; "" where nothing is."""
    changed: str
    """What `--set` changed in the suite; "" where nothing."""
    seeds: str
    """With spaces between them."""
    ours: float
    """The mean in the claim's unit; accuracies and their differences are fractions."""
    low: float
    """95% t-interval over the seeds."""
    high: float
    verdict: str

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.seeds.split())

    @property
    def span(self) -> str:
        """`20–24`; all of them where some between are missing."""
        seeds = [int(seed) for seed in self.seeds.split()]
        gapless = seeds == [*range(seeds[0], seeds[-1] + 1)]
        return f"{seeds[0]}–{seeds[-1]}" if gapless else self.seeds.replace(" ", ", ")


def read() -> dict[tuple[str, str, bool], Row]:
    """By suite, claim, and whether the method is wrong on purpose."""
    with OURS.open(encoding="utf-8", newline="") as file:
        return by_claim(Row(**{**row, **_numbers(row)}) for row in csv.DictReader(file))


def by_claim(rows: Iterable[Row]) -> dict[tuple[str, str, bool], Row]:
    """By suite, claim, and whether the method is wrong on purpose."""
    return {(row.suite, row.claim, bool(row.wrong)): row for row in rows}


def _numbers(row: dict[str, str]) -> dict[str, Any]:
    return {name: float(row[name]) for name in ("ours", "low", "high")}


def write(rows: Iterable[Row]) -> None:
    """In the order of the suites, their claims, right and wrong."""
    place = {
        (name, claim.name): (i, j)
        for i, name in enumerate(papers())
        for j, claim in enumerate(load_suite(name).claims)
    }
    kept = [row for row in rows if (row.suite, row.claim) in place]
    kept.sort(key=lambda row: (place[row.suite, row.claim], row.wrong))
    with OURS.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.DictWriter(file, [f.name for f in fields(Row)], lineterminator="\n")
        sheet.writeheader()
        sheet.writerows(asdict(row) for row in kept)


def taken(results: Path, wrong: str = "") -> Iterator[Row]:
    """The claims of papers' suites that these results decide, or leave open; with `wrong`, those
    about the labels that stand for something else there than in the suite.
    """
    with reading(results, to_stderr) as con:
        for name, text in con.execute("SELECT suite, suite_toml FROM suites").fetchall():
            if name not in papers():
                continue
            suite, theirs = load_suite(name), suite_of(text, results)
            claims: Sequence[Claim] = suite.claims
            methods = {method.label: method for method in suite.strategies}
            other = {x.label for x in theirs.strategies if x != methods.get(x.label)}
            if bool(other) != bool(wrong):
                raise SystemExit(
                    f"{results}: --wrong says what is wrong with {other or 'a method'}"
                )
            if wrong:
                claims = [claim for claim in claims if {s.label for s in _sides(claim)} & other]
            changed = con.execute(
                "SELECT DISTINCT unnest(overrides) AS text FROM environments WHERE run_id IN "
                "(SELECT run_id FROM flat WHERE suite = ?) ORDER BY text",
                [name],
            ).fetchall()
            for found in findings(con, name, claims):
                if found.ours is None or found.ours.low is None or found.ours.high is None:
                    continue
                seeds = _seeds(con, name, found.claim)
                assert len(seeds) == found.n, (name, found.claim.name, seeds)
                yield Row(
                    suite=name,
                    claim=found.claim.name,
                    wrong=wrong,
                    changed=" ".join(text for (text,) in changed),
                    seeds=" ".join(map(str, seeds)),
                    ours=round(found.ours.mean, 6),
                    low=round(found.ours.low, 6),
                    high=round(found.ours.high, 6),
                    verdict=found.kind,
                )


def _sides(claim: Claim) -> list[Side]:
    return [side for side in (claim.of, claim.versus) if side is not None]


def _seeds(con: DuckDBPyConnection, suite: str, claim: Claim) -> list[int]:
    """Those that all sides of the claim have at all its densities."""
    found = []
    for side in _sides(claim):
        for density in side.densities:
            rows = con.execute(
                "SELECT seed FROM flat WHERE suite = ? AND (model, dataset, recipe) = (?, ?, ?) "
                "AND label = ? AND control = ? AND target_density = ? AND status = 'ok'",
                [suite, *side.task, side.label, side.control, density],
            ).fetchall()
            found.append({seed for (seed,) in rows})
    return sorted(set.intersection(*found))


def table() -> str:
    """The Markdown of the table, with the marks around it."""
    rows, lines = read(), []
    for name in papers():
        suite = load_suite(name)
        for task in suite.tasks:
            labels = (task.model.label, task.dataset.label, task.recipe_name)
            own = [claim for claim in suite.claims if claim.of.task == labels]
            steps = f"{task.recipe['steps']:,} steps"
            lines.append(f"| **`{name}`**: {labels[0]} on {labels[1]}, {steps} | | | | | |")
            lines += [_line(suite, claim, rows) for claim in own]
    return BEGIN + HEADER + "\n".join(lines) + "\n" + END


def _line(suite: Suite, claim: Claim, rows: dict[tuple[str, str, bool], Row]) -> str:
    right = rows.get((suite.name, claim.name, False))
    wrong = rows.get((suite.name, claim.name, True))
    known = _measure(claim)
    cells = [
        claim.text,
        _published(claim, known),
        "–" if right is None else _ours(claim, known, right),
        "–" if right is None else f"{right.n} ({right.span})",
        NOT_RUN if right is None else right.verdict,
        "" if wrong is None else f"{wrong.wrong}: {_ours(claim, known, wrong)}, {wrong.verdict}",
    ]
    return f"| {' | '.join(cells)} |"


def _measure(claim: Claim) -> Measure:
    return ACCURACY if claim.metric == "score" else measure(claim.metric)


def _ours(claim: Claim, known: Measure, row: Row) -> str:
    interval = Interval(row.ours, row.low, row.high, row.n)
    found = Finding(claim=claim, kind="open", ours=interval, n=row.n, planned=row.n, measure=known)
    changed = f", `{row.changed}`" if row.changed else ""
    return f"{words.ours(found)} ({words.interval(found)}){changed}"


def _published(claim: Claim, known: Measure) -> str:
    """The figure, and where it is from: `+1.54 pt: 91.9 ± 0.18 (n = 3) against 90.36 ± 0.3 …`."""
    if not claim.figures:
        return words.published(claim, known)
    named = [figures()[name] for name in claim.figures]
    first = named[0]
    kept = [f"{100 * f.density:g}%" for f in named if f.density not in (None, 1)]
    where = [f"{first.network} on {first.dataset}", " and ".join(dict.fromkeys(kept))]
    where += dict.fromkeys(f"{f.paper}, {f.where}" for f in named)
    if any(f.basis == "unverified" for f in named):
        where.append("at second hand")
    said = f"{words.published(claim, known)}{_spread(first)}"
    if len(named) > 1:
        each = (f"{figure.low:g}{_spread(figure)}" for figure in named)
        said = f"{words.published(claim, known)}: {' against '.join(each)}"
    return f"{said}; {'; '.join(filter(None, where))}"


def _spread(figure: Figure) -> str:
    """` ± 0.18 (n = 3)`, as far as it is known."""
    spread = "" if figure.sd is None else f" ± {figure.sd:g}"
    return spread + ("" if figure.n is None else f" (n = {figure.n})")


def main(arguments: Sequence[str] | None = None) -> None:
    """Take what the results say, if any are named, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("results", nargs="*", type=Path)
    parser.add_argument("--wrong", default="", help="what is wrong with the method on purpose")
    given = parser.parse_args(arguments)
    rows = read() if OURS.is_file() else {}
    for results in given.results:
        rows |= by_claim(taken(results, given.wrong))
    write(rows.values())
    before, _, rest = README.read_text("utf-8").partition(BEGIN)
    README.write_text(before + table() + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
