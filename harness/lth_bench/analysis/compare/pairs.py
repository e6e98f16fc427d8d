"""Match the samples of A with those of B."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from lth_bench.analysis.boards.scope import DENSITY_TOLERANCE, task_matches
from lth_bench.analysis.samples import Sample
from lth_bench.errors import NothingSelected, UserError

PairKey = tuple[str, str, str, str]
"""Suite, task, source of the ticket, and name; each is "" where it need not match."""


@dataclass(frozen=True, kw_only=True)
class PairGroup:
    """Matched samples of one task; if two databases are compared, of one label too."""

    suite: str
    """A's suite, or `A's | B's` where they differ."""
    model: str
    dataset: str
    recipe: str
    name: str
    """LABEL or LABEL/CONTROL if two databases are compared, otherwise ""."""
    pairs: Mapping[float, tuple[Sample, Sample]]
    """A's and B's sample by target density, from dense to sparse."""
    only_a: tuple[float, ...]
    """Target densities that only A has, from dense to sparse."""
    only_b: tuple[float, ...]
    """Target densities that only B has, from dense to sparse."""


def groups(
    a: Sequence[Sample],
    b: Sequence[Sample],
    by_name: bool,
    tasks: Sequence[str] = (),
    densities: Sequence[float] = (),
) -> list[PairGroup]:
    """Match samples by task, source of the ticket and target density, and by label too if
    `by_name`.

    Suites must match as well, unless the sides share none, as when one was renamed. A side with
    only the dense run is matched with every density of the other side. `tasks` are patterns for
    MODEL, MODEL/DATASET or MODEL/DATASET/RECIPE; with `densities`, only these are compared.

    NothingSelected, with what each side has, if no samples or no seeds match; UserError if a label
    is in several suites and the other side in none of them.
    """
    shared = {s.suite for s in a} & {s.suite for s in b}
    first, second = (_by_task(side, shared, by_name, tasks, densities) for side in (a, b))
    found = [
        _group(key[-1], first[key], second[key])
        for key in first
        if key in second and _densities(first[key], second[key])[2]
    ]
    if densities:  # the dense run was kept to be matched with them, not with the other dense run
        found = [group for group in found if _selected(group.pairs, densities)]
    if not found:
        filters = [f" --task {t}" for t in tasks] + [f" --density {d:g}" for d in densities]
        raise NothingSelected(
            f"A and B have nothing in common{' under' if filters else ''}{''.join(filters)}: "
            f"A has {_inventory(a)}; B has {_inventory(b)}"
        )
    pairs = [pair for group in found for pair in group.pairs.values()]
    if not any(x.values.keys() & y.values.keys() or _lost(x) or _lost(y) for x, y in pairs):
        raise NothingSelected(
            f"A and B have no seed in common: A has {_seeds(x for x, _ in pairs)}; "
            f"B has {_seeds(y for _, y in pairs)}"
        )
    return found


def only_in_first(
    a: Sequence[Sample], b: Sequence[Sample], tasks: Sequence[str] = ()
) -> tuple[str, ...]:
    """Labels and controls that A has and B lacks, such as `imp/reinit on mlp/digits/short`.

    Only on tasks that both have: a database with fewer tasks has not lost a strategy.
    """
    shared = {s.task for s in a} & {s.task for s in b}
    present = {(s.task, s.name) for s in b}
    missing = [
        f"{s.name} on {s.task}"
        for s in a
        if s.task in shared
        and (s.task, s.name) not in present
        and task_matches((s.model, s.dataset, s.recipe), tasks)
    ]
    return tuple(dict.fromkeys(missing))


def _by_task(
    side: Iterable[Sample],
    shared: Collection[str],
    by_name: bool,
    tasks: Sequence[str],
    densities: Sequence[float],
) -> dict[PairKey, dict[float, Sample]]:
    found: dict[PairKey, dict[float, Sample]] = {}
    for s in side:
        if shared and s.suite not in shared:
            continue
        if not task_matches((s.model, s.dataset, s.recipe), tasks):
            continue
        if s.target_density < 1 and not _selected([s.target_density], densities):
            continue
        key = (
            s.suite if shared else "",
            s.task,
            "" if s.source == s.task else s.source,
            s.name if by_name else "",
        )
        by_density = found.setdefault(key, {})
        other = by_density.setdefault(s.target_density, s)
        if other is not s:
            raise UserError(
                f"{s.name} on {s.task} is in the suites {other.suite} and {s.suite}, and the other "
                f"side is in neither; choose one suite for each side with --suite"
            )
    return found


def _group(name: str, a: dict[float, Sample], b: dict[float, Sample]) -> PairGroup:
    only_a, only_b, common = _densities(a, b)
    pairs = {d: (a.get(d) or a[1.0], b.get(d) or b[1.0]) for d in common}
    x, y = next(iter(pairs.values()))
    suite = x.suite if x.suite == y.suite else f"{x.suite} | {y.suite}"
    return PairGroup(
        suite=suite,
        model=x.model,
        dataset=x.dataset,
        recipe=x.recipe,
        name=name,
        pairs=pairs,
        only_a=only_a,
        only_b=only_b,
    )


def _densities(a: Collection[float], b: Collection[float]) -> tuple[tuple[float, ...], ...]:
    """Densities of A only, of B only, and of both, from dense to sparse.

    A side with only the dense run counts as having every density of the other side.
    """
    if (set(a) == {1.0}) != (set(b) == {1.0}):
        a = b = {*a, *b} if 1.0 in a and 1.0 in b else {*a, *b} - {1.0}
    return tuple(
        tuple(sorted(found, reverse=True)) for found in ({*a} - {*b}, {*b} - {*a}, {*a} & {*b})
    )


def _selected(found: Iterable[float], asked: Sequence[float]) -> bool:
    """Whether one of the densities found is among those asked for, or none were asked for."""
    return not asked or any(abs(x - d) <= DENSITY_TOLERANCE * d for x in found for d in asked)


def _lost(sample: Sample) -> bool:
    return bool(sample.lost or sample.unreached)


def _inventory(side: Sequence[Sample]) -> str:
    """Tasks with their densities, for a message."""
    by_task: dict[str, set[float]] = {}
    for s in side:
        by_task.setdefault(f"{s.task} ({s.suite})", set()).add(s.target_density)
    words = [
        f"{task} at {', '.join(f'{d:g}' for d in sorted(found, reverse=True))}"
        for task, found in list(by_task.items())[:4]
    ]
    if len(by_task) > 4:
        words.append(f"{len(by_task) - 4} more tasks")
    return ", ".join(words) or "no rows"


def _seeds(side: Iterable[Sample]) -> str:
    seeds = sorted({seed for sample in side for seed in sample.values})
    return ", ".join(map(str, seeds)) or "no finished seed"
