"""A task with other data, or another recipe, beside the task itself: what an ablation trains on."""

from __future__ import annotations

from collections.abc import Callable

from lth_bench.training.dispatch.serving import Work
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.input.ablated import AblatedView, ablated_data
from lth_bench.training.recipe import Recipe


def with_data(bench: Workbench, view: AblatedView) -> Workbench:
    """The task as a search sees it that is given ablated training and validation data."""
    return _once(bench, view, lambda: Variant(bench, view=view))


def with_recipe(bench: Workbench, recipe: Recipe) -> Workbench:
    """The task with another recipe of the same precision and validation split."""
    return _once(bench, repr(recipe), lambda: Variant(bench, recipe=recipe))


def without_variants(bench: Workbench) -> Workbench:
    """The task's own, where this is a variant of it."""
    while isinstance(bench, Variant):
        bench = bench._whole
    return bench


def _once(bench: Workbench, name: str, make: Callable[[], Workbench]) -> Workbench:
    if name not in bench.variants:
        bench.variants[name] = make()
    return bench.variants[name]


class Variant(Workbench):
    """Shares the task's network, kept trainings, measured cohort sizes and device. Its trainings
    have addresses of their own, and their work counts as the task's.
    """

    def __init__(
        self, whole: Workbench, *, view: AblatedView | None = None, recipe: Recipe | None = None
    ) -> None:
        self.__dict__.update(whole.__dict__)
        self._whole, self.variants = whole, {}
        if view is not None:
            self.data, self.view = ablated_data(whole.data, view), view
            self._config = {
                **whole._config,
                "data": {**whole._config["data"], "seen": view},
            }
        if recipe is not None:
            self.recipe = recipe
        self.total_steps = self.recipe.total_steps(len(self.data.train))
        self.forget()

    @property
    def _serving(self) -> bool:  # one of the variants trains at a time
        return self._whole._serving

    @_serving.setter
    def _serving(self, serving: bool) -> None:
        self._whole._serving = serving

    @property
    def trained(self) -> Work:
        """What was trained for the task, in whichever variant."""
        return self._whole.trained

    @trained.setter
    def trained(self, work: Work) -> None:
        self._whole.trained = work
