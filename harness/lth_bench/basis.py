"""What results rest on beside what is in their experiments' ids: the data's content, and the
numerics. And the datasets of a plan, opened before anything trains.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.errors import UserError

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.plan import Planned
    from lth_bench.plugins import Registry
    from lth_bench.training.placement import Placement


@dataclass(frozen=True)
class Basis:
    """Today's basis, as far as somebody has looked."""

    numerics: Mapping[str, object]
    """`torch`, `engine` (its revision) and `device`."""
    fingerprints: dict[str, str] = field(default_factory=dict)
    """Digest of a dataset's configuration → fingerprint of its content."""

    @classmethod
    def of(cls, device: object) -> Basis:
        """The basis of results that are trained on a device, by its name in the journal."""
        import torch

        from lth_bench.training.keys import ENGINE_REVISION

        return cls({"torch": torch.__version__, "engine": ENGINE_REVISION, "device": device})

    def fingerprint(self, experiment: Experiment) -> str | None:
        """Of the experiment's data; None where nobody has looked."""
        from lth_bench.training.keys import digest

        return self.fingerprints.get(digest(experiment.dataset))


class Placed(NamedTuple):
    """A dataset of a plan."""

    key: str
    """Digest of its configuration."""
    label: str
    name: str
    """What messages call it: `dataset 'mnist'`."""
    dataset: Any
    placement: Placement
    """Where workers put it."""


def placements(
    planned: Iterable[Planned], registry: Registry, root: Path, workers: Sequence[str]
) -> Iterator[Placed]:
    """Each dataset once. `workers` are their devices."""
    from lth_bench.data.arrays import DatasetInfo
    from lth_bench.params import build
    from lth_bench.plugins.asking import ask_for
    from lth_bench.training.keys import digest
    from lth_bench.training.placement import choose, memory_of

    memory = memory_of(workers)
    seen = set()
    for item in planned:
        config, label = item.experiment.dataset, item.experiment.dataset_label
        key = digest(config)
        if key in seen:
            continue
        seen.add(key)
        cls, name = registry.get("datasets", config["name"]), f"dataset {config['name']!r}"
        dataset = build(cls, config["params"], name)
        info = ask_for(DatasetInfo, name, dataset.info, root)
        yield Placed(key, label, name, dataset, choose(label, dataset, info, memory))


def require_data(
    todo: Sequence[Planned], registry: Registry, root: Path, workers: Sequence[str], basis: Basis
) -> list[str]:
    """Open every dataset once, here: what is missing or damaged is said before anything trains, and
    workers find the decoded copy. `basis` learns the fingerprints.

    Returns a sentence for every dataset that does not lie on the device.
    """
    from lth_bench.plugins.asking import ask

    notes = []
    for key, _, name, dataset, placement in placements(todo, registry, root, workers):
        opened = ask(name, placement.opener(dataset), root)
        basis.fingerprints[key] = str(ask(name, opened.fingerprint))
        notes += [placement.note] if placement.note else []
    return notes


def look_at_data(
    finished: Sequence[Planned],
    registry: Registry,
    root: Path,
    workers: Sequence[str],
    basis: Basis,
) -> list[str]:
    """Have `basis` learn the fingerprints of these experiments' data, for what is finished.

    Costs milliseconds where a dataset has a method `fingerprint`, as the built-in ones have, and an
    opening where it has not. Nothing is downloaded. Returns a sentence for every dataset that
    cannot be read: nothing needs it, and whether it has changed stays unknown.
    """
    notes = []
    for key, label, name, dataset, placement in placements(finished, registry, root, workers):
        try:
            basis.fingerprints[key] = fingerprint_of(name, dataset, placement, root)
        except UserError as error:
            notes.append(f"whether the data of {label} has changed is unknown: {error.message}")
    return notes


def fingerprint_of(name: str, dataset: Any, placement: Placement, root: Path) -> str:
    """The fingerprint of a dataset's content as it lies there now.

    A dataset's `fingerprint(root)` gives it without reading the data, or None where only reading
    tells. UserError where the data is missing or damaged.
    """
    from lth_bench.plugins.asking import ask

    quick = getattr(dataset, "fingerprint", None)
    known = ask(name, quick, root) if callable(quick) else None
    if known is None:
        known = ask(name, ask(name, placement.opener(dataset), root).fingerprint)
    return str(known)
