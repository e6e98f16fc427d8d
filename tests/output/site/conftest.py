"""A site of two databases of one suite, with a suite whose name is markup, made once."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.output.site import Database, SiteOptions, replace_folder, write_site

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))

HOSTILE = "<script>alert(1)</script>"


class Run(RECORDS["Scenario"]):  # type: ignore[misc]
    """A run on a machine with a name, of files with paths."""

    torch = "2.15.0"

    def run(self):  # type: ignore[no-untyped-def]
        record = super().run()
        record["command"] = "lth-bench run /home/ann/suites/mine.toml --results /data/lab/r.duckdb"
        record["environment"] |= {"torch": self.torch, "cpu": "EPYC"}
        return record

    def results(self, experiment):  # type: ignore[no-untyped-def]
        for record in super().results(experiment):
            if record["record"] == "experiment":
                record["numerics"]["torch"] = self.torch
            yield record


class Older(Run):
    torch = "2.9.1"


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> list[Database]:
    """The journals of two machines."""
    folder = tmp_path_factory.mktemp("machines")
    shape = {"controls": ("reinit",), "weights": True, "strategies": ("dense", "imp", HOSTILE)}
    failed = {("imp", 2): ("failed", 'File "/home/ann/mine.py", line 3 on lab')}
    one = Run(**shape, outcomes=failed)
    two = Older(strategies=("dense", "imp"), source_hash="def")
    RECORDS["write"](folder / "one.duckdb", one, Run(suite=HOSTILE, run_id="run-2", config="x"))
    RECORDS["write"](folder / "two.duckdb", two)
    return [Database(folder / f"{name}.duckdb", name) for name in ("one", "two")]


@pytest.fixture(scope="session")
def site(databases: list[Database], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a site of both."""
    folder = tmp_path_factory.mktemp("public") / "site"
    with replace_folder(folder) as made:
        write_site(databases, made, SiteOptions(title="Ours & <theirs>", authors=["A. Name"]))
    return folder
