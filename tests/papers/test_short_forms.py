"""Each paper's short form decides a claim, and a method that is wrong on purpose makes it fail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

import lth_bench
from lth_bench.analysis.claims.finding import findings
from lth_bench.plugins import load_registry
from lth_bench.store.database import open_safe
from lth_bench.store.paths import Paths
from lth_bench.suite import load_suite
from lth_bench.suite.source import papers

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """What of a paper's short form is decided, and what is to spoil it."""

    claims: tuple[str, ...]
    labels: tuple[str, ...]
    """The strategies that these claims are about."""
    right: str
    """In the suite's text."""
    wrong: str
    """What stands there in the wrong variant."""


def instead(use: str, wrong: str) -> tuple[str, str]:
    """Another strategy under the same label."""
    return f'use = "{use}"\n', f'use = "{wrong}"\nlabel = "{use}"\n'


CASES = {
    "lottery_ticket_2019": Case(
        ("digits-ticket-beats-reinit", "digits-iterative-beats-one-shot"),
        ("imp", "one_shot"), *instead("imp", "inverted_imp"),
    ),
    "linear_mode_2020": Case(
        ("digits-late-equals-init",),
        ("imp", "late_rewind"), *instead("late_rewind", "inverted_late_rewind"),
    ),
    "snip_2019": Case(
        ("digits-snip-beats-random",), ("snip", "random"), *instead("snip", "inverted_snip"),
    ),
    "grasp_2020": Case(
        ("digits-grasp-beats-random",), ("grasp", "random"), *instead("grasp", "inverted_grasp"),
    ),
    "rigl_2020": Case(
        ("digits-rigl-beats-static",), ("rigl", "static"), *instead("rigl", "inverted_rigl"),
    ),
    "synflow_2020": Case(
        ("digits-magnitude-collapses", "digits-synflow-does-not"),
        ("magnitude_init", "synflow"),
        'use = "magnitude_init"\n', 'use = "magnitude_init"\nparams = { scope = "layer" }\n',
    ),
    "renda_2020": Case(
        ("digits-lrr-beats-reinit",), ("lr_rewind", "late_rewind"),
        *instead("lr_rewind", "inverted_lr_rewind"),
    ),
    "missing_the_mark_2021": Case(
        ("digits-after-beats-snip",), ("after_training", "snip"),
        'use = "late_rewind"\n', 'use = "inverted_late_rewind"\n',
    ),
    "sanity_checking_2020": Case(
        ("digits-smart-ratio-beats-uniform", "digits-smart-ratio-matches-snip"),
        ("smart_ratio", "uniform", "snip"),
        'use = "random"\nlabel = "smart_ratio"', 'use = "first_places"\nlabel = "smart_ratio"',
    ),
}  # fmt: skip


def verdicts(suite: Path, case: Case, folder: Path) -> dict[str, str]:
    """Of the claims, after a run of the short form with what they are about."""
    results = folder / "results.duckdb"
    known = load_registry().groups["strategies"]
    plugins = [HERE / "wrong.py"] + ([] if "synflow" in known else [HERE / "with_synflow.py"])
    done = lth_bench.run(
        suite, results, datasets="digits", strategies=case.labels, plugins=plugins, workers=1
    )
    assert {*done.statuses} == {"ok"}
    con = open_safe(Paths(results))
    read = load_suite(suite)
    found = findings(con, read.name, [c for c in read.claims if c.name in case.claims])
    con.close()
    return {finding.claim.name: finding.kind for finding in found}


def test_every_paper_has_a_wrong_variant() -> None:
    assert CASES.keys() == papers().keys()
    for name, case in CASES.items():
        suite = load_suite(name)
        assert suite.text.count(case.right) == 1
        assert {*case.claims} <= {claim.name for claim in suite.claims}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_short_form_decides(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = verdicts(papers()[name], case, tmp_path)
    assert found == dict.fromkeys(case.claims, "reproduced")


TOO_WEAK = {
    "snip_2019": "inverted scores too beat a uniform random mask by 20 points",
    "grasp_2020": "inverted scores leave it open at 1.7% of the weights",
    "synflow_2020": "ranked within layers, magnitude too is at chance at 0.3% of the weights",
}
"""Claims that do not tell right from wrong yet, and what was found."""
WRONG = [
    pytest.param(name, marks=[pytest.mark.xfail(reason=TOO_WEAK[name])] if name in TOO_WEAK else [])
    for name in CASES
]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_method_is_found_out(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    wrong = tmp_path / "wrong.toml"
    text = papers()[name].read_text(encoding="utf-8")
    wrong.write_text(text.replace(case.right, case.wrong), encoding="utf-8")
    found = verdicts(wrong, case, tmp_path)
    # inverting one method of several need not spoil every claim, but the first one it does
    assert found[case.claims[0]] == "not reproduced", found
