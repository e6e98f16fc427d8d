"""reports/README.md: it names what there is, and its queries can be copied."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any

import duckdb
import pytest
from thoroughness import some

from lth_bench.store import Paths, fold
from lth_bench.store.database import open_safe
from lth_bench.store.export import documented
from lth_bench.store.glossary import VIEWS

README = (Path(__file__).parents[2] / "reports" / "README.md").read_text(encoding="utf-8")
RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
TITLES = [
    (title.strip().replace("\n", " "), query)
    for title, query in re.findall(r"((?:[^\n]+\n)+)\n```sql\n(.*?)```", README, re.S)
]
QUERIES = dict(TITLES)

BASE: dict[str, Any] = {
    "tasks": [("mlp", "digits", "mlp")],
    "strategies": ("dense", "imp", "imp-tuned", "one_shot", "early_bird", "late_rewind", "snip"),
    "tuned": {"imp-tuned": "imp"},
    "densities": (0.95, 0.36, 0.13, 0.0467),
    "curve_points": 8,
    "outcomes": {("snip", 1): ("failed", "ValueError: boom"), ("one_shot", 2): ("oom", "memory")},
    "weights": True,
}
TASKS = [*BASE["tasks"], ("conv_bn", "digits", "mlp"), ("mlp", "mnist", "mlp"),
         ("mlp", "digits", "longer")]  # fmt: skip
MORE: dict[str, dict[str, Any]] = {
    "tasks": {"tasks": TASKS},
    "controls": {"controls": ("reinit", "shuffle")},
}
SMOKE = {**BASE, "suite": "quickstart-smoke", "seeds": (0,), "config": "smoke", "run_id": "smoke",
         "densities": (0.36, 0.13), "controls": ("reinit",)}  # fmt: skip


class Databases:
    """Results by what was added to the base, folded when asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.open: dict[str, duckdb.DuckDBPyConnection] = {}

    def __call__(self, name: str, query: str) -> list[dict[str, Any]]:
        if name not in self.open:
            self.open[name] = open_safe(self.made(name))
        result = self.open[name].execute(query)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def made(self, name: str) -> Paths:
        options = {**BASE, **MORE["tasks"], **MORE["controls"]} if name == "full" else BASE
        runs = [RECORDS["Scenario"](**{**options, **MORE.get(name, {})}), RECORDS["Search"]()]
        if name in ("full", "smoke"):
            runs.append(RECORDS["Scenario"](**SMOKE))
        paths: Paths = RECORDS["write"](self.folder / name / "reports" / "results.duckdb", *runs)
        fold(paths)
        return paths


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    databases = Databases(tmp_path_factory.mktemp("readme"))
    yield databases
    for con in databases.open.values():
        con.close()


# what it names


def test_every_view_table_and_column_is_documented(db: Databases) -> None:
    named = set(re.findall(r"`([a-z_]+)`", README))
    assert set(VIEWS) <= named
    assert {t["table_name"] for t in db("base", "FROM duckdb_tables()")} <= named
    for view in ("tickets_flat", "leaderboard"):
        assert {c["column_name"] for c in db("base", f"DESCRIBE {view}")} <= named
    tables = re.findall(r"^\| `([a-z_]+)` \|", README.split("## Tables")[1], re.M)
    assert {*tables, *VIEWS} == set(documented())
    for table in tables:
        if table != "tickets":
            columns = {c["column_name"] for c in db("base", f"DESCRIBE {table}")}
            assert columns - {"journal_order"} <= named, table


def test_the_notebook_example_runs(db: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    db("full", "SELECT 1")
    db.open.pop("full").close()
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    monkeypatch.chdir(db.folder / "full")
    found: dict[str, Any] = {}
    for line in code.splitlines():
        if line.startswith("results."):
            assert len(eval(line, found)), line
        else:
            exec(line, found)
    assert "quickstart-smoke" in repr(found["results"])


@pytest.mark.parametrize("client", some(["pandas", "polars"]))
def test_the_examples_of_other_clients_run(client: str, db: Databases) -> None:
    pytest.importorskip(client)
    line = next(x for x in README.splitlines() if x.startswith(f"| {client} "))
    assert db("full", "FROM leaderboard")  # the file is there from now on
    code = f"import duckdb; rows = {line.split('`')[1]}; print(len(rows), *rows.columns)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=db.folder / "full", capture_output=True, text=True
    )
    assert {"rank", "mean"} <= set(done.stdout.split()), done.stderr


def test_the_shell_example_names_an_existing_view() -> None:
    line = next(x for x in README.splitlines() if x.startswith("| shell |"))
    assert "reports/results.duckdb" in line
    assert "FROM leaderboard" in line


# its queries


def test_every_query_has_a_title() -> None:
    assert len(QUERIES) == len(TITLES) == README.count("```sql")
    assert len(QUERIES) > 20


@pytest.mark.parametrize("title", QUERIES)
def test_every_query_gives_rows(db: Databases, title: str) -> None:
    rows = db("full", QUERIES[title])
    assert rows, title
    assert [name for name in rows[0] if all(row[name] is None for row in rows)] == []


SUMS = {"tasks": ("Mean rank over", "What failed", "Hours actually"),
        "controls": ("What failed", "Hours actually"), "smoke": ()}  # fmt: skip
"""What is summed up over what was added, and says so."""
ALONE = ("Which commands", "Accuracies and densities")
"""Questions about no suite."""


@pytest.mark.parametrize(
    ("added", "title"),
    [(a, t) for a, sums in SUMS.items() for t in QUERIES if not t.startswith((*sums, *ALONE))],
)
def test_queries_do_not_mix_suites_tasks_or_controls(db: Databases, added: str, title: str) -> None:
    """Results of another suite, task or control beside them leave the rows as they were."""
    alone, beside = (
        {repr({k: _short(v) for k, v in row.items()}) for row in db(name, QUERIES[title])}
        for name in ("base", added)
    )
    assert alone <= beside


def _short(value: Any) -> Any:
    return round(value, 9) if isinstance(value, float) else value


def query(start: str) -> str:
    (found,) = [sql for title, sql in QUERIES.items() if title.startswith(start)]
    return found


def accuracies(db: Databases, label: str) -> dict[int, dict[float, Any]]:
    """By seed and density; of the base."""
    found: dict[int, dict[float, Any]] = defaultdict(dict)
    for row in db("base", f"FROM tickets_flat WHERE label = '{label}' AND control = 'none'"):
        found[row["seed"]][row["target_density"]] = row["test_accuracy"]
    return found


def test_pairwise_query_by_hand(db: Databases) -> None:
    rows = {r["target_density"]: r for r in db("base", query("Two strategies against each other"))}
    imp, one_shot = accuracies(db, "imp"), accuracies(db, "one_shot")
    differences = [imp[seed][0.13] - one_shot[seed][0.13] for seed in (0, 1)]
    row = rows[0.13]
    assert (row["n"], row["planned"], row["lost_a"], row["lost_b"]) == (2, 3, 0, 0)
    assert row["difference"] == pytest.approx(sum(differences) / 2)
    assert row["deviation"] == pytest.approx(abs(differences[0] - differences[1]) / 2**0.5)
    lost = query("Two strategies against each other").replace("'one_shot'", "'snip'")
    assert {(r["n"], r["lost_a"], r["lost_b"]) for r in db("base", lost)} == {(2, 0, 1)}


def test_area_query_is_the_trapezoidal_rule(db: Databases) -> None:
    rows = {r["label"]: r for r in db("base", query("Area under accuracy"))}
    dense = accuracies(db, "dense")
    for label, seeds, zero in (("imp", (0, 1, 2), ()), ("snip", (0, 1, 2), (1,))):
        found = accuracies(db, label)
        areas = []
        for seed in seeds:
            points = [(1.0, dense[seed][1.0]), *sorted(found[seed].items(), reverse=True)]
            heights = [0 if seed in zero and d < 1 else y for d, y in points]
            area = sum(
                log(points[i][0] / points[i + 1][0]) * (heights[i] + heights[i + 1]) / 2
                for i in range(len(points) - 1)
            )
            areas.append(area / log(1 / 0.0467))
        assert rows[label]["area"] == pytest.approx(sum(areas) / len(areas)), label
        assert (rows[label]["n"], rows[label]["densities"]) == (len(seeds), 4)
    assert rows["one_shot"]["n"] == 2  # the machine owes one


def test_matching_query_requires_every_seed(db: Databases) -> None:
    rows = db("full", query("The sparsest ticket that matches dense"))
    assert {r["matching"] for r in rows if r["label"] in ("snip", "one_shot")} == {None}
    cells = db("full", "FROM leaderboard WHERE delta_dense >= 0 AND n = planned")
    found = {
        (r["suite"], r["model"], r["dataset"], r["recipe"], r["label"], r["control"]): r["matching"]
        for r in rows if r["matching"] is not None
    }  # fmt: skip
    expected: dict[Any, float] = {}
    for c in cells:
        if c["strategy"] != "dense":
            key = tuple(c[k] for k in ("suite", "model", "dataset", "recipe", "label", "control"))
            expected[key] = min(expected.get(key, 1), c["target_density"])
    assert found == expected
    assert found


def test_mask_distance_query_by_hand(db: Databases) -> None:
    rows = db("base", query("Early-Bird's mask distances"))
    # records.py: |1/(i+1) − 1/(j+1)|, half of it in seed 1, at steps 30, 60, 90, 120
    first = {r["seed"]: r["distance"] for r in rows if r["step"] == 30}
    assert first == {0: 1 / 2, 1: 1 / 4, 2: pytest.approx(1 / 6)}
    last = {r["seed"]: r["distance"] for r in rows if r["step"] == 90}
    assert last[0] == pytest.approx(1 / 3 - 1 / 4)
    assert {(r["step"], r["next_step"]) for r in rows} == {(30, 60), (60, 90), (90, 120)}


def test_histogram_query_uses_the_middles_of_bins(db: Databases) -> None:
    rows = db("base", query("Histograms of one ticket's surviving weights"))
    ends = [r for r in rows if r["moment"] == "end" and r["layer"] == "fc1"]
    assert sum(r["n"] for r in ends) == round(0.0467 * 8192)
    # records.py: bins 8 to 15 from either end of 64 over [−1, 1]
    assert min(r["weight"] for r in ends) == -1 + 8.5 / 32
    assert max(r["weight"] for r in ends) == 1 - 8.5 / 32
    sizes = {
        (r["label"], r["target_density"], r["layer"], r["moment"]): r["mean_size"]
        for r in db("base", query("Mean size of a layer's"))
    }
    key = ("imp", 0.13, "fc1")
    assert sizes[*key, "end"] == pytest.approx(2 * sizes[*key, "start"])
    # a mean of 20/32 of the reach; which is 1, 2 and 1 in the seeds
    assert sizes[*key, "end"] == pytest.approx(20 / 32 * 4 / 3, rel=0.01)
