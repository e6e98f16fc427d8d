"""Which experiments of a database can be run again here, and why the others cannot.

A suite that came with a database is read and planned, and nothing in it is executed: its plugins
are those installed here, and files that the user allowed. An experiment's id is a hash of all that
decides its results, the source of its strategy included, so what is planned under the same id is
the same experiment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError
from lth_bench.maintenance.verify.recorded import RecordedExperiment, RunText
from lth_bench.maintenance.why import leads_out
from lth_bench.running.arguments import LARGEST
from lth_bench.running.datasets import datasets, fingerprint_of
from lth_bench.running.plan import Planned, plan_suite
from lth_bench.running.provenance import Provenance
from lth_bench.suite.check import check
from lth_bench.suite.load import suite_of
from lth_bench.suite.overrides import listed_names
from lth_bench.suite.select import smoke
from lth_bench.suite.source import parse
from lth_bench.training.keys import digest

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.suite.spec import Suite, TaskSpec

PARTS = {"models": "model", "datasets": "dataset", "objectives": "objective"}
"""Group of plugins → its key in an experiment's configuration."""


@dataclass(kw_only=True)
class Repeatable:
    """The experiments of a database, divided."""

    suites: dict[str, Suite] = field(default_factory=dict)
    """Run id → the run's suite, narrowed to what is here."""
    planned: dict[str, Planned] = field(default_factory=dict)
    """By id: those that can be run again."""
    refused: dict[str, str] = field(default_factory=dict)
    """By id: why not, the same words for the same reason."""


def repeatable(
    experiments: Sequence[RecordedExperiment],
    texts: Mapping[str, RunText],
    registry: Registry,
    *,
    place: Path,
    root: Path,
) -> Repeatable:
    """Divide the experiments. `place` is the database, beside whose folder a suite's files would
    lie; `root` the data root, outside of which nothing is read. The registry has what the user
    allowed: the plugins installed here and the files that were named.
    """
    found = Repeatable()
    by_run: dict[str, list[RecordedExperiment]] = {}
    for one in experiments:
        why = _missing(one, registry)
        if why is not None:
            found.refused[one.experiment_id] = why
        else:
            by_run.setdefault(one.run_id, []).append(one)
    for run_id, members in by_run.items():
        _plan(found, run_id, members, texts.get(run_id), registry=registry, place=place, root=root)
    return found


def _missing(one: RecordedExperiment, registry: Registry) -> str | None:
    """Why what an experiment was trained with does not serve; None where it does."""
    from lth_bench.plugins.source import source_hash

    try:
        cls = registry.get("strategies", one.strategy)
    except UserError:
        version = f" {one.plugin_version}" if one.plugin_version else ""
        return (
            f"strategy {one.strategy!r}{version} is not installed here; install its package, or "
            f"read its file and allow it with --plugin FILE"
        )
    here = source_hash(cls)
    if one.source_hash != here:
        then = (one.source_hash or "unknown")[:12]
        return f"the source of strategy {one.strategy!r} differs: {then} there, {here[:12]} here"
    for group, key in PARTS.items():
        part = one.config.get(key)
        name = part.get("name") if isinstance(part, Mapping) else None
        if isinstance(name, str) and name not in registry.groups[group]:
            return (
                f"{key} {name!r} is not installed here; install its package, or read its file and "
                f"allow it with --plugin FILE"
            )
        params = part.get("params") if isinstance(part, Mapping) else None
        if key == "dataset" and leads_out(params):
            return f"dataset {name!r} reads a file outside of the data root"
    size = one.numerics.get("cohort_size") or 1
    if not 1 <= size <= LARGEST or size & (size - 1):  # a large one would take all memory
        return f"its cohort size must be a power of two from 1 to {LARGEST}, but is {size}"
    return None


def _plan(
    found: Repeatable,
    run_id: str,
    members: Sequence[RecordedExperiment],
    text: RunText | None,
    *,
    registry: Registry,
    place: Path,
    root: Path,
) -> None:
    """Plan the suite of one run, and look for its experiments in the plan."""

    def refuse(these: Iterable[RecordedExperiment], why: str) -> None:
        found.refused.update((one.experiment_id, why) for one in these)

    if text is None:
        refuse(members, "the suite that it was run for is not recorded")
        return
    path = place.absolute().parent / "suite.toml"
    try:
        suite = _suite(text, members, path, registry)
        needs = [name for name in suite.plugins if not _allowed(name, registry)]
        if needs:
            refuse(
                members,
                f"its suite needs its own code, {', '.join(needs)}; read it, then allow it with "
                f"--plugin FILE",
            )
            return
        check(suite, registry)
        plan = plan_suite(suite, registry, root)
    except UserError as error:
        refuse(members, f"its suite cannot be planned: {error.message}")
        return
    found.suites[run_id] = suite
    planned = {p.experiment.experiment_id: p for p in plan.experiments}
    there = [p for one in members if (p := planned.get(one.experiment_id)) and p.fault is None]
    data, faults = _data(there, registry, root)
    for one in members:
        item = planned.get(one.experiment_id)
        if item is None:
            refuse([one], _unplanned(one))
            continue
        why = item.fault or next((faults[k] for k in _datasets(item) if k in faults), None)
        now = data.fingerprint(item.experiment)
        if why is None and None not in (one.fingerprint, now) and one.fingerprint != now:
            then = str(one.fingerprint)[:12]
            why = f"the data of {one.task[1]} differs: {then} there, {str(now)[:12]} here"
        if why is not None:
            refuse([one], why)
        else:
            found.planned[one.experiment_id] = item


def _data(
    planned: Sequence[Planned], registry: Registry, root: Path
) -> tuple[Provenance, dict[str, str]]:
    """The fingerprints of their data as it lies here, and why there is none, by the digest of the
    dataset's configuration. Nothing is downloaded.
    """
    from lth_bench.training.input.placement import memory_of

    found, faults = Provenance({}), {}
    memory = memory_of(["cpu"])
    for one in datasets(planned, registry):
        try:
            placement = one.placement(root, memory)
            found.fingerprints[one.key] = fingerprint_of(one.name, one.dataset, placement, root)
        except UserError as error:
            faults[one.key] = error.message
    return found, faults


def _datasets(item: Planned) -> list[str]:
    """Digests of the configurations of an experiment's datasets: that of its source task too."""
    e = item.experiment
    configs = [e.dataset, *([] if e.source_task is None else [e.source_task.dataset])]
    return [digest(config) for config in configs]


def _unplanned(one: RecordedExperiment) -> str:
    model, dataset, _ = one.task
    return (
        f"planned here it is another experiment: the source of {model} or {dataset} differs, or "
        f"its record was changed"
    )


def _suite(
    text: RunText, members: Sequence[RecordedExperiment], path: Path, registry: Registry
) -> Suite:
    """The suite with its options, at the seeds of these experiments, and without strategies and
    tasks whose plugins are not here.
    """
    there = listed_names(parse(text.toml, path))
    added = {
        one.strategy: f"--add {one.strategy}"
        for one in members
        if one.label == one.strategy and one.strategy not in there and one.strategy != "dense"
    }
    suite = suite_of(text.toml, path, text.overrides, added)
    if text.suite == f"{suite.name}-smoke":
        suite = smoke(suite)
    return replace(
        suite,
        seeds=tuple(sorted({one.seed for one in members})),
        strategies=tuple(s for s in suite.strategies if s.use in registry.strategies),
        tasks=tuple(t for t in suite.tasks if _here(t, registry)),
        claims=(),
        tune=None,
    )


def _here(task: TaskSpec, registry: Registry) -> bool:
    """Whether a task's plugins are here, and its files within its own folder or the data root."""
    for one in task.with_sources:
        parts: list[tuple[str, Any]] = [("models", one.model), ("datasets", one.dataset)]
        if one.objective is not None:
            parts.append(("objectives", one.objective))
        if any(part.name not in registry.groups[group] for group, part in parts):
            return False
        start = one.model.start
        if start is not None and start.weights is None and leads_out(start.source):
            return False
        if leads_out(one.dataset.params):
            return False
    return True


def _allowed(file: str, registry: Registry) -> bool:
    """Whether the user named a file of this name: the database does not tell where it lay."""
    name = re.split(r"[\\/]", file)[-1]
    return any(allowed.name == name for allowed in registry.files)
