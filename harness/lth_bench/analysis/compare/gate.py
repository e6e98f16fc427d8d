"""`--fail-on`: what a continuous-integration job refuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lth_bench.analysis.compare.lines import Comparison
from lth_bench.analysis.numbers import kept
from lth_bench.errors import UserError, suggest
from lth_bench.stats import TasksVerdict

GATES: dict[str, Callable[[Comparison], bool]] = {
    "worse": lambda x: x.regressed,
    "not-better": lambda x: x.verdict.kind != "better",
    "not-equivalent": lambda x: bool(x.lost_a | x.lost_b) or not x.verdict.within,
    "insufficient": lambda x: x.verdict.kind in ("insufficient", "open"),
}
"""What --fail-on takes, and the lines that each one refuses. `worse` also refuses a line where B
lost a seed that A has not; `not-equivalent` asks for the margin to be kept, even by the better;
`insufficient` refuses what is open, and what has fewer than three seeds."""


def require_gates(names: Sequence[str]) -> None:
    """UserError for an unknown one, before anything is read."""
    for name in names:
        if name not in GATES:
            raise UserError(f"--fail-on: unknown verdict {name!r}{suggest(name, GATES)}")


def refused(
    names: Sequence[str],
    comparisons: Sequence[Sequence[Comparison]],
    tasks: dict[str, TasksVerdict],
    gone: Sequence[str] = (),
) -> list[str]:
    """Every line that one of the gates refuses, in words; every gate refuses what is `gone` from B.

    The lines across tasks count for `worse` only: two tasks can never be enough to be better.
    """
    found = [f"{name}: only A has it ({', '.join(names)})" for name in gone if names]
    for block in comparisons:
        for x in block:
            failing = [name for name in names if GATES[name](x)]
            if failing:
                group = x.group
                where = "all densities" if x.density is None else f"density {kept(x.density)}%"
                task = "/".join((group.model, group.dataset, group.recipe))
                who = f"{group.name}: " if group.name else ""
                found.append(f"{who}{task} at {where}: {x.text} ({', '.join(failing)})")
    if "worse" in names:
        found += [
            f"{name or 'B'} across tasks: {verdict.text} (worse)"
            for name, verdict in tasks.items()
            if verdict.kind == "worse"
        ]
    return found
