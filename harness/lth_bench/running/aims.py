"""Whether an objective can learn from a training split: asked before anything trains."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError

if TYPE_CHECKING:
    from lth_bench.data.arrays import Arrays
    from lth_bench.data.image_files import ImageFiles
    from lth_bench.plugins import Registry
    from lth_bench.running.datasets import Dataset
    from lth_bench.running.plan import Planned


@dataclass(frozen=True)
class Aim:
    """An objective on the training split of a dataset, without the validation examples."""

    dataset: str
    """Digest of its configuration."""
    objective: Mapping[str, Any] | None
    """Name and parameters; None of plain cross-entropy."""
    recipe: Mapping[str, Any]
    name: str
    """The recipe's."""

    @classmethod
    def of(cls, item: Planned) -> Aim:
        """An experiment's."""
        from lth_bench.training.keys import digest

        e = item.experiment
        return cls(digest(e.dataset), e.objective, e.recipe, e.recipe_name)

    @property
    def key(self) -> str:
        """Equal where objective, dataset and the number of validation examples are."""
        from lth_bench.training.keys import digest

        return digest([self.dataset, self.objective, self.val_size])

    @property
    def val_size(self) -> int:
        """Examples of the training split that the recipe holds out."""
        from lth_bench.params import build
        from lth_bench.training.recipe import Recipe

        return build(Recipe, self.recipe, f"recipe {self.name!r}").val_size


def unlearnable(
    planned: Iterable[Planned], one: Dataset, data: Arrays | ImageFiles, registry: Registry
) -> dict[str, str]:
    """Aim's key → why its objective cannot be bound to the dataset's training targets."""
    faults: dict[str, str] = {}
    aims = {aim.key: aim for item in planned if (aim := Aim.of(item)).dataset == one.key}
    for key, aim in aims.items():
        try:
            _bind(aim, one, data, registry)
        except UserError as error:
            faults[key] = error.message
    return faults


def _bind(aim: Aim, one: Dataset, data: Arrays | ImageFiles, registry: Registry) -> None:
    from lth_bench.data.splits import train_and_val
    from lth_bench.objectives import Objective
    from lth_bench.params import build
    from lth_bench.plugins.asking import ask_for

    if aim.objective is None:
        return
    name = f"objective {aim.objective['name']!r}"
    made = build(registry.get("objectives", aim.objective["name"]), aim.objective["params"], name)
    if type(made).bound is Objective.bound:
        return  # it takes nothing from the targets
    info = data.info
    train, _ = train_and_val(data.train_y, info.targets, aim.val_size, data.fingerprint())
    where = f"{name} on {one.name}"
    ask_for(type(made), where, made.bound, data.train_y[train], info)
