"""A task's network, built again from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lth_bench.data.info import DatasetInfo, InputShape
from lth_bench.data.root import data_root
from lth_bench.errors import UserError
from lth_bench.masks import Layer
from lth_bench.models.declared import declared_by
from lth_bench.models.prunable import prunable_layers
from lth_bench.params import build
from lth_bench.plugins import load_registry
from lth_bench.plugins.asking import ask_for
from lth_bench.training.keys import digest
from lth_bench.training.randomness import seeded
from lth_bench.training.start import started, without_start
from lth_bench.training.state import State


@dataclass(frozen=True, kw_only=True)
class TaskNetwork:
    """Builds a network of a task, and knows its layers."""

    model: Any
    """The plugin's instance."""
    config: Mapping[str, Any]
    """`{"name": …, "params": …}`, and `start` if it has one."""
    input_shape: tuple[int, ...]
    """[C, H, W] of one example."""
    classes: int
    dtype: torch.dtype
    layers: tuple[Layer, ...]
    shapes: Mapping[str, tuple[int, ...]]
    """Of all parameters and buffers, by state-dict key."""

    def network(self, *purpose: object) -> nn.Module:
        """A fresh network on the CPU; `purpose` decides its values."""
        return _built(
            self.model,
            self.config,
            self.input_shape,
            self.classes,
            dtype=self.dtype,
            purpose=purpose,
        )

    def initial(
        self, seed: int, purpose: str = "init", start: Mapping[str, Tensor] | None = None
    ) -> State:
        """The values before training, as a run has them: a function of model and seed alone, apart
        from those that `start` fixes.
        """
        module = self.network(purpose, digest(without_start(self.config)), seed)
        values = {k: v.detach().clone() for k, v in module.state_dict().items()}
        if purpose != "reinit":
            values = started(values, start or {})
        return State(values, 0, self.layers)


def rebuilt(
    model: Mapping[str, Any],
    recipe: Mapping[str, Any],
    dataset: Mapping[str, Any] | None = None,
    shape: tuple[tuple[int, ...], int] | None = None,
    *,
    plugins: Sequence[str | Path] = (),
    no_plugins: bool = False,
) -> TaskNetwork:
    """Of a model's configuration, for its dataset's `info`, or for a `shape` (input, classes).

    `plugins` are one-file plugins; `no_plugins` ignores those of other packages. UserError where a
    plugin is not installed here, or its network cannot be built.
    """
    registry = load_registry([Path(file) for file in plugins], not no_plugins)
    name = f"model {model['name']!r}"
    made = build(registry.get("models", str(model["name"])), model["params"], name)
    if shape is None:
        assert dataset is not None
        what = f"dataset {dataset['name']!r}"
        one = build(registry.get("datasets", str(dataset["name"])), dataset["params"], what)
        info: DatasetInfo = ask_for(DatasetInfo, what, one.info, data_root())
        shape = info.input_shape, info.classes
    input_shape, classes = shape
    dtype = torch.float64 if recipe.get("dtype") == "float64" else torch.float32
    module = _built(made, model, input_shape, classes, dtype=dtype, purpose=("shape",))
    return TaskNetwork(
        model=made,
        config=model,
        input_shape=input_shape,
        classes=classes,
        dtype=dtype,
        layers=prunable_layers(
            module,
            input_shape,
            classes,
            InputShape.of(input_shape).targets,
            declared_by(made, model),
        ),
        shapes={k: tuple(v.shape) for k, v in module.state_dict().items()},
    )


def _built(
    model: Any,
    config: Mapping[str, Any],
    input_shape: tuple[int, ...],
    classes: int,
    *,
    dtype: torch.dtype,
    purpose: tuple[object, ...],
) -> nn.Module:
    name = f"model {config['name']!r}"
    with seeded(*purpose):
        module: nn.Module = ask_for(nn.Module, name, model.build, input_shape, classes)
    return module.to(dtype)


def load_values(module: nn.Module, values: Mapping[str, Any], what: str) -> nn.Module:
    """Load a state dict, all of it. UserError where it is another network's."""
    try:
        module.load_state_dict(dict(values))
    except RuntimeError as error:
        first = str(error).splitlines()[1:2] or [str(error)]
        raise UserError(
            f"{what} does not fit {type(module).__name__}: {first[0].strip()}"
        ) from None
    return module
