"""`lth-bench run sanity`: the card of an installed strategy's ingredients, and of a file's."""

from __future__ import annotations

import json

import pytest

from lth_bench.suite import load_suite

MASKED = '''
from dataclasses import dataclass
from lth_bench import Mask, Ticket, hookimpl


@dataclass(frozen=True, eq=False)
class Largest:
    """Weights that are largest at initialisation; has no `scores`."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        return ticket.mask.shrink(abs(ticket.initial.weights), 1.0, ticket.target)
'''
QUICK = ("--set", "recipes.mlp.steps=20", "--seeds", "3", "--workers", "1", "--device", "cpu")


def test_an_added_strategy_has_every_control_and_ablation() -> None:
    suite = load_suite("sanity", added={"imp": "--add imp"})
    assert suite.board == "ingredients"
    found = {spec.label: spec for spec in suite.strategies}
    assert list(found) == [
        "dense", "imp", "imp-half_data", "imp-shuffled_pixels", "imp-random_labels",
        "imp-inverted_score",
    ]  # fmt: skip
    assert found["imp"].controls == (
        "shuffle", "random_layers", "reinit", "reinit_same_signs", "random_signs",
    )  # fmt: skip


@pytest.mark.slow
def test_a_strategy_of_a_file_gets_its_card(lth) -> None:
    lth.write("largest.py", MASKED)
    done = lth("run", "sanity", "--plugin", "largest.py", *QUICK)
    said = " ".join(done.stdout.split())
    assert "sanity: which ingredients matter" in said
    assert "largest at 4.67%:" in said
    assert "not tested: " in said and "score" in said
    rows = json.loads(lth("leaderboard", "--by", "ingredients", "--json").stdout)["leaderboard"]
    found = {row["ablated_by"]: row for row in rows}
    assert list(found) == [
        "shuffle", "random_layers", "reinit", "reinit_same_signs", "random_signs", "half_data",
        "shuffled_pixels", "random_labels", "inverted_score",
    ]  # fmt: skip
    # its mask depends on no data, and it ranks by no method `scores`
    for by in ("half_data", "shuffled_pixels", "random_labels", "inverted_score"):
        assert found[by]["verdict"] == "skipped"
        assert found[by]["reason"]
    assert found["shuffle"]["n"] == 3


def test_without_a_strategy_nothing_is_trained(here) -> None:
    said = " ".join(here("run", "sanity", "--device", "cpu", code=4).stderr.split())
    assert "add one with --add NAME (lth-bench ls strategies), or those of a file with" in said
    assert not here.results.exists()
