"""A claim's numbers as they are written: in points, in percent, as a multiple."""

from __future__ import annotations

from lth_bench.analysis.claims.finding import Finding
from lth_bench.analysis.measures import Measure, minus
from lth_bench.suite.spec import Claim

SHORT = {"points": "pt", "steps": "steps", "examples": "examples", "FLOPs": "FLOPs", "s": "s"}

BOUNDS = {"lower bound": "≥ ", "upper bound": "≤ "}


def required(claim: Claim, known: Measure) -> str:
    """What the claim asks for: `≥ +0.20 pt`, `≥ 1.40×`, `within ±0.30 pt`; – where nothing."""
    if claim.threshold is None:
        return "–"
    if claim.bound == "within":
        return f"within ±{number(claim, claim.threshold, known).lstrip('+')}{unit(claim, known)}"
    sign = "≥" if claim.bound == "at_least" else "≤"
    return f"{sign} {number(claim, claim.threshold, known)}{unit(claim, known)}"


def published(claim: Claim, known: Measure) -> str:
    """The paper's figure or its range; – where it gives none."""
    if claim.published is None:
        return "–"
    low, high = claim.published
    if low == high:
        return f"{number(claim, low, known)}{unit(claim, known)}"
    return f"{number(claim, low, known)} to {number(claim, high, known)}{unit(claim, known)}"


def ours(found: Finding) -> str:
    """Our mean: `+0.20 pt`; a bound of the true one, `≥ 1.53×`; in brackets where it is neither."""
    if found.ours is None:
        return "–"
    claim, known = found.claim, found.measure
    text = f"{number(claim, found.ours.mean, known)}{unit(claim, known)}"
    if found.mean_is == "no bound":
        return f"({text})"
    return f"{BOUNDS.get(found.mean_is, '')}{text}"


def interval(found: Finding) -> str:
    """Our interval; – where one seed has none."""
    if found.ours is None or found.ours.low is None or found.ours.high is None:
        return "–"
    low, high = (number(found.claim, x, found.measure) for x in (found.ours.low, found.ours.high))
    return f"{low} to {high}"


def bare(text: str) -> str:
    """The same without plus signs and unit, where the table is too narrow for them."""
    return text.replace("+", "").removesuffix(" pt").replace("within ", "")


def number(claim: Claim, x: float, known: Measure) -> str:
    """A number of the claim without its unit; a difference has its sign."""
    if claim.compare == "ratio":
        return minus(f"{x:.2f}")
    return known.value(x) if claim.compare == "value" else known.difference(x)


def unit(claim: Claim, known: Measure) -> str:
    """What follows a number: ` pt`, `%`, `×`."""
    if claim.compare == "ratio":
        return "×"
    if claim.compare == "value" and known.is_fraction:
        return "%"
    return f" {SHORT[known.difference_unit]}" if known.difference_unit else ""
