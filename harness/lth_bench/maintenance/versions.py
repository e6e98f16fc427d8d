"""Installed libraries against the ranges that lth-bench asks for."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from lth_bench.maintenance.finding import Finding

OWN = "lth-bench"


def check_versions() -> Iterator[Finding]:
    """Python, and every library that lth-bench needs to run."""
    try:
        wanted = requires(OWN) or []
        python = str(metadata(OWN)["Requires-Python"] or "")
    except PackageNotFoundError:
        yield Finding(
            "problem", "lth-bench", "its distribution is not installed",
            "install it with `pip install .` in the checkout, so that its plugins are found",
        )  # fmt: skip
        return
    here = platform.python_version()
    if satisfies(here, python):
        yield Finding("ok", "Python", f"{here} at {sys.executable}")
    else:
        yield Finding("problem", "Python", f"{here} is not {python}", "make a new environment")
    bad, count = [], 0
    for text in wanted:
        name, range_, marker = parse(text)
        if "extra" in marker:
            continue
        count += 1
        try:
            installed = version(name)
        except PackageNotFoundError:
            bad.append(f"{name} is missing")
            continue
        if not satisfies(installed, range_):
            bad.append(f"{name} {installed} is not {range_}")
    if bad:
        yield Finding(
            "problem", "libraries", "; ".join(bad), "pip install --upgrade lth-bench mends that"
        )
    else:
        yield Finding("ok", "libraries", f"all {count} as lth-bench asks for")


def parse(requirement: str) -> tuple[str, str, str]:
    """`numpy>=2; extra == "dev"` as name, range and marker."""
    head, _, marker = requirement.partition(";")
    found = re.match(r"\s*([\w.-]+)\s*(?:\[[^\]]*\])?\s*\(?([^)]*)\)?", head)
    assert found is not None, requirement
    return found[1], found[2].strip(), marker.strip()


def satisfies(installed: str, range_: str) -> bool:
    """Whether a version lies in a range of `>=` and `<`; other comparisons count as met."""
    for part in filter(None, (p.strip() for p in range_.split(","))):
        if part.startswith(">=") and numbers(installed) < numbers(part[2:]):
            return False
        if part.startswith("<") and part[1:2] != "=" and numbers(installed) >= numbers(part[1:]):
            return False
    return True


def numbers(text: str) -> tuple[int, ...]:
    """`2.15.0+cu130` as (2, 15); zeros at the end say nothing."""
    found = [int(n) for n in re.findall(r"\d+", re.split(r"[+a-zA-Z]", text.strip())[0])]
    while found and found[-1] == 0:
        found.pop()
    return tuple(found)
