from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lth_bench.analysis.claims import words
from lth_bench.analysis.claims.finding import decide, finding, outlook_of
from lth_bench.analysis.measures import measure
from lth_bench.stats import Forecast, Summary, wilson
from lth_bench.suite.decide import Decide

DENSE = {0: 0.90, 1: 0.91, 2: 0.92}
IMP = {0: 0.91, 1: 0.93, 2: 0.95}
# imp − dense: 0.01, 0.02, 0.03, so 0.02 ± 0.0248414


@pytest.mark.parametrize(
    ("bound", "kind", "text"),
    [
        ({"at_least": -0.01}, "reproduced", "reproduced"),
        ({"at_least": 0.05}, "not reproduced", "not reproduced"),
        (
            {"at_least": 0.0},
            "open",
            "open: settled by 4 seeds in 1 of 2 cases, by 6 in 4 of 5",
        ),
        ({"at_least": 0.02}, "open", "open: unlikely to settle below 100 seeds"),
        ({"within": 0.05}, "reproduced", "reproduced"),
        ({}, "reported", "reported"),
    ],
)
def test_difference_by_hand(claim, sample, cells, bound, kind, text):
    known = cells(sample("imp", 0.2, IMP), sample("dense", 1.0, DENSE))
    found = finding(claim("imp", "dense", **bound), known)
    assert (found.kind, found.text, found.n, found.planned) == (kind, text, 3, 3)
    assert found.ours is not None
    assert found.ours == pytest.approx((0.02, 0.02 - 0.0248414, 0.02 + 0.0248414, 3), abs=1e-7)


def test_tickets_of_another_task_are_cells_of_their_own(claim, sample, cells):
    own, other = claim("imp", "random", at_least=0.0), ("net", "data", "long")
    there = dataclasses.replace(own, of=dataclasses.replace(own.of, found_on=other))
    known = cells(
        sample("imp", 0.2, {0: 0.1, 1: 0.1, 2: 0.1}),
        sample("imp", 0.2, {0: 0.8, 1: 0.8, 2: 0.8}, source="net/data/long"),
        sample("random", 0.2, {0: 0.5, 1: 0.6, 2: 0.7}),
    )
    assert finding(own, known).ours.mean == pytest.approx(-0.5)
    assert finding(there, known).ours.mean == pytest.approx(0.2)
    assert there.of.name == "imp from long"


def test_of_a_chance_the_interval_is_wilson_s(claim, sample, cells):
    there = dict.fromkeys(range(20), 1.0)
    known = cells(sample("imp", 0.2, there))
    often = dataclasses.replace(claim("imp", at_least=0.8), metric="generalised")
    found = finding(often, known)
    assert found.ours == pytest.approx(tuple(wilson(20, 20)))
    assert found.kind == "reproduced"
    always = dataclasses.replace(claim("imp", at_least=0.9), metric="generalised")
    assert finding(always, known).kind == "open"  # 0.839 to 1
    accuracy = claim("imp", at_least=0.9)
    assert finding(accuracy, known).kind == "reproduced"


def test_value_by_hand(claim, sample, cells):
    found = finding(claim("imp", at_least=0.8), cells(sample("imp", 0.2, IMP)))
    assert found.kind == "reproduced"
    assert found.ours is not None and found.ours.mean == pytest.approx(0.93)


def test_a_ratio_is_the_geometric_mean(claim, sample, cells):
    of = sample("imp", 0.2, {0: 100, 1: 400, 2: 900})
    versus = sample("dense", 1.0, {0: 100, 1: 100, 2: 100})
    stated = {"metric": "early_stop_step", "compare": "ratio"}
    found = finding(claim("imp", "dense", at_least=1.0, **stated), cells(of, versus))
    assert found.ours is not None
    assert found.ours.mean == pytest.approx(36 ** (1 / 3))  # of 1, 4 and 9
    # logs 0, 1.386294, 2.197225: mean 1.194506, deviation 1.111097, ± 4.302653 · 0.641492
    assert found.ours.low == pytest.approx(math.exp(1.194506 - 2.760117), rel=1e-5)
    assert found.kind == "open"
    # which one is divided by which makes no difference
    turned = finding(claim("dense", "imp", at_most=1.0, **stated), cells(of, versus))
    assert turned.ours is not None
    assert turned.ours.high == pytest.approx(1 / found.ours.low)
    assert (turned.kind, turned.forecast) == (found.kind, found.forecast)


@pytest.mark.parametrize(("within", "kind"), [(0.5, "reproduced"), (0.05, "open")])
def test_a_ratio_within_a_distance_of_one(claim, sample, cells, within, kind):
    of, versus = (
        sample("imp", 0.2, {0: 90, 1: 100, 2: 110}),
        sample("dense", 1, dict.fromkeys(range(3), 100)),
    )
    stated = claim("imp", "dense", within=within, compare="ratio", metric="steps")
    assert finding(stated, cells(of, versus)).kind == kind


def test_a_ratio_needs_positive_values(claim, sample, cells):
    known = cells(sample("imp", 0.2, {0: 0.0}), sample("dense", 1.0, {0: 2.0}))
    found = finding(claim("imp", "dense", at_most=1.0, compare="ratio"), known)
    assert found.text == "no data: a ratio needs positive values, but one is 0"


def test_several_densities_use_only_seeds_that_have_all(claim, sample, cells):
    stated = claim("imp", "snip", (0.5, 0.2), at_least=0.0)
    known = cells(
        sample("imp", 0.5, {0: 0.9, 1: 0.9}), sample("imp", 0.2, {0: 0.8, 1: 0.6}),
        sample("snip", 0.5, {0: 0.8, 1: 0.9}), sample("snip", 0.2, {1: 0.4}, missing=[0]),
    )  # fmt: skip
    found = finding(stated, known)
    # seed 1 alone: (0.9 + 0.6 − 0.9 − 0.4) / 2
    assert (found.n, found.planned) == (1, 2)
    assert found.ours is not None and found.ours.mean == pytest.approx(0.1)
    assert found.text == "needs 3+"


def test_a_lost_seed_is_not_reproduced(claim, sample, cells):
    known = cells(sample("imp", 0.2, IMP, lost=[3, 4]), sample("dense", 1.0, {**DENSE, 3: 0.9}))
    found = finding(claim("imp", "dense", at_least=-1.0), known)
    assert (found.kind, found.n, found.planned) == ("not reproduced", 3, 5)
    assert found.text == "not reproduced: imp failed on 2 of 5 seeds"
    assert finding(claim("imp", "dense"), known).kind == "reported"  # asks for nothing
    turned = finding(claim("dense", "imp", at_least=-1.0), known)  # on either side
    assert turned.kind == "not reproduced"


def test_an_unreached_density_is_not_reproduced(claim, sample, cells):
    known = cells(sample("imp", 0.2, {}, skipped=[0, 1, 2]), sample("dense", 1.0, DENSE))
    found = finding(claim("imp", "dense", at_least=0.0), known)
    assert found.text == "not reproduced: imp cannot reach 0.2 on 3 of 3 seeds"
    assert finding(claim("imp", "dense"), known).kind == "no data"


def test_missing_seeds_are_not_failures(claim, sample, cells):
    known = cells(sample("imp", 0.2, {0: 0.9}, missing=[1, 2]), sample("dense", 1.0, DENSE))
    found = finding(claim("imp", "dense", at_least=-1.0), known)
    assert (found.kind, found.n, found.planned) == ("insufficient", 1, 3)
    nothing = cells(sample("imp", 0.2, {}, missing=[0]), sample("dense", 1.0, DENSE))
    text = finding(claim("imp", "dense", at_least=-1.0), nothing).text
    assert text == "no data: no seed has test_accuracy of imp and dense"


def test_no_data_if_nothing_is_planned(claim, sample, cells):
    found = finding(claim("imp/reinit", "dense", (0.5, 0.2), at_least=0.0), cells(
        sample("imp", 0.5, IMP), sample("imp/reinit", 0.5, IMP)
    ))  # fmt: skip
    assert found.text == "no data: nothing is planned of imp/reinit at 0.2 and dense"


def test_tickets_of_another_source_task_are_separate(claim, sample, cells):
    known = cells(sample("imp", 0.2, IMP, source="other/data/short"))
    assert finding(claim("imp", at_least=0.0), known).kind == "no data"


@pytest.mark.parametrize(
    ("said", "required", "published"),
    [
        ({"at_least": 0.002, "published": (0.005, 0.005)}, "≥ +0.20 pt", "+0.50 pt"),
        ({"at_most": -0.01, "published": (-0.02, 0.0)}, "≤ −1.00 pt", "−2.00 to +0.00 pt"),
        ({"within": 0.005}, "within ±0.50 pt", "–"),
        ({"at_least": 1.4, "compare": "ratio", "published": (2.51, 2.51)}, "≥ 1.40×", "2.51×"),
        ({"at_most": -50, "metric": "early_stop_step"}, "≤ −50 steps", "–"),
        ({"at_least": 0.98, "versus": None}, "≥ 98.00%", "–"),
        ({"published": (12285, 12285), "metric": "draw_step", "versus": None}, "–", "12.3k steps"),
    ],
)
def test_requirements_and_published_values_in_words(claim, said, required, published):
    stated = claim("imp", said.pop("versus", "dense"), **said)
    known = measure(stated.metric)
    assert words.required(stated, known) == required
    assert words.published(stated, known) == published


def test_a_skipped_control_is_not_a_lost_seed(claim, sample, cells):
    """Of a network with fixed initial values there is no `reinit`: nothing was refuted."""
    known = cells(sample("imp", 0.2, IMP), sample("imp/reinit", 0.2, {}, skipped=[0, 1, 2]))
    found = finding(claim("imp", "imp/reinit", at_least=0.0), known)
    assert (found.kind, found.owed) == ("no data", False)
    assert found.reason.endswith("imp/reinit was skipped, the view `failures` says why")
    unreached = cells(sample("imp", 0.2, {}, skipped=[0, 1, 2]), sample("dense", 1.0, DENSE))
    assert finding(claim("imp", "dense", at_least=0.0), unreached).kind == "not reproduced"


INFINITE = math.inf
# mean 0.02, deviation 0.01: t(2) = 4.302653, so the interval is 0.02 ± 0.0248414
THREE = Summary.of([0.01, 0.02, 0.03])


@pytest.mark.parametrize(
    ("accepted", "decision"),
    [
        ((-0.0049, INFINITE), "reproduced"),
        ((-0.0048, INFINITE), "open"),
        ((0.0448, INFINITE), "open"),
        ((0.0449, INFINITE), "not reproduced"),
        ((-INFINITE, 0.0449), "reproduced"),
        ((-INFINITE, 0.0448), "open"),
        ((-INFINITE, -0.0049), "not reproduced"),
        ((-0.045, 0.045), "reproduced"),
        ((-0.044, 0.044), "open"),  # mean within, one end outside
        ((0.019, 0.021), "open"),  # the interval is wider than what is accepted
        ((-0.006, -0.0049), "not reproduced"),
    ],
)
def test_verdicts_by_hand(accepted, decision):
    assert decide(THREE.interval(), accepted) == decision


def test_two_seeds_give_no_verdict():
    assert decide(Summary.of([0.5, 0.5]).interval(), (0, INFINITE)) == "insufficient"
    assert decide(Summary.of([0.5]).interval(), (0, INFINITE)) == "insufficient"


def test_equal_values_give_a_verdict_even_at_the_threshold():
    ones = Summary.of([1.0, 1.0, 1.0])
    assert decide(ones.interval(), (1, INFINITE)) == "reproduced"
    assert decide(ones.interval(), (1.0001, INFINITE)) == "not reproduced"


def test_forecasts_of_seeds_by_hand():
    # t = 3.46 with 2 degrees of freedom, p = .074: of a clear case the next seed may settle it
    assert outlook_of(THREE, (0, INFINITE)) == Forecast(4, 6)
    near = outlook_of(THREE, (0.012, INFINITE))
    assert near is not None and near.n50 is not None and near.n50 > 4
    at_the_threshold = outlook_of(THREE, (0.02, INFINITE))
    assert at_the_threshold is not None and at_the_threshold.n80 is None
    # two differences have no spread to predict from, and equal ones none at all
    assert outlook_of(Summary.of([0.1, 0.2]), (0, INFINITE)) is None
    assert outlook_of(Summary.of([0.1] * 3), (0.1, INFINITE)) is None


summaries = st.builds(Summary, st.integers(2, 60), st.floats(-1, 1), st.floats(1e-6, 1))
thresholds = st.floats(-1, 1)


@given(summaries, thresholds)
def test_at_least_and_at_most_are_symmetric(summary, threshold):
    other = Summary(summary.n, -summary.mean, summary.deviation)
    at_least, at_most = (threshold, INFINITE), (-INFINITE, -threshold)
    assert decide(summary.interval(), at_least) == decide(other.interval(), at_most)
    assert outlook_of(summary, at_least) == outlook_of(other, at_most)


@given(summaries, thresholds)
def test_a_claim_and_its_opposite_are_never_both_reproduced(summary, threshold):
    one = decide(summary.interval(), (threshold, INFINITE))
    other = decide(summary.interval(), (-INFINITE, math.nextafter(threshold, -INFINITE)))
    assert (one == "reproduced") <= (other == "not reproduced")
    assert (one == "open") == (other == "open")


def test_where_seeds_were_added_a_claim_takes_the_interval_of_a_look(claim, sample, cells):
    """.4, .6, .8, .5, .7: .6 ± 5.226 · .158 / √5 is .230 to .970, and .436 to .796 by 95%."""
    points = [0.4, 0.6, 0.8, 0.5, 0.7]
    known = cells(
        sample("imp", 0.2, {s: 0.9 + x / 100 for s, x in enumerate(points)}),
        sample("dense", 1.0, dict.fromkeys(range(5), 0.9)),
    )
    rule = Decide(max_seeds=30)
    found = finding(claim("imp", "dense", at_least=0.0022), known, rule)
    assert found.ours[1:3] == pytest.approx((0.00230, 0.00970), abs=2e-5)
    assert (found.kind, found.level) == ("reproduced", pytest.approx(0.9936))
    between = claim("imp", "dense", at_least=0.003)  # within the one interval, not the other
    assert finding(between, known).kind == "reproduced"
    assert finding(between, known, rule).kind == "open"


def test_a_claim_is_judged_at_a_look(claim, sample, cells):
    """Of seven seeds the first six: there is no look at seven, unless that is the maximum."""
    values = dict(enumerate([0.91, 0.92, 0.93, 0.92, 0.91, 0.92, 0.1]))
    known = cells(sample("imp", 0.2, values))
    stated = claim("imp", at_least=0.6)
    assert finding(stated, known).kind == "open"
    found = finding(stated, known, Decide(max_seeds=30))
    assert (found.kind, found.n, found.planned) == ("reproduced", 6, 7)
    assert finding(stated, known, Decide(max_seeds=7)).n == 7
    few = cells(sample("imp", 0.2, {0: 0.9, 1: 0.9}))
    assert finding(stated, few, Decide(max_seeds=30)).kind == "insufficient"


def test_a_chance_takes_the_union_bound_over_looks(claim, sample, cells):
    """Wilson's interval of 20 of 20 begins at 20 / (20 + z²): .839 with z = 1.96, .702 with the
    2.91 of 1 − .05 / 14.
    """
    known = cells(sample("imp", 0.2, dict.fromkeys(range(20), 1.0)))
    often = dataclasses.replace(claim("imp", at_least=0.8), metric="generalised")
    assert finding(often, known).kind == "reproduced"
    found = finding(often, known, Decide(max_seeds=30))
    assert found.ours.low == pytest.approx(20 / (20 + 2.914**2), abs=1e-3)
    assert (found.kind, found.level) == ("open", pytest.approx(1 - 0.05 / 14))
