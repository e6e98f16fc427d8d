"""Databases with chosen numbers: `chosen({(label, density): [accuracy of seed 0, …]}, …)`."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store import fold
from lth_bench.store.database import open_safe

RECORDS = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))
Scenario: Any = RECORDS["Scenario"]

Value = float | str | None
"""An accuracy, a status, or None for what has not come yet."""
DENSE = ("dense", 1.0)


@dataclass
class Chosen(Scenario):
    """A suite whose accuracies are given; everything that is not is as in records.py."""

    cells: Mapping[tuple[Any, ...], Sequence[Value]] = field(default_factory=dict)
    """(label, density) or (label/control, density) → value of each seed; with a model before
    them where tasks differ, and with two for a ticket found on the first and trained on the
    second."""
    stops: Mapping[tuple[Any, ...], Sequence[int]] = field(default_factory=dict)
    """Early-stop steps, by the same keys."""
    searches: Mapping[str, int] = field(default_factory=dict)
    """Steps of search by label, 1,000 as many as a training; as in records.py otherwise."""
    empty: Mapping[tuple[Any, ...], Sequence[tuple[Sequence[str], float]]] = field(
        default_factory=dict
    )
    """Layers without a weight, and the effective density, by the same keys."""
    frozen: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Layers by label whose pruned weights are frozen at other values than zero."""
    metrics: Mapping[str, Mapping[tuple[Any, ...], Sequence[float]]] = field(default_factory=dict)
    """Other metrics by name, by the same keys."""
    flops: Mapping[tuple[Any, ...], float] = field(default_factory=dict)
    """FLOPs of a training if pruned weights cost nothing, as a share of the dense one's, by the
    same keys; the density otherwise."""
    sources: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """The task that a label's tickets were found on, where it is another one."""
    answers: Mapping[tuple[Any, ...], Sequence[str]] = field(default_factory=dict)
    """By the same keys: which test examples each seed gets right, as `1101`. Accuracies are theirs,
    unless they are given."""
    baseline: str = "dense"
    decide: Mapping[str, Any] | None = None
    """The rule by which seeds were added, if they were."""

    def run(self) -> dict[str, Any]:
        rule = {} if self.decide is None else {"decide": self.decide}
        return {**super().run(), "baseline": self.baseline, **rule}

    def experiments(self) -> list[dict[str, Any]]:
        planned = []
        for experiment in (e for one in super().experiments() for e in self._from_everywhere(one)):
            own = self._keys(experiment)
            densities = sorted({density for _, density in own}, reverse=True)
            controls = sorted({name.split("/")[1] for name, _ in own if "/" in name})
            source = self.sources.get(experiment["label"], ())
            names = ("source_model", "source_dataset", "source_recipe")
            found = dict(zip(names, source, strict=False))
            if densities:
                planned.append(
                    {**experiment, **found, "densities": densities, "controls": controls}
                )
        return planned

    def results(self, experiment: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for record in super().results({**experiment, "iterative": False}):
            if record["record"] != "ticket":
                yield record
                continue
            control = record["control"]
            name = experiment["label"] + ("" if control == "none" else f"/{control}")
            key = (name, record["target_density"])
            value = self._value(self.cells, experiment, key)
            if isinstance(value, str):
                yield {**record, "status": value, "reason": "chosen", "metrics": {}}
            elif value is not None:
                record["metrics"] |= {"test_accuracy": value, "early_stop_accuracy": value}
                for metric, cells in self.metrics.items():
                    record["metrics"] |= {metric: self._value(cells, experiment, key)}
                right = self._value(self.answers, experiment, key)
                if right is not None:
                    record["right"] = {"test_accuracy": RECORDS["packed"](right)}
                    record["test_examples"] = len(right)
                stop = self._value(self.stops, experiment, key)
                if stop is not None:
                    record["metrics"]["early_stop_step"] = stop
                empty = self._value(self.empty, experiment, key)
                if empty is not None:
                    names, record["effective_density"] = empty
                    for layer in record["layers"]:
                        layer["kept"] *= layer["layer"] not in names
                for layer in record["layers"]:
                    if layer["layer"] in self.frozen.get(experiment["label"], ()):
                        layer["frozen"] = True
                if key in self.flops:
                    whole = record["cost"]["flops_dense"]
                    record["cost"] |= {"flops_masked_theoretical": self.flops[key] * whole}
                steps = self.searches.get(experiment["label"])
                if steps is not None:
                    record["cost"] |= {
                        "search_steps": steps, "search_flops_dense": steps * 1e6,
                        "search_flops_masked_theoretical": steps * 1e6,
                    }  # fmt: skip
                yield record

    def _from_everywhere(self, experiment: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The experiment, and the same with every model that its label's tickets come from."""
        yield experiment
        own, model = experiment["label"], experiment["model"]
        for start in dict.fromkeys(
            key[0] for key in self.cells
            if len(key) == 4 and key[1] == model and key[2].split("/")[0] == own
        ):  # fmt: skip
            changed = RECORDS["digest"](experiment["experiment_id"], start)
            yield {**experiment, "source_model": start, "experiment_id": changed}

    def _keys(self, experiment: dict[str, Any]) -> list[tuple[str, float]]:
        where = self._where(experiment)
        return [
            (key[-2], key[-1]) for key in self.cells
            if key[-2].split("/")[0] == experiment["label"] and key[:-2] in where
        ]  # fmt: skip

    @staticmethod
    def _where(experiment: dict[str, Any]) -> Sequence[tuple[str, ...]]:
        """How keys that are about this experiment may begin."""
        start, model = experiment["source_model"], experiment["model"]
        return ((start, model),) if start != model else ((model,), ())

    def _value(self, cells: Mapping[Any, Any], experiment: dict[str, Any], key: Any) -> Any:
        named = [(*begun, *key) for begun in self._where(experiment)]
        values = next((cells[name] for name in named if name in cells), None)
        place = list(self.seeds).index(experiment["seed"])
        return None if values is None or place >= len(values) else values[place]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """`made(scenario)`: a connection to what a run of it has written.

    The same scenario gives the same connection: a database takes a third of a second to make.
    """
    known: dict[str, Any] = {}

    def make(scenario: Any, *searches: Any) -> Any:
        key = repr((scenario, searches))
        if key not in known:
            folder = tmp_path_factory.mktemp("made")
            paths = RECORDS["write"](folder / "results.duckdb", scenario, *searches)
            fold(paths)
            known[key] = open_safe(paths)
        return known[key]

    yield make
    for con in known.values():
        con.close()


@pytest.fixture(scope="session")
def chosen_class() -> type[Chosen]:
    """The class of scenarios with chosen numbers, to derive others from."""
    return Chosen


@pytest.fixture(scope="session")
def results(made: Callable[..., Any]) -> Callable[..., Any]:
    """`results(**scenario)`: made-up numbers."""
    return lambda **options: made(Scenario(**options))


@pytest.fixture(scope="session")
def chosen(made: Callable[..., Any]) -> Callable[..., Any]:
    """`chosen(cells, **scenario)`: the cells' numbers."""
    return lambda cells, **options: made(scenario(cells, **options))


def scenario(cells: Mapping[tuple[Any, ...], Sequence[Value]], **options: Any) -> Chosen:
    """Labels, tasks and seeds as the cells name them."""
    options.setdefault("seeds", range(max(map(len, cells.values()), default=0)))
    options.setdefault(
        "strategies", list(dict.fromkeys(str(key[-2]).split("/")[0] for key in cells))
    )
    models = list(dict.fromkeys(model for key in cells for model in key[:-2]))
    if models:
        options.setdefault("tasks", [(model, "digits", "short") for model in models])
    return Chosen(cells=cells, **options)
