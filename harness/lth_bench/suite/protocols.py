"""How the papers trained: rows of `suites/papers/protocols.csv`, and in what a recipe differs.

A row is a paper's network and data: the model and the dataset here that are the same, and how long
and with what it was trained, as far as the file knows it. A field that is empty is not known, and
nothing is said of it but that.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from lth_bench.suite.published import Figure
from lth_bench.suite.source import FOLDER

FILE = FOLDER / "papers" / "protocols.csv"
NUMBERS = {
    "batch_size": "batch size", "lr": "learning rate", "momentum": "momentum",
    "weight_decay": "weight decay",
}  # fmt: skip
"""Fields that are numbers here and there, and how they are called."""
DEFAULTS: Mapping[str, Any] = {"momentum": 0.0, "weight_decay": 0.0, "optimizer": "sgd"}
"""What a recipe has where its record leaves a field out."""


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a paper trained one network on one dataset; "" is not known."""

    paper: str
    """What its figures' names begin with: `renda2020`."""
    network: str
    dataset: str
    """As the paper calls them."""
    model: str
    """The model here, with the parameters that make it the paper's: `wide_resnet(depth=22,…)`."""
    data: str
    length: str
    """`50000 steps` or `182 epochs`."""
    batch_size: str
    optimizer: str
    lr: str
    momentum: str
    weight_decay: str
    augmentation: str
    """`none`, `crop`, `resized crop`, `flip`, `crop and flip` or `resized crop and flip`."""
    basis: str
    """`source`: read in the paper or its code; `unverified`: at second hand."""

    def is_task(self, model: str, dataset: str) -> bool:
        """Whether a task's model and dataset, by their labels here, are the paper's. They may have
        further parameters; a model's are a difference of protocol.
        """
        return _fits(self.model, model) and _fits(self.data, dataset)

    def differences(self, model: str, recipe: Mapping[str, Any]) -> Iterator[str]:
        """In what a task differs from it, and what is not known of it: `batch size 60 here, 128
        there`.
        """
        unknown = []
        extra = set(model.rstrip(")").partition("(")[2].split(",")) - {""}
        extra -= set(self.model.rstrip(")").partition("(")[2].split(","))
        if extra:
            yield f"{', '.join(sorted(extra))} here"
        here = _length(recipe)
        if not self.length:
            unknown.append("length")
        elif here != self.length:
            yield f"{_spaced(here)} here, {_spaced(self.length)} there"
        optimizer = str(recipe.get("optimizer", DEFAULTS["optimizer"]))
        if not self.optimizer:
            unknown.append("optimizer")
        elif optimizer != self.optimizer:
            yield f"{optimizer} here, {self.optimizer} there"
        for key, words in NUMBERS.items():
            there, own = getattr(self, key), recipe.get(key, DEFAULTS.get(key))
            if not there:
                unknown += [words] if key != "momentum" else []
            elif own is None or abs(float(own) - float(there)) > 1e-12:
                yield f"{words} {'the default' if own is None else f'{own:g}'} here, {there} there"
        if not self.augmentation:
            unknown.append("augmentation")
        elif _augmentation(recipe) != self.augmentation:
            yield f"augmentation {_augmentation(recipe)} here, {self.augmentation} there"
        if unknown:
            yield f"not known of the paper: {', '.join(unknown)}"


@cache
def protocols() -> tuple[Protocol, ...]:
    """Every row, in the order of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(Protocol(**row) for row in csv.DictReader(file))


def protocol_of(figure: Figure) -> Protocol | None:
    """How a figure's network was trained; None where there is no such model or dataset here."""
    paper = figure.name.partition("/")[0]
    key = (paper, figure.network, figure.dataset)
    return next((p for p in protocols() if (p.paper, p.network, p.dataset) == key), None)


def _fits(published: str, label: str) -> bool:
    """Whether a label has the paper's name, and among its parameters the paper's."""
    name, _, wanted = published.rstrip(")").partition("(")
    base, _, given = label.rstrip(")").partition("(")
    return base == name and set(wanted.split(",")) - {""} <= set(given.split(","))


def _length(recipe: Mapping[str, Any]) -> str:
    for unit in ("steps", "epochs"):
        if recipe.get(unit) is not None:
            return f"{recipe[unit]:g} {unit}" if unit == "epochs" else f"{recipe[unit]} {unit}"
    return "the default length"


def _spaced(length: str) -> str:
    """`50000 steps` as `50,000 steps`."""
    number, _, unit = length.partition(" ")
    return f"{int(number):,} {unit}" if number.isdigit() else length


def _augmentation(recipe: Mapping[str, Any]) -> str:
    # a table of defaults is empty
    resized = ["resized crop"] if recipe.get("resized_crop") is not None else []
    found = resized + [name for name in ("crop", "flip") if recipe.get(name)]
    return " and ".join(found) or "none"
