"""What a run of a plan has left to do, and why: what has ended stays, unless its data changed or it
is to be retried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.running.datasets import look_at_data
from lth_bench.running.provenance import Provenance
from lth_bench.store.journal import Ending, endings
from lth_bench.store.paths import Paths
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.plan import Plan, Planned
    from lth_bench.running.request import RetryPolicy


DONE = frozenset({"ok", "skipped", "diverged"})
"""Statuses of experiments that have a result: what the method came to."""
RETRIED = ("failed", "oom", "timeout", "diverged")
"""What `--retry` takes."""
ENDED = DONE | set(RETRIED)
"""What a run leaves as it is unless told otherwise; it runs what is planned or was interrupted."""


@dataclass(kw_only=True)
class PendingWork:
    """A plan, divided."""

    todo: list[Planned] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    """experiment_id → status, of those that stay."""
    outdated: dict[str, str] = field(default_factory=dict)
    """experiment_id → the fingerprint of the data that its results are from, of those that are done
    on other data.
    """
    replaced: dict[str, str] = field(default_factory=dict)
    """The same, and of those that an earlier run began to do on other data."""
    retried: dict[str, str] = field(default_factory=dict)
    """experiment_id → how it ended, of those that are done again because that was asked for."""
    notes: list[str] = field(default_factory=list)
    """A sentence each, for the person who runs it."""


def remaining(
    plan: Plan,
    paths: Paths,
    *,
    registry: Registry,
    root: Path,
    workers: Sequence[str],
    provenance: Provenance,
    retry: RetryPolicy,
) -> PendingWork:
    """What is left to do. `provenance` learns the fingerprints of the data of what is finished.

    Other data makes an experiment as new. Another torch, device or engine does not: its results
    stay, and a note says so. Results without a recorded provenance
    count as current.
    """
    before = endings(paths, retry.cohort_size)
    stays = kept({k: e.status for k, e in before.items()}, retry.statuses, retry.rerun)
    known = [p for p in plan.experiments if _recorded(before.get(p.experiment.experiment_id))]
    found = PendingWork(notes=look_at_data(known, registry, root, workers, provenance))
    changed: Counter[str] = Counter()
    others: Counter[str] = Counter()
    for item in plan.experiments:
        identity = item.experiment.experiment_id
        ending = before.get(identity)
        other = (
            None if ending is None else _other_data(ending, provenance.fingerprint(item.experiment))
        )
        if ending is not None and other is not None:
            found.outdated[identity] = found.replaced[identity] = other
            if identity in stays:
                changed[item.experiment.dataset_label] += 1
        elif ending is not None and ending.replaces is not None:
            found.replaced[identity] = ending.replaces
        if ending is None or identity not in stays or other is not None:
            found.todo.append(item)
            if ending is not None and other is None and ending.status in retry.statuses:
                found.retried[identity] = ending.status
        else:
            found.ended[identity] = ending.status
            difference = differing(ending.numerics, provenance.numerics)
            if difference:
                others[difference] += 1
    left = left_alone(found.ended.values())
    found.notes += [*_notes(changed, others), *([left] if left else [])]
    return found


def kept(statuses: Mapping[str, str], retry: frozenset[str], rerun: bool) -> set[str]:
    """The experiments, by id, whose outcomes stay."""
    if rerun:
        return set()
    return {identity for identity, status in statuses.items() if status in ENDED - retry}


def left_alone(statuses: Iterable[str | None]) -> str | None:
    """What a run says of experiments that it leaves although they have no result; None where
    there are none.
    """
    count = Counter(s for s in statuses if s in ENDED - DONE)
    if not count:
        return None
    found = [s for s in RETRIED if s in count]
    counts = ", ".join(f"{count[s]} {s}" for s in found)
    return f"{counts} in an earlier run; --retry {','.join(found)} reruns them"


def differing(then: Mapping[str, Any], now: Mapping[str, object]) -> str:
    """In which numerics two results differ, such as `torch 2.14.0 → 2.15.0`; "" for none. What is
    not recorded differs from nothing.
    """
    keys = [k for k in now if then.get(k) is not None and then[k] != now[k]]
    # what a stranger's journal says may be long, and may move the cursor
    return ", ".join(f"{k} {printable(str(then[k])[:60])} → {now[k]}" for k in keys)


def _recorded(ending: Ending | None) -> bool:
    return ending is not None and ending.fingerprint is not None


def _other_data(ending: Ending, today: str | None) -> str | None:
    """The fingerprint it had, where that is not today's."""
    then = ending.fingerprint
    return then if None not in (then, today) and then != today else None


def _notes(changed: Counter[str], others: Counter[str]) -> Iterable[str]:
    if changed:
        data, number = ", ".join(sorted(changed)), changed.total()
        are = "is" if number == 1 else "are"
        yield f"{_counted(number)} {are} trained again: the data of {data} has changed since"
    for difference, number in others.items():
        they, them = ("it is kept", "it") if number == 1 else ("they are kept", "them")
        yield (
            f"{_counted(number)} used different numerics ({difference}); {they}, and --rerun "
            f"runs {them} again"
        )


def _counted(number: int) -> str:
    return f"{number} finished experiment{'' if number == 1 else 's'}"
