"""Each paper's short form decides a claim, and a method that is wrong on purpose makes it fail."""

from __future__ import annotations

import runpy
from dataclasses import dataclass
from pathlib import Path

import pytest

import lth_bench
from lth_bench.analysis.claims import Finding, findings
from lth_bench.plugins import load_registry
from lth_bench.store.database import open_safe
from lth_bench.store.paths import Paths
from lth_bench.suite import load_suite
from lth_bench.suite.source import papers

HERE = Path(__file__).parent
RESULTS = "results.duckdb"
FRESH = (20, 21, 22, 23, 24)
"""Seeds on which no threshold was chosen."""
OTHERS = (30, 31, 32, 33, 34)
"""Instead of them where a threshold was set after they were seen."""
FEW = FRESH[:3]
"""Of short forms that take minutes: a test that takes five ends the run."""


@dataclass(frozen=True)
class Case:
    """Claims of a short form, and a method that is wrong on purpose."""

    what: str
    """What is wrong with it, as in the table."""
    claims: tuple[str, ...]
    """All are reproduced, the first one not with the wrong method."""
    right: str
    """In the suite's text."""
    wrong: str
    """What stands there in the wrong variant."""
    seeds: tuple[int, ...] = FRESH


def instead(use: str, wrong: str, then: str = "") -> tuple[str, str]:
    """Another strategy under the same label; `then` follows, where a strategy is used twice."""
    return f'use = "{use}"\n{then}', f'use = "{wrong}"\nlabel = "{use}"\n{then}'


CASES = {
    "lottery_ticket_2019": Case(
        "scores inverted", ("digits-ticket-beats-reinit", "digits-iterative-beats-one-shot"),
        *instead("imp", "inverted_imp"),
    ),
    "linear_mode_2020": Case(
        "scores inverted", ("digits-late-equals-init",),
        *instead("late_rewind", "inverted_late_rewind"),
    ),
    "snip_2019": Case(
        "scores inverted", ("digits-snip-keeps-dense", "digits-snip-beats-random"),
        *instead("snip", "inverted_snip"),
    ),
    "grasp_2020": Case(
        "scores inverted", ("digits-grasp-near-dense", "digits-grasp-beats-random"),
        *instead("grasp", "inverted_grasp"),
    ),
    "rigl_2020": Case(
        "scores inverted", ("digits-rigl-beats-static",), *instead("rigl", "inverted_rigl"),
    ),
    "synflow_2020": Case(
        "one round", ("digits-synflow-near-dense", "digits-synflow-does-not"),
        'use = "synflow"\n', 'use = "synflow"\nparams = { rounds = 1 }\n',
    ),
    "synflow_2020/magnitude": Case(
        "ranked within layers", ("digits-magnitude-collapses",),
        'use = "magnitude_init"\n', 'use = "magnitude_init"\nparams = { scope = "layer" }\n',
    ),
    "state_of_sparsity_2019": Case(
        "scores inverted", ("digits-gradual-keeps-dense", "digits-gradual-beats-random"),
        *instead("gradual", "inverted_gradual"),
    ),
    "deconstructing_2019": Case(
        "smallest weights kept", ("digits-untrained-mask", "digits-untrained-signs"),
        'criterion = "large_final_same_sign"', 'criterion = "small_final"',
        seeds=OTHERS,
    ),
    "rethinking_2019": Case(
        "scores inverted", ("digits-scratch-b-near-dense",),
        *instead("fine_tune", "inverted_fine_tune"), seeds=FEW,
    ),
    "one_ticket_2019": Case(
        "mask random", ("digits-transferred-beats-random", "digits-transferred-near-own"),
        'use = "late_rewind"\n', 'use = "blind_late_rewind"\n', seeds=FEW,
    ),
    "renda_2020": Case(
        "scores inverted", ("digits-lrr-beats-reinit",), *instead("lr_rewind", "inverted_lr_rewind")
    ),
    "missing_the_mark_2021": Case(
        "scores inverted", ("digits-after-beats-snip",),
        'use = "late_rewind"\n', 'use = "inverted_late_rewind"\n',
    ),
    "early_bird_2020": Case(
        "scores inverted",
        ("digits-early-keeps-late", "digits-eight-bits-suffice", "digits-eight-bits-are-cheaper"),
        *instead("early_bird", "inverted_early_bird", "controls"),
    ),
    "early_bird_2020/draw": Case(
        "late digits ranked", ("digits-drawn-early",),
        *instead("early_bird", "unsettled_early_bird", "controls"),
    ),
    "sanity_checking_2020": Case(
        "first places kept",
        ("digits-smart-ratio-beats-uniform", "digits-smart-ratio-matches-snip"),
        'use = "random"\nlabel = "smart_ratio"', 'use = "first_places"\nlabel = "smart_ratio"',
    ),
}  # fmt: skip


def paper(case: str) -> str:
    """The suite of a case; one whose claims need two wrong variants has SUITE/WHAT too."""
    return case.partition("/")[0]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all cases keep their trainings: papers share networks, recipes and methods, and a wrong
    variant what it is compared with.
    """
    return tmp_path_factory.mktemp("trainings")


@pytest.fixture
def folder(tmp_path: Path, trainings: Path) -> Path:
    """Where a case's results lie, with everyone's trainings beside them."""
    Paths(tmp_path / RESULTS).artifacts.symlink_to(trainings)
    return tmp_path


def found(suite: Path, case: Case, folder: Path) -> dict[str, Finding]:
    """What comes out of the claims, of a run with what they are about."""
    results = folder / RESULTS
    known = load_registry().groups["strategies"]
    plugins = [HERE / "wrong.py"] + ([] if "synflow" in known else [HERE / "with_synflow.py"])
    read = load_suite(suite)
    claims = [claim for claim in read.claims if claim.name in case.claims]
    sides = [side for claim in claims for side in (claim.of, claim.versus) if side is not None]
    labels = sorted({side.label for side in sides})
    done = lth_bench.run(
        suite, results, seeds=case.seeds, datasets="digits", strategies=labels, plugins=plugins,
        workers=1,
    )  # fmt: skip
    assert {*done.statuses} == {"ok"}
    con = open_safe(Paths(results))
    answers = findings(con, read.name, claims)
    con.close()
    return {answer.claim.name: answer for answer in answers}


def agrees(suite: str, answers: dict[str, Finding], case: Case, *, wrong: bool) -> None:
    """What came out is what the table says of the same seeds; another processor rounds
    differently.
    """
    table = runpy.run_path(str(HERE.parents[1] / "docs" / "papers_table.py"))["read"]()
    for name, answer in answers.items():
        row = table.get((suite, name, wrong))
        if row is None or row.changed:
            continue
        if {*map(str, case.seeds)} <= {*row.seeds.split()}:
            assert answer.ours is not None
            assert answer.ours.mean == pytest.approx(row.ours, abs=max(row.high - row.low, 0.01))


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
def test_the_short_form_decides(name: str, folder: Path) -> None:
    case = CASES[name]
    answers = found(papers()[paper(name)], case, folder)
    kinds = {claim: answer.kind for claim, answer in answers.items()}
    assert kinds == dict.fromkeys(case.claims, "reproduced")
    agrees(paper(name), answers, case, wrong=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_wrong_method_is_found_out(name: str, folder: Path) -> None:
    case = CASES[name]
    wrong = folder / "wrong.toml"
    text = papers()[paper(name)].read_text(encoding="utf-8")
    wrong.write_text(text.replace(case.right, case.wrong), encoding="utf-8")
    answers = found(wrong, case, folder)
    # inverting one method of several need not spoil every claim, but the first one it does
    assert answers[case.claims[0]].kind == "not reproduced", answers
    agrees(paper(name), answers, case, wrong=True)
