"""Model-steps per second of the three loops, measured in turn in one run.

`cores` processes of this package run together on a CPU, one thread each, as a run has them; on a
GPU one. The conventional loop has the machine to itself. Every round measures every variant once,
so that whatever else the machine does falls on all of them; a result is the median of the rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from lth_bench.system.devices import cores
from training import tasks
from training.crew import Crew
from training.floors import products
from training.nets import MNIST, NETS, Net, net_on
from training.paper import paper_floor

WORKERS = (0, 1, 2, 4)
"""Loader workers that the conventional loop is quoted at; the first is a DataLoader's default."""


@dataclass
class Variant:
    """One way to train one network, and its model-steps a second in each round."""

    net: str
    loop: str
    """`conventional`, `ours` or `floor`."""
    settings: dict[str, Any]
    rates: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Median model-steps a second."""
        return median(self.rates)

    def as_dict(self, batch: int) -> dict[str, Any]:
        """As JSON."""
        return {
            "net": self.net,
            "loop": self.loop,
            **self.settings,
            "n": len(self.rates),
            "model_steps_per_second": self.rate,
            "low": min(self.rates),
            "high": max(self.rates),
            "images_per_second": self.rate * batch,
        }


@dataclass(frozen=True)
class Plan:
    """What is measured of one network."""

    net: str
    device: str
    widths: tuple[int | str, ...] = ("auto", 4)
    """Of this package beside 1; `auto` is what the engine chooses."""
    floor_widths: tuple[int, ...] = ()
    """Of the bare products beside 1 and the engine's choice."""
    rounds: int = 3
    seconds: float = 1.0
    """Time of every variant in every round; at least one step is timed."""
    conventional: bool = True


def measure(
    plan: Plan, theirs: Crew, mine: Crew, say: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Rows of the table, with each one's percentage of the floor."""
    net, many = NETS[plan.net], {"processes": mine.size}
    where = (plan.net, plan.device)
    settings = conventional_settings(net) if plan.conventional else []
    conventional = [Variant(plan.net, "conventional", s) for s in settings]
    ours = [Variant(plan.net, "ours", {"width": w, **many}) for w in (1, *plan.widths)]
    for v in ours:
        found = mine.run(tasks.ours_prepare, *where, v.settings["width"])
        v.settings["engine_width"], v.settings["variant"] = found[0]
    floors: dict[int, list[Variant]] = {}
    chosen = {v.settings["engine_width"] for v in ours if v.settings["width"] == "auto"}
    for width in sorted({1, *chosen, *plan.floor_widths}):
        ways = mine.run(tasks.floor_ways, *where, width)[0]
        floors[width] = [
            Variant(plan.net, "floor", {"width": width, "way": w, **many}) for w in ways
        ]
    for number in range(plan.rounds):
        say(f"{plan.net}: round {number + 1} of {plan.rounds}")
        for v in conventional:
            how = (v.settings["workers"], v.settings["threads"], plan.seconds)
            v.rates += theirs.run(tasks.conventional_rate, *where, *how)
        for v in ours:
            how = (v.settings["width"], plan.seconds)
            v.rates.append(sum(mine.run(tasks.ours_rate, *where, *how)))
        for width, ways in floors.items():
            for v in ways:
                how = (width, v.settings["way"], plan.seconds)
                v.rates.append(sum(mine.run(tasks.floor_rate, *where, *how)))
            # only the fastest way is measured again
            floors[width] = [max(ways, key=lambda v: v.rate)]
    return rows(plan, [*conventional, *ours, *(ways[0] for ways in floors.values())])


def rows(plan: Plan, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """Each variant beside the floor and the conventional loop's default and best.

    The floor is the fastest of the bare products, whatever their width.
    """
    net = net_on(plan.net, plan.device)
    batch = net.recipe.batch_size
    floor = max((v.rate for v in variants if v.loop == "floor"), default=None)
    conventional = [v.rate for v in variants if v.loop == "conventional"]
    paper = None
    if plan.device != "cpu":
        found = products(net.build(), net.shape, batch)
        paper = paper_floor(found, net.recipe.dtype, net.recipe.optimizer)
    made = []
    for v in variants:
        row = v.as_dict(batch)
        row["batch"] = batch
        row["dtype"] = "float32" if v.loop == "conventional" else net.recipe.dtype
        row["augmented"] = bool(net.recipe.crop or net.recipe.flip)
        row["percent_of_floor"] = 100 * v.rate / floor if floor else None
        row["percent_of_paper_floor"] = 100 * v.rate * paper.seconds if paper else None
        row["times_conventional_default"] = v.rate / conventional[0] if conventional else None
        row["times_conventional_best"] = v.rate / max(conventional) if conventional else None
        row["seconds_per_model_epoch"] = net.epoch / batch / v.rate
        made.append(row)
    return made


def conventional_settings(net: Net) -> list[dict[str, Any]]:
    """Default first. One thread beside the workers helps the small network's loop only."""
    settings: list[dict[str, Any]] = [{"workers": w, "threads": None} for w in WORKERS]
    if net.shape == MNIST:
        settings += [{"workers": w, "threads": 1} for w in WORKERS]
    return settings


def crews(device: str) -> tuple[Crew, Crew]:
    """The conventional loop's process, and this package's."""
    size = cores() if device == "cpu" else 1
    return Crew(1, tasks.prepare_conventional), Crew(size, tasks.prepare_ours, device)
