"""Which plans a merge writes, and in what order, so that the newest comes last."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import IO, NamedTuple

from lth_bench.errors import UserError
from lth_bench.store.history import PlannedEarlier, plan_key
from lth_bench.store.journal import decode, encode
from lth_bench.store.paths import open_to_read
from lth_bench.store.subset import planned


class Pick(NamedTuple):
    """A line to write; for a plan, some of its experiments."""

    journal: Path
    offset: int
    keys: tuple[str, ...] = ()


def replay(
    here: Mapping[str, PlannedEarlier],
    there: Mapping[str, PlannedEarlier],
    ours: Path,
    theirs: Path,
) -> list[Pick]:
    """What must be written so that the plans of every shared group are ordered by time.

    That is what is new there, and what is here but newer than that; nothing, if all of it is here
    in this order already.
    """
    lying: dict[str, dict[str, _Lying]] = defaultdict(dict)
    for key, plan in here.items():
        lying[plan.group][key] = _Lying(plan, ours)
    target = {plan.group: dict(lying[plan.group]) for plan in there.values()}
    for key, plan in there.items():
        if key not in here or here[key].when < plan.when:
            target[plan.group][key] = _Lying(plan, theirs)
    written: list[tuple[str, _Lying]] = []
    for group, plans in target.items():
        wanted = sorted(plans.items(), key=_when)
        settled = 0
        for one, other in zip(lying[group].items(), wanted, strict=False):
            if one != other:
                break
            settled += 1
        written += wanted[settled:]
    # all groups together, so that the plans of one record stay together
    written.sort(key=_when)
    return [
        Pick(journal, offset, tuple(key for key, _ in group))
        for (journal, offset), group in groupby(
            written, key=lambda item: (item[1].journal, item[1].plan.offset)
        )
    ]


def lines(picks: Iterable[Pick]) -> Iterator[bytes]:
    """The picked lines. UserError if a journal can no longer be read."""
    with ExitStack() as stack:
        files: dict[Path, IO[bytes]] = {}
        for journal, offset, keys in picks:
            try:
                if journal not in files:
                    files[journal] = stack.enter_context(open_to_read(journal, "journal"))
                files[journal].seek(offset)
                line = files[journal].readline()
            except OSError as error:
                raise UserError(f"cannot read {journal}: {error.strerror or error}") from error
            if not line.endswith(b"\n"):
                raise UserError(f"{journal} has changed in the meantime; merge it again")
            if keys:
                record = decode(line, journal, offset)
                known = {plan_key(plan): plan for plan in planned(record)}
                if known:  # a run has no experiments to choose from
                    line = encode({**record, "experiments": [known[key] for key in keys]})
            yield line


class _Lying(NamedTuple):
    plan: PlannedEarlier
    journal: Path


def _when(item: tuple[str, _Lying]) -> tuple[str, str]:
    return item[1].plan.when
