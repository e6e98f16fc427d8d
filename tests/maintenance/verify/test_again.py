"""What came of running experiments again."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.maintenance.verify import again
from lth_bench.maintenance.verify.recorded import opened, recorded
from lth_bench.maintenance.verify.repeatable import Repeatable
from lth_bench.store import fold

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))


def test_what_ctrl_c_cut_short_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One ended, one failed, and one was running when the run was interrupted."""
    ends = {("imp", 1): ("interrupted", "the run was interrupted"), ("imp", 2): ("failed", "boom")}

    def rerun(suite: Any, registry: Any, request: Any, *rest: Any, **more: Any) -> Any:
        fold(RECORDS["write"](request.execution.results, RECORDS["Scenario"](outcomes=ends)))
        return SimpleNamespace(notes=[], interrupted=True)

    monkeypatch.setattr(again, "run_suite", rerun)
    paths = RECORDS["write"](tmp_path / "theirs.duckdb", RECORDS["Scenario"]())
    fold(paths)
    with opened(paths.results) as con:
        chosen = [one for one in recorded(con) if one.label == "imp"]
    suites: Any = {"run-1": SimpleNamespace(path="suite.toml")}
    registry: Any = SimpleNamespace(files=(), third_party=False)
    found = again.run_again(
        chosen, Repeatable(suites=suites), registry, again.RerunOn(), lambda event: None
    )
    seeds = {one.experiment_id: one.seed for one in chosen}
    assert found.interrupted
    assert {seeds[identity] for identity in found.found} == {0}
    assert {seeds[identity]: why for identity, why in found.failed.items()} == {
        2: "failed here: boom"
    }
