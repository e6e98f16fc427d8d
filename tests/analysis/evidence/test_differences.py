"""Controls less their tickets, and labels less the baseline, worked by hand."""

from __future__ import annotations

import math

import pytest

from lth_bench.analysis.evidence import differences_of


def tickets(label, density, *accuracies, control="none"):
    there = {"source_model": "m", "source_dataset": "d", "source_recipe": "r"}
    return [
        {
            "label": label, "density": density, "seed": seed, "control": control,
            "test_accuracy": accuracy, "ticket_id": f"{label}-{control}-{density}-{seed}", **there,
        }
        for seed, accuracy in enumerate(accuracies)
    ]  # fmt: skip


def test_controls_are_compared_with_their_tickets_seed_by_seed(by_hand) -> None:
    con = by_hand(
        [
            *tickets("imp", 0.5, 0.9, 0.8), *tickets("imp", 0.2, 0.7, 0.6),
            *tickets("imp", 0.5, 0.8, 0.74, control="reinit"),
            *tickets("imp", 0.2, 0.5, control="reinit"), *tickets("snip", 0.5, 0.1, 0.1),
        ]
    )  # fmt: skip
    ((one,),) = differences_of(con).values()
    assert (one.name, one.to, one.kind) == ("imp/reinit", "imp", "control")
    assert (one.x, one.n) == ((0.5, 0.2), (2, 1))
    assert one.mean == pytest.approx((-0.08, -0.2))
    # the differences are −.1 and −.06: t(1, 97.5%) · .02
    assert one.high[0] == pytest.approx(-0.08 + 12.7062 * 0.02, rel=1e-4)
    assert one.high[1] is None


def test_labels_are_compared_with_a_baseline_that_is_not_dense(by_hand) -> None:
    rows = [
        *tickets("imp", 0.5, 0.9), *tickets("imp", 0.2, 0.7), *tickets("snip", 0.5, 0.8),
        *tickets("dense", 1.0, 0.95),
    ]  # fmt: skip
    con = by_hand(rows)
    assert differences_of(con) == {}
    con.execute("INSERT INTO suites (suite, baseline) VALUES ('suite', 'imp')")
    ((dense, snip),) = differences_of(con).values()
    assert (dense.name, dense.to, dense.kind, dense.x) == ("dense", "imp", "label", (0.5, 0.2))
    assert dense.mean == pytest.approx((0.05, 0.25))
    assert (snip.x, snip.mean) == ((0.5,), (pytest.approx(-0.1),))


def test_the_interval_for_other_test_examples_by_hand(by_hand) -> None:
    """Four examples, of which reinit gets the last two wrong at one seed each."""
    con = by_hand(
        [
            {**row, "test_examples": 4}
            for row in (
                *tickets("imp", 0.5, 1.0, 1.0), *tickets("imp", 0.5, 0.75, 0.75, control="reinit")
            )
        ],
        answers=[
            *((f"imp-none-0.5-{seed}", "test_accuracy", b"\xf0") for seed in (0, 1)),
            ("imp-reinit-0.5-0", "test_accuracy", b"\xe0"),
            ("imp-reinit-0.5-1", "test_accuracy", b"\xd0"),
        ],
    )  # fmt: skip
    ((one,),) = differences_of(con).values()
    # means 0, 0, -1/2, -1/2 over the examples: variance 1/12; within the last two 1/2 each
    extra = 1 / 12 / 4 - 1 / 4 / (2 * 4)
    assert extra < 0  # so that it adds nothing to the seeds', whose deviation counts as 1/8
    assert one.wide[0] == pytest.approx(-0.25 + 12.706205 / 8 / 2**0.5) == one.high[0]
    con.execute("UPDATE answers SET bits = '\\xC0'::BLOB WHERE ticket_id LIKE '%reinit%'")
    ((one,),) = differences_of(con).values()
    # now both get both wrong: means 0, 0, -1, -1, variance 1/3, nothing within
    assert one.wide[0] - one.mean[0] == pytest.approx(
        math.hypot(12.706205 / 8 / 2**0.5, 1.959964 * (1 / 12) ** 0.5)
    )
    con.execute("DELETE FROM answers")
    assert next(iter(differences_of(con).values()))[0].wide == (None,)
