"""Strategies at a glance: a line each, by the families that their packages sort them into."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from lth_bench.plugins.source import SHIPPED

OTHERS = "others"
"""What its package puts into no family."""


def families_in(package: str) -> Mapping[str, Sequence[str]]:
    """Family → names of strategies, as an imported package has them in its `FAMILIES`."""
    found = getattr(sys.modules.get(package), "FAMILIES", None)
    return found if isinstance(found, Mapping) else {}


def family_of(name: str, cls: type[Any]) -> str:
    """The family that a plugin's package names it in; empty without one."""
    found = families_in(cls.__module__.partition(".")[0])
    return next((str(family) for family, names in found.items() if name in names), "")


def first_sentence(text: str) -> str:
    """Up to the first full stop that a capital or nothing follows: `et al., 2020` goes on."""
    found = re.match(r".+?\.(?= [A-Z`]|$)", " ".join(text.split()))
    return found[0] if found else text


def by_family(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of `ls strategies` by family: in the order of the built-in ones, then other
    packages', then what is in none.
    """
    shipped = families_in(SHIPPED)
    found: dict[str, list[Mapping[str, Any]]] = {family: [] for family in shipped}
    order = {name: i for i, name in enumerate(chain(*shipped.values()))}
    for row in sorted(
        rows, key=lambda row: (not row["family"], order.get(row["name"], len(order)))
    ):
        found.setdefault(row["family"] or OTHERS, []).append(row)
    return {family: members for family, members in found.items() if members}


def print_families(rows: Sequence[Mapping[str, Any]]) -> None:
    """A table of names and first sentences; the package of each where there are several."""
    from rich.text import Text

    from lth_bench.cli.output import console, table
    from lth_bench.system.text import printable

    origins = [printable(f"{row['origin']} {row['version']}".strip()) for row in rows]
    several = len({*origins}) > 1
    listing = table("name", "what it is", *["package"] * several)
    for family, members in by_family(rows).items():
        listing.add_section()
        listing.add_row(Text(family, style="bold"), "", *[""] * several)
        for row in members:
            text = Text(printable(first_sentence(row["summary"])))
            if row["error"] is not None:
                text = Text(f"cannot be loaded: {printable(row['error'])}", style="red")
            origin = [Text(origins[rows.index(row)])] * several
            listing.add_row(Text(f"  {printable(row['name'])}"), text, *origin)
    console().print(listing)
    console().print("parameters: lth-bench ls strategies NAME, or --parameters for all")
