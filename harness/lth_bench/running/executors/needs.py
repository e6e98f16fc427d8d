"""What a worker on another machine must have as the coordinator has it: versions, plugins, data.

Otherwise its results would not be those of this machine, and nothing would show it.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UnknownName, UserError

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.plugins import Registry
    from lth_bench.running.executors.worker import Worker

PACKAGES = ("lth-bench", "torch", "torchvision", "torch-pruning", "numpy", "scipy", "scikit-learn")
"""Those whose versions can change a result."""


@dataclass(frozen=True, kw_only=True)
class NodeNeeds:
    """What a run needs of a worker on another machine."""

    versions: Mapping[str, str]
    """Python's, the packages', and a digest of lth-bench's own source."""
    sources: Mapping[str, Mapping[str, str]]
    """Group of plugins → name → hash of its source, of those that the run uses."""
    datasets: Mapping[str, Mapping[str, Any]]
    """Label → configuration."""
    device_name: str = "cpu"
    """A GPU's name, or `cpu`: the last bits of a result depend on the kind of device."""


def needed(experiments: Iterable[Experiment], registry: Registry, device_name: str) -> NodeNeeds:
    """What experiments need, as it is on this machine."""
    from lth_bench.plugins.source import source_hash

    sources: dict[str, dict[str, str]] = {}
    datasets: dict[str, Mapping[str, Any]] = {}
    for experiment in experiments:
        for group, name in _plugins(experiment):
            known = sources.setdefault(group, {})
            if name not in known:
                known[name] = source_hash(registry.get(group, name))
        datasets[experiment.dataset_label] = experiment.dataset
        if (source := experiment.source_task) is not None:
            datasets[source.dataset_label] = source.dataset
    return NodeNeeds(
        versions=versions(), sources=sources, datasets=datasets, device_name=device_name
    )


def _plugins(experiment: Experiment) -> Iterator[tuple[str, str]]:
    yield "strategies", experiment.strategy
    for task in (experiment, experiment.source_task):
        if task is not None:
            yield "models", task.model["name"]
            yield "datasets", task.dataset["name"]
            if task.objective is not None:
                yield "objectives", task.objective["name"]


def versions() -> dict[str, str]:
    """Of this process: what decides its results, apart from plugins and data."""
    from lth_bench.system.devices import installed_versions

    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    found |= {name: v or "none" for name, v in installed_versions(PACKAGES).items()}
    return found | {"lth-bench's source": _own_source()}


def _own_source() -> str:
    """A digest of lth-bench's own modules: a checkout's version does not change with them."""
    import lth_bench

    folder = Path(lth_bench.__file__).parent
    h = hashlib.blake2b(digest_size=6)
    for file in sorted(folder.rglob("*.py")):
        h.update(str(file.relative_to(folder)).encode())
        h.update(file.read_bytes())
    return h.hexdigest()


def lacking(needs: NodeNeeds, worker: Worker) -> str | None:
    """What a worker lacks or has otherwise, as a clause; None where it can run everything."""
    return (
        _other_versions(needs)
        or _other_device(needs, worker)
        or _other_plugins(needs, worker)
        or _other_data(needs, worker)
    )


def _other_versions(needs: NodeNeeds) -> str | None:
    own = versions()
    other = [f"{k} {own.get(k)}, not {v}" for k, v in needs.versions.items() if own.get(k) != v]
    if not other:
        return None
    return f"has {'; '.join(other)}: install the same as where the run was started"


def _other_device(needs: NodeNeeds, worker: Worker) -> str | None:
    from lth_bench.running.executors.probe import ask

    if worker.config.device == "cpu":
        return None
    found = ask(worker.config.device)
    if found.error is not None:
        return f"cannot be used: {found.error}"
    if found.name != needs.device_name:
        return f"is {found.name}, not {needs.device_name}: a run is trained on one kind of GPU"
    return None


def _other_plugins(needs: NodeNeeds, worker: Worker) -> str | None:
    from lth_bench.plugins.registry import SINGULAR
    from lth_bench.plugins.source import source_hash

    for group, sources in needs.sources.items():
        for name, source in sources.items():
            what = f"the {SINGULAR[group]} {name!r}"
            try:
                cls = worker.registry.get(group, name)
            except UnknownName:
                return f"lacks {what}: install the package that has it"
            if source_hash(cls) != source:
                entry = worker.registry.groups[group][name]
                return f"has another source of {what}, of {entry.source}: install the same version"
    return None


def _other_data(needs: NodeNeeds, worker: Worker) -> str | None:
    for label, config in needs.datasets.items():
        try:
            worker.look_at(label, config)
        except UserError as error:
            return f"lacks data: {error.message}"
    return None
