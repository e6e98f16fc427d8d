"""Does a recipe suit what the dataset and the objective are? Said before anything trains."""

from __future__ import annotations

from lth_bench.data.info import DatasetInfo
from lth_bench.errors import UserError
from lth_bench.objectives import CrossEntropy, Objective
from lth_bench.training.recipe import Recipe


def require_suitable_recipe(
    recipe: Recipe, info: DatasetInfo, objective: Objective, name: str, dataset: str
) -> None:
    """UserError for augmentation of what is no image, and for smoothing of what is no
    cross-entropy.
    """
    what = f"recipe {name!r}"
    if info.inputs != "images":
        for field in ("crop", "resized_crop", "flip"):
            if (value := getattr(recipe, field)) not in (0, None):  # 0 is False
                said = f"{field} = {str(value).lower()}" if isinstance(value, int) else field
                raise UserError(
                    f"{what}: {said} changes images, but dataset {dataset!r} has {info.inputs}; "
                    f"leave {field} out"
                )
    if recipe.label_smoothing and type(objective) is not CrossEntropy:
        raise UserError(
            f"{what}: label_smoothing = {recipe.label_smoothing:g} belongs to the objective "
            f"'cross_entropy', but the task's is {type(objective).__name__}; leave it out"
        )
