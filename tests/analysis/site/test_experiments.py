from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from lth_bench.analysis.site import LabelSeed, gather_database
from lth_bench.analysis.site.experiments import POINTS
from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))

TOML = """schema_version = 1
[suite]
name = "quickstart"
"""


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> list[LabelSeed]:
    scenario = RECORDS["Scenario"](
        strategies=("dense", "imp", "snip"), seeds=(0, 1), controls=("reinit",), weights=True,
        curve_points=2 * POINTS, outcomes={("snip", 1): ("failed", "why")}, toml=TOML,
    )  # fmt: skip
    paths = RECORDS["write"](tmp_path_factory.mktemp("site") / "results.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as con:
        (suite,) = gather_database(con, "results", 1)
    assert suite.labels == ["imp", "snip"]
    return list(suite.searches)


def one(searches: list[LabelSeed], label: str, seed: int) -> LabelSeed:
    (found,) = (x for x in searches if (x.label, x.seed) == (label, seed))
    return found


def test_a_label_at_a_seed_has_every_round_and_control(searches: list[LabelSeed]) -> None:
    assert len(searches) == 6
    found = one(searches, "imp", 0)
    assert [(t.reported, t.control, t.target_density) for t in found.tickets] == [
        (False, "none", 0.5), (True, "none", 0.5), (True, "reinit", 0.5), (True, "none", 0.2),
        (True, "reinit", 0.2),
    ]  # fmt: skip
    assert [ticket.score is None for ticket in found.tickets] == [True, *[False] * 4]


def test_costs_are_multiples_of_the_dense_run_s(searches: list[LabelSeed]) -> None:
    (dense,) = one(searches, "dense", 0).tickets
    assert dense.flops_ratio == pytest.approx(1.0)
    (last,) = (t for t in one(searches, "snip", 0).tickets if t.target_density == 0.2
               and t.control == "none")  # fmt: skip
    assert last.flops_ratio == pytest.approx(0.2 + 0.001 * 0.7)


def test_masks_are_those_of_every_round(searches: list[LabelSeed]) -> None:
    kept = one(searches, "imp", 0).layers
    assert [x.target_density for x in kept] == [0.75, 0.5, 0.2]  # the first is on the way
    assert kept[-1].layers == ("conv1", "fc1", "fc2")
    assert kept[-1].kept == pytest.approx([0.2] * 3, abs=0.01)


def test_curves_are_thinned_and_keep_their_ends(searches: list[LabelSeed]) -> None:
    for curve in one(searches, "imp", 1).curves:
        assert len(curve.step) == POINTS
        assert (curve.step[0], curve.step[-1]) == (0, 20 * (2 * POINTS - 1))


def test_what_failed_is_there_with_its_reason(searches: list[LabelSeed]) -> None:
    found = one(searches, "snip", 1)
    assert [(end.status, end.reason) for end in found.ends] == [("failed", "why")]
    assert {ticket.status for ticket in found.tickets} == {"failed"}
    assert all(ticket.ticket_id is None for ticket in found.tickets)


def test_the_report_s_figures_take_its_evidence(searches: list[LabelSeed]) -> None:
    evidence = one(searches, "imp", 0).evidence
    assert len(evidence.learning) == 4 and len(evidence.maps) == 3
    assert evidence.failures == [] and evidence.procedure is None
