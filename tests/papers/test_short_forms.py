"""Each paper's short form decides a claim, and a method that is wrong on purpose makes it fail."""

from __future__ import annotations

import runpy
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
    seeds: tuple[int, ...] = (20, 21, 22, 23, 24)
    """Some on which no threshold was chosen."""


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
        ("digits-snip-keeps-dense", "digits-snip-beats-random"),
        ("snip", "random", "dense"), *instead("snip", "inverted_snip"),
    ),
    "grasp_2020": Case(
        ("digits-grasp-near-dense", "digits-grasp-beats-random"),
        ("grasp", "random", "dense"), *instead("grasp", "inverted_grasp"),
    ),
    "rigl_2020": Case(
        ("digits-rigl-beats-static",), ("rigl", "static"), *instead("rigl", "inverted_rigl"),
    ),
    "synflow_2020": Case(
        ("digits-synflow-near-dense", "digits-synflow-does-not", "digits-magnitude-is-at-chance"),
        ("magnitude_init", "synflow", "dense"),
        'use = "synflow"\n', 'use = "synflow"\nparams = { rounds = 1 }\n',
    ),
    "synflow_2020/magnitude": Case(
        ("digits-magnitude-collapses",), ("magnitude_init",),
        'use = "magnitude_init"\n', 'use = "magnitude_init"\nparams = { scope = "layer" }\n',
    ),
    "state_of_sparsity_2019": Case(
        ("digits-gradual-keeps-dense", "digits-gradual-beats-random"),
        ("gradual", "random", "dense"), *instead("gradual", "inverted_gradual"),
    ),
    "deconstructing_2019": Case(
        ("digits-untrained-mask", "digits-untrained-signs", "digits-random-mask-is-at-chance"),
        ("same_sign", "random"),
        'criterion = "large_final_same_sign"', 'criterion = "small_final"',
        seeds=(30, 31, 32, 33, 34),
    ),
    "rethinking_2019": Case(
        ("digits-scratch-b-near-dense",), ("fine_tune", "fine_tune-scratch_b", "dense"),
        *instead("fine_tune", "inverted_fine_tune"),
    ),
    "one_ticket_2019": Case(
        ("digits-transferred-beats-random", "digits-transferred-near-own"), ("imp", "random"),
        'use = "late_rewind"\n', 'use = "inverted_late_rewind"\n',
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


def paper(case: str) -> str:
    """The suite of a case; one whose claims need two wrong variants has SUITE/WHAT too."""
    return case.partition("/")[0]


def verdicts(suite: Path, case: Case, folder: Path) -> dict[str, str]:
    """Of the claims, after a run of the short form with what they are about."""
    results = folder / "results.duckdb"
    known = load_registry().groups["strategies"]
    plugins = [HERE / "wrong.py"] + ([] if "synflow" in known else [HERE / "with_synflow.py"])
    done = lth_bench.run(
        suite,
        results,
        seeds=case.seeds,
        datasets="digits",
        strategies=case.labels,
        plugins=plugins,
        workers=1,
    )
    assert {*done.statuses} == {"ok"}
    con = open_safe(Paths(results))
    read = load_suite(suite)
    found = findings(con, read.name, [c for c in read.claims if c.name in case.claims])
    con.close()
    return {finding.claim.name: finding.kind for finding in found}


def test_every_paper_has_a_wrong_variant() -> None:
    assert {paper(name) for name in CASES} == papers().keys()
    for name, case in CASES.items():
        suite = load_suite(paper(name))
        assert suite.text.count(case.right) == 1
        assert {*case.claims} <= {claim.name for claim in suite.claims}


def test_a_wrong_method_replaces_what_its_original_does() -> None:
    """A method under a name that the original has no more would change nothing."""
    module = runpy.run_path(str(HERE / "wrong.py"), run_name="wrong")
    methods = [x for x in module.values() if isinstance(x, type) and x.__module__ == "wrong"]
    assert len(methods) > 5
    for method in methods:
        bases = [base for base in method.__mro__ if base.__module__ not in ("wrong", "builtins")]
        own = {name for base in {*method.__mro__} - {*bases, object} for name in vars(base)}
        changed = {name for name in own if not name.startswith("_")}
        if bases:
            assert changed and changed <= {*dir(bases[0])}, (method, changed)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_short_form_decides(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = verdicts(papers()[paper(name)], case, tmp_path)
    assert found == dict.fromkeys(case.claims, "reproduced")


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_wrong_method_is_found_out(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    wrong = tmp_path / "wrong.toml"
    text = papers()[paper(name)].read_text(encoding="utf-8")
    wrong.write_text(text.replace(case.right, case.wrong), encoding="utf-8")
    found = verdicts(wrong, case, tmp_path)
    # inverting one method of several need not spoil every claim, but the first one it does
    assert found[case.claims[0]] == "not reproduced", found
