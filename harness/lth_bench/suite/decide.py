"""Until when seeds are added: what a suite or a command says of it, and what goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

from lth_bench.errors import UserError
from lth_bench.params import Range

if TYPE_CHECKING:
    from lth_bench.suite.spec import Suite

FEWEST, MOST = 3, 60
"""Seeds at the first look and the last one there is (`stats.sequential`)."""


@dataclass(frozen=True, kw_only=True)
class Decide:
    """The table `decide` of [suite]: seeds 0, 1, 2, … are added where a comparison is open."""

    margin: Annotated[float, Range(0, 1, open_low=True, open_high=True)] | None = None
    """Differences this small do not matter: absolute for accuracies and other fractions (default
    0.005), for other metrics relative to the baseline's mean (default 0.05)."""
    max_seeds: Annotated[int, Range(FEWEST, MOST)] = 30
    """Seeds at most of each comparison."""


def with_rule(
    suite: Suite,
    *,
    asked: bool,
    seeds: str | Sequence[int] | None,
    shard: object | None,
    smoke: bool,
) -> Suite:
    """The suite with the rule that a run of it follows, if any.

    `asked` is whether the command line asks for it, and the others are what else it says; a number
    of seeds given there goes before the suite's own rule. UserError for what cannot be combined.
    """
    option = "--until-decided"
    if asked and seeds is not None:
        raise UserError(
            f"--seeds fixes the number of seeds, and {option} adds them where a comparison is "
            f"open; leave one out, or set the most with --set suite.decide.max_seeds=20"
        )
    if asked and smoke:
        raise UserError(f"--smoke trains one seed, so that {option} has nothing to decide")
    if smoke or seeds is not None or not (asked or suite.decide is not None):
        return replace(suite, decide=None)
    if shard is not None:
        why = option if asked else f"the suite {suite.name!r} with its `decide`"
        raise UserError(
            f"--shard {shard}: {why} adds seeds where the results of all are open, which no part "
            f"of a run knows; give --seeds N for a fixed number, or use --executor ray"
        )
    if suite.board == "ingredients":
        raise UserError(
            f"suite {suite.name!r} compares ablations with their own tickets, and {option} decides "
            f"what is compared with a baseline; give --seeds N for a fixed number"
        )
    labels = {strategy.label for strategy in suite.strategies}
    if suite.baseline not in (*labels, "dense"):
        raise UserError(
            f"{option} decides the differences to the baseline {suite.baseline!r}, which this "
            f"command leaves out; add -s {suite.baseline}, or give --seeds N for a fixed number"
        )
    if not any(s.label != suite.baseline and s.use != "dense" for s in suite.strategies):
        raise UserError(
            f"suite {suite.name!r} has nothing to compare with {suite.baseline!r}, so that "
            f"{option} has nothing to decide; add a strategy with --add NAME, or give --seeds N"
        )
    rule = suite.decide or Decide()
    return replace(suite, decide=rule, seeds=tuple(range(rule.max_seeds)))
