"""What sets results of several databases or machines apart, and what must not be compared for it.

Within a database a run trains what an earlier one left open, so that there too results of one suite
can come from several machines.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PAIRING = (
    "The same seed gives other digits, so seeds are no pairs, and no difference is taken seed by "
    "seed."
)
TIMES = "Seconds and throughput are those of different machines."

CONSEQUENCES = {
    "suite version": "Tasks, densities, recipes or seeds may differ: rows of one name need not "
    "mean the same.",
    "suite file": "The files differ although their version is the same: rows of one name need not "
    "mean the same.",
    "recipe": "Not the same training, although the recipe has one name.",
    "data": "Not the same examples: no metric of this data can be compared.",
    "source of methods": "Methods of one name ran different code.",
    "lth-bench": "What a newer version records may be missing in the other, and its engine may "
    "train otherwise.",
    "schema": "Older tables were rebuilt by this version; what older runs did not record is empty.",
    "torch": PAIRING,
    "engine": PAIRING,
    "device": f"{PAIRING} {TIMES}",
    "processor": TIMES,
    "machine": TIMES,
    "cohort size": "The same seed gives other last digits, as sums are taken in another order.",
}
"""By what differs, in the order of importance."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """How the results of one suite in one database were made."""

    database: str
    suite: str
    values: Mapping[str, tuple[str, ...]]
    """By key of CONSEQUENCES: all values, sorted; empty where nothing was recorded."""


@dataclass(frozen=True)
class Apart:
    """One thing that differs."""

    what: str
    """A key of CONSEQUENCES, of data and methods with their name."""
    values: Mapping[str, tuple[str, ...]]
    """By database."""
    consequence: str


def made(con: DuckDBPyConnection, suite: str, database: str, schema: int | None) -> Made:
    """Of the results that count; `schema` is the version of the tables as they were found."""
    found: dict[str, tuple[str, ...]] = {}
    found["schema"] = _each([schema])
    rows = con.execute(
        """
        SELECT DISTINCT suite_version, md5(suite_toml), host, environment
        FROM environments WHERE suite = ? AND run_id IN (
            SELECT run_id FROM flat WHERE suite = environments.suite AND run_id IS NOT NULL
            UNION ALL SELECT run_id FROM suites
        )
        """,
        [suite],
    ).fetchall()
    told = [json.loads(row[3] or "{}") for row in rows]
    found["suite version"] = _each(row[0] for row in rows)
    found["suite file"] = _each(str(row[1])[:12] for row in rows)
    found["machine"] = _each(row[2] for row in rows)
    found["processor"] = _each(one.get("cpu") for one in told)
    found["lth-bench"] = _each((one.get("packages") or {}).get("lth-bench") for one in told)
    ends = con.execute(
        """
        SELECT DISTINCT x.torch, x.engine, x.device, o.cohort_size, x.dataset, x.fingerprint,
            x.label, x.source_hash, x.recipe, md5(x.config ->> '$.recipe')
        FROM experiments x LEFT JOIN outcomes o USING (experiment_id)
        WHERE x.current AND x.suite = ? AND x.status <> 'planned'
        """,
        [suite],
    ).fetchall()
    for at, key in enumerate(("torch", "engine", "device", "cohort size")):
        found[key] = _each(row[at] for row in ends)
    named = (("data", 4, 5), ("source of methods", 6, 7), ("recipe", 8, 9))
    for what, name, value in named:
        for one in dict.fromkeys(row[name] for row in ends):
            codes = _each(row[value] for row in ends if row[name] == one)
            found[f"{what}: {one}"] = tuple(code[:12] for code in codes)
    return Made(database=database, suite=suite, values=found)


def apart(results: Sequence[Made]) -> list[Apart]:
    """What differs between the results, the gravest first; what is not recorded in one of them
    differs from nothing. Empty where all is alike.
    """
    found = []
    keys = dict.fromkeys(key for one in results for key in one.values)
    order = list(CONSEQUENCES)
    for key in sorted(keys, key=lambda key: (order.index(_kind(key)), key)):
        values = {one.database: one.values[key] for one in results if one.values.get(key)}
        several = len({value for own in values.values() for value in own}) > 1
        if key == "machine":  # a number says nothing of another database's
            several = any(len(own) > 1 for own in values.values())
        if several:
            found.append(Apart(key, values, CONSEQUENCES[_kind(key)]))
    whats = {one.what for one in found}
    if "suite version" in whats:
        found = [one for one in found if one.what != "suite file"]
    return found


def _kind(key: str) -> str:
    return key.partition(":")[0]


def _each(values: Iterable[object]) -> tuple[str, ...]:
    return tuple(sorted({str(value) for value in values if value not in (None, "")}))
