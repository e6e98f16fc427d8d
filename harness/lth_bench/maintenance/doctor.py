"""`doctor`: check the machine, the results, data and plugins. Changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lth_bench.data.root import DataMissing, data_root, offline, user_cache, writable
from lth_bench.errors import UserError
from lth_bench.maintenance import Diagnosis
from lth_bench.maintenance.machine import check_folder, check_memory, check_torch, check_versions
from lth_bench.maintenance.results import check_results
from lth_bench.store.paths import Paths
from lth_bench.system.files import read_json


def examine(
    paths: Paths, plugin_files: Sequence[Path] = (), third_party: bool = True
) -> Iterator[Diagnosis]:
    """Run all checks, and yield each diagnosis as soon as it is made; some take a second."""
    yield from check_versions()
    yield from check_torch()
    yield from check_memory()
    results = "--results or LTH_BENCH_RESULTS"
    yield from check_folder("results folder", paths.results.absolute().parent, results)
    yield from check_results(paths)
    yield from check_data(third_party)
    yield from check_plugins(plugin_files, third_party)
    yield from check_cache()


def check_data(third_party: bool) -> Iterator[Diagnosis]:
    """Check the data root, and the data of the shipped suites."""
    try:
        root = data_root()
    except UserError as error:
        yield Diagnosis("problem", "data root", error.message)
        return
    place = root
    while not place.exists() and place != place.parent:
        place = place.parent
    if writable(place):
        yield from check_folder("data root", root.absolute(), "LTH_BENCH_DATA")
    else:  # this is enough to read data
        yield Diagnosis("ok", "data root", f"{root}, read-only, so nothing can be downloaded there")
    for name, suites, dataset in shipped_datasets(third_party):
        what = f"data {name}"
        used = f"for {', '.join(suites)}"
        find = getattr(dataset, "find", None)
        if find is None:
            yield _of_files(dataset, root, what, used)
        elif find(root):
            yield Diagnosis("ok", what, f"found, {used}")
        elif offline():
            yield Diagnosis(
                "warning",
                what,
                f"missing, {used}; expected {dataset.needs(root)}",
                "unset LTH_BENCH_OFFLINE to download it, or copy it there",
            )
        else:
            yield Diagnosis(
                "ok", what, f"not downloaded yet, {used}; the first run that needs it downloads it"
            )


def _of_files(dataset: Any, root: Path, what: str, used: str) -> Diagnosis:
    """Of a dataset that is never downloaded: it comes with a package, or is the user's files."""
    try:
        dataset.info(root)
    except DataMissing as error:
        return Diagnosis("warning", what, f"missing, {used}", error.message)
    except UserError as error:
        return Diagnosis("problem", what, error.message)
    return Diagnosis("ok", what, f"found, {used}")


def shipped_datasets(third_party: bool) -> list[tuple[str, list[str], Any]]:
    """Each dataset of the shipped suites: its label, the suites that use it, and the dataset."""
    from lth_bench.params import build
    from lth_bench.plugins import load_registry
    from lth_bench.suite import load_suite
    from lth_bench.suite.source import shipped

    registry = load_registry(third_party=third_party)
    found: dict[str, tuple[str, list[str], Any]] = {}
    for name, path in shipped().items():
        try:
            parts = {task.dataset.label: task.dataset for task in load_suite(path).tasks}
            for label, part in parts.items():
                dataset = build(registry.get("datasets", part.name), part.params)
                found.setdefault(label, (label, [], dataset))[1].append(name)
        except UserError:
            continue  # `ls suites` shows why a suite cannot be read
    return list(found.values())


def check_plugins(files: Sequence[Path], third_party: bool) -> Iterator[Diagnosis]:
    """Import every plugin; a problem for each that cannot be used."""
    from lth_bench.plugins import load_registry

    try:
        registry = load_registry(files, third_party)
    except UserError as error:
        yield Diagnosis("problem", "plugins", error.message)
        return
    count, broken = 0, []
    for group in registry.groups.values():
        for name, entry in sorted(group.items()):
            count += 1
            try:
                entry.load()
            except UserError as error:
                broken.append((name, error.message))
    for name, reason in broken:
        yield Diagnosis(
            "problem",
            f"plugin {name}",
            reason,
            "fix or uninstall it; until then, suites that use it fail",
        )
    if not broken:
        yield Diagnosis("ok", "plugins", f"all {count} can be used")


def check_cache() -> Iterator[Diagnosis]:
    """Check the user's cache of measured cohort sizes and decoded data."""
    folder = user_cache()
    try:
        fine = writable(folder)
    except OSError:
        fine = False
    if not fine:
        yield Diagnosis(
            "warning",
            "cache",
            f"{folder} is not writable, so every run measures cohort sizes and decodes data again",
            "make it writable, or set LTH_BENCH_CACHE to another folder",
        )
        return
    yield Diagnosis("ok", "cache", str(folder))
    file = folder / "widths.json"  # cohort_sizes_file() would import torch, which may be broken
    if not file.exists():
        yield Diagnosis("ok", "cohort sizes", "none measured yet; the first run measures them")
        return
    try:
        known = read_json(file)
        count = len(known) if isinstance(known, dict) else None
    except (OSError, ValueError):
        count = None
    if count is None:
        yield Diagnosis(
            "warning", "cohort sizes", f"{file} is damaged", f"delete it: rm {os.fspath(file)}"
        )
    else:
        yield Diagnosis("ok", "cohort sizes", f"{count} measured, in {file}")
