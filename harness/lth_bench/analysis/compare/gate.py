"""`--fail-on`: verdicts with which `compare` exits with an error, for continuous integration."""

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
"""Values of --fail-on, and whether each fails a line. `worse` also fails where B lost a seed that A
did not lose; `not-equivalent` fails unless the difference is shown to be within the margin, also
where B is better; `insufficient` fails open verdicts and lines with fewer than three seeds."""


def require_gates(names: Sequence[str]) -> None:
    """UserError for a name that is not in GATES, before any results are read."""
    for name in names:
        if name not in GATES:
            raise UserError(f"--fail-on: unknown verdict {name!r}{suggest(name, GATES)}")


def gate_failures(
    names: Sequence[str],
    comparisons: Sequence[Sequence[Comparison]],
    tasks: dict[str, TasksVerdict],
    missing: Sequence[str] = (),
) -> list[str]:
    """One message for every line that fails a gate of `names`; every gate fails on what is
    `missing` from B.

    Lines across tasks are checked against `worse` only: with two tasks no test could show `better`.
    """
    found = [f"{name}: missing in B ({', '.join(names)})" for name in missing if names]
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
