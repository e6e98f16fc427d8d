"""The datasets of a plan: opened once before anything trains, and their fingerprints taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.errors import UserError
from lth_bench.running.aims import Aim, unlearnable

if TYPE_CHECKING:
    from lth_bench.data.arrays import DatasetInfo
    from lth_bench.plugins import Registry
    from lth_bench.running.plan import Planned
    from lth_bench.running.provenance import Provenance
    from lth_bench.training.input.placement import Memory, Placement


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset of a plan."""

    key: str
    """Digest of its configuration."""
    label: str
    name: str
    """What messages call it: `dataset 'mnist'`."""
    dataset: Any
    planned: DatasetInfo | None
    """Its sizes, as they were when the experiments were planned."""

    def info(self, root: Path) -> DatasetInfo:
        """Its sizes. UserError where they cannot be told."""
        from lth_bench.data.arrays import DatasetInfo
        from lth_bench.plugins.asking import ask_for

        found: DatasetInfo = ask_for(DatasetInfo, self.name, self.dataset.info, root)
        return found

    def placement(self, root: Path, memory: Memory) -> Placement:
        """Where workers put it. UserError where its sizes cannot be told, or fit nowhere."""
        from lth_bench.training.input.placement import choose

        return choose(self.label, self.dataset, self.info(root), memory)


def datasets(planned: Iterable[Planned], registry: Registry) -> Iterator[Dataset]:
    """Each dataset once."""
    from lth_bench.params import build
    from lth_bench.training.keys import digest

    seen = set()
    for item in planned:
        for config, label, info in _of(item):
            key = digest(config)
            if key in seen:
                continue
            seen.add(key)
            cls, name = registry.get("datasets", config["name"]), f"dataset {config['name']!r}"
            yield Dataset(
                key=key,
                label=label,
                name=name,
                dataset=build(cls, config["params"], name),
                planned=info,
            )


def _of(item: Planned) -> Iterator[tuple[Mapping[str, Any], str, DatasetInfo | None]]:
    """An experiment's datasets: that of its source task too."""
    experiment = item.experiment
    yield experiment.dataset, experiment.dataset_label, item.info
    if experiment.source_task is not None:
        source = experiment.source_task
        yield source.dataset, source.dataset_label, item.source_info


class Opened(NamedTuple):
    """What came of opening the datasets of a plan."""

    notes: list[str]
    """A sentence for every dataset that does not lie on the device."""
    faults: dict[str, str]
    """Digest of a dataset's configuration → why it cannot be used."""
    unlearnable: dict[str, str]
    """Key of an `Aim` → why the objective cannot learn from its training split."""

    def fault(self, item: Planned) -> str | None:
        """Why an experiment cannot run: for its task's sake, or for its data's."""
        from lth_bench.training.keys import digest

        found = (self.faults.get(digest(config)) for config, *_ in _of(item))
        return (
            item.fault
            or next((fault for fault in found if fault), None)
            or self.unlearnable.get(Aim.of(item).key)
        )


def open_data(
    todo: Sequence[Planned],
    registry: Registry,
    root: Path,
    workers: Sequence[str],
    provenance: Provenance,
) -> Opened:
    """Open every dataset once, here: what is missing or damaged is said before anything trains, and
    workers find the decoded copy. `provenance` learns the fingerprints.
    """
    from lth_bench.plugins.asking import ask
    from lth_bench.training.input.placement import memory_of

    opened = Opened([], {}, {})
    sound = [item for item in todo if item.fault is None]
    memory = memory_of(workers)
    for one in datasets(sound, registry):
        try:
            placement = one.placement(root, memory)
            data = _opened(one, placement, root)
            provenance.fingerprints[one.key] = str(ask(one.name, data.fingerprint))
            opened.unlearnable.update(unlearnable(sound, one, data, registry))
        except UserError as error:
            opened.faults[one.key] = error.message
        except MemoryError:
            opened.faults[one.key] = f"{one.name}: memory is too small to load it"
        else:
            opened.notes.extend([placement.note] if placement.note else [])
    return opened


def _opened(one: Dataset, placement: Placement, root: Path) -> Any:
    """The data. UserError for what is none, or differs from its info."""
    from lth_bench.data.arrays import Arrays, require_known_classes
    from lth_bench.data.image_files import ImageFiles
    from lth_bench.plugins.asking import ask_for

    expected = ImageFiles if placement.where == "disk" else Arrays
    data: Arrays | ImageFiles = ask_for(expected, one.name, placement.opener(one.dataset), root)
    info = one.info(root)
    try:
        info.require(data.info)
        if info.targets == "class":
            require_known_classes(data.train_y, data.test_y)
    except ValueError as error:
        raise UserError(f"{one.name}: {error}") from error
    if one.planned not in (None, info):
        raise UserError(f"{one.name} has changed since the run was planned; run it again")
    return data


def look_at_data(
    finished: Sequence[Planned],
    registry: Registry,
    root: Path,
    workers: Sequence[str],
    provenance: Provenance,
) -> list[str]:
    """Have `provenance` learn the fingerprints of these experiments' data, for what is finished.

    Costs milliseconds where a dataset has a method `fingerprint`, as the built-in ones have, and an
    opening where it has not. Nothing is downloaded. Returns a sentence for every dataset that
    cannot be read: nothing needs it, and whether it has changed stays unknown.
    """
    from lth_bench.training.input.placement import memory_of

    notes = []
    memory = memory_of(workers)
    for one in datasets(finished, registry):
        try:
            placement = one.placement(root, memory)
            provenance.fingerprints[one.key] = fingerprint_of(
                one.name, one.dataset, placement, root
            )
        except UserError as error:
            notes.append(f"whether the data of {one.label} has changed is unknown: {error.message}")
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


def look_for_faults(
    planned: Sequence[Planned], registry: Registry, root: Path, workers: Sequence[str] = ("cpu",)
) -> dict[str, str]:
    """Task → why it cannot run, as the data tells, for a plan that is not run.

    Opens what is read for its sizes anyway: all data but images. Of images only those whose
    targets an objective takes something from, and only where they are there already.
    """
    sound = [item for item in planned if item.fault is None and _is_at_hand(item, registry, root)]
    return fetch(sound, registry, root, workers)


def fetch(
    planned: Sequence[Planned], registry: Registry, root: Path, workers: Sequence[str] = ("cpu",)
) -> dict[str, str]:
    """Open all data of a plan, as a run does; what is missing is downloaded. Task → why it cannot
    run, of those that cannot.
    """
    from lth_bench.running.provenance import Provenance

    opened = open_data(planned, registry, root, workers, Provenance({}))
    faults = (("/".join(item.experiment.task), opened.fault(item)) for item in planned)
    return {task: fault for task, fault in faults if fault is not None}


def _is_at_hand(item: Planned, registry: Registry, root: Path) -> bool:
    from lth_bench.data.root import DataMissing
    from lth_bench.plugins.asking import ask

    if item.info is None or item.info.inputs != "images":
        return True
    if item.experiment.objective is None:
        return False
    one = next(datasets([item], registry))
    quick = getattr(one.dataset, "fingerprint", None)
    try:
        if callable(quick):
            ask(one.name, quick, root)
    except DataMissing:
        return False
    except UserError:
        pass  # opening it tells
    return True
