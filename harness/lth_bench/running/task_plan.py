"""A task of a suite before anything is loaded: its sizes and its layers, or why it cannot run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.analysis.boards.notes import prunable_share
from lth_bench.data.arrays import DatasetInfo
from lth_bench.data.info import InputShape
from lth_bench.errors import UserError, WrongDeclaration, describe_error, error_text
from lth_bench.params import build, canonical
from lth_bench.plugins.asking import ask_for
from lth_bench.plugins.source import source_hash
from lth_bench.system.blame import ends_the_run, where
from lth_bench.training.recipe import Recipe
from lth_bench.training.suitable import require_suitable_recipe

if TYPE_CHECKING:
    from torch import nn

    from lth_bench.masks import Layer
    from lth_bench.objectives import Metric, Objective
    from lth_bench.plugins import Registry
    from lth_bench.structure import UnitGroup
    from lth_bench.suite.spec import Component, StrategySpec, TaskSpec
    from lth_bench.training.start import Start


@dataclass(frozen=True, kw_only=True)
class TaskFacts:
    """What is known of a task before anything is trained; fields are only ever added."""

    train_size: int
    """Training examples, without those that the recipe holds out for validation."""
    input_shape: InputShape
    """Of an example, as a model is built for it: [C, H, W] of an image, where `kind` is "images";
    it may be "features" or "tokens"."""
    classes: int
    total_steps: int
    """Steps of a full training."""
    steps_per_epoch: int
    layer_counts: Mapping[str, int]
    """Prunable layer → its weights."""
    layer_kinds: Mapping[str, str]
    """Prunable layer → `conv`, `linear` or `output`."""
    has_momentum: bool = True
    """Whether the optimizer keeps a momentum: Adam's first moment, or `sgd` with one above 0."""
    layers: tuple[Layer, ...]
    """The prunable layers, as `ticket.layers`."""
    build: Callable[[], nn.Module] = field(repr=False)
    """Builds the network, with initial values of no seed."""
    recipe: Recipe = field(repr=False)
    """How the task trains."""

    def require_bits(self, bits: int) -> None:
        """ValueError where a training in so many bits (`Recipe.bits`) is not possible: for other
        optimizers than `sgd`, for bfloat16, for a network of other layers than convolutions and
        linear ones.
        """
        from lth_bench.training.engine.rounding import require_roundable

        replace(self.recipe, bits=bits)
        require_roundable(self.build(), self.layers, bits)

    @cached_property
    def units(self) -> tuple[UnitGroup, ...]:
        """Groups of coupled channels and neurons, as `ticket.units`, found on first use. UserError
        for a network that has none, or whose units cannot be removed one by one.
        """
        from lth_bench.structure import removable_units

        return removable_units(self.build(), self.input_shape)


@dataclass(frozen=True, kw_only=True)
class TaskPlan:
    """What the experiments of one task have in common."""

    spec: TaskSpec
    model: dict[str, Any]
    """Configuration: name, params, and the identity of its start if it has one."""
    dataset: dict[str, Any]
    recipe: dict[str, Any]
    model_label: str
    dataset_label: str
    total_steps: int
    """0 where there is a fault."""
    source: str
    layer_counts: Mapping[str, int]
    layer_kinds: Mapping[str, str]
    parameters: int = 0
    """All of the network's, prunable or not; 0 where there is a fault."""
    rest: tuple[str, ...] = ()
    """Names of the parameters that are not prunable, the largest first."""
    declared: bool = False
    """Whether the model or the suite says what is prunable, other than by default."""
    facts: TaskFacts | None = None
    """None where there is a fault."""
    info: DatasetInfo | None = None
    """Its dataset's sizes; None where they cannot be told."""
    objective: dict[str, Any] | None = None
    """Name and parameters; None of plain cross-entropy, which identities leave out."""
    metric: Metric | None = None
    """The objective's primary metric; None where there is a fault."""
    start: Start | None = None
    """What fixes initial values; None if all are drawn."""
    fault: str | None = None
    """Why the task cannot run: its dataset cannot be read, or its network cannot be built. Its
    experiments fail with this reason, and the other tasks run."""


def plan_task(spec: TaskSpec, registry: Registry, data_root: Path) -> TaskPlan:
    """Build a task's network, without values, and read its dataset's sizes.

    UserError for parameters that are none, for a recipe that the dataset is too small for, and for
    a declaration of what is prunable or a start that does not fit the network.
    """
    model = build(
        registry.get("models", spec.model.name), spec.model.params, f"model {spec.model.name!r}"
    )
    name = f"dataset {spec.dataset.name!r}"
    dataset = build(registry.get("datasets", spec.dataset.name), spec.dataset.params, name)
    recipe = build(Recipe, spec.recipe, f"recipe {spec.recipe_name!r}")
    known = TaskPlan(
        spec=spec,
        model={"name": spec.model.name, "params": canonical(model), **spec.declared},
        dataset={"name": spec.dataset.name, "params": canonical(dataset)},
        recipe=canonical(recipe),
        model_label=spec.model.label,
        dataset_label=spec.dataset.label,
        total_steps=0,
        source=source_hash(type(model)) + source_hash(type(dataset)),
        layer_counts={},
        layer_kinds={},
    )
    try:
        info = ask_for(DatasetInfo, name, dataset.info, data_root)
    except UserError as error:
        return replace(known, fault=error.message)
    objective, config = _objective(spec, registry, info)
    require_suitable_recipe(recipe, info, objective, spec.recipe_name, spec.dataset.label)
    _require_threshold(spec, objective)
    known = replace(known, objective=config, metric=objective.primary, info=info)
    if config is not None:
        known = replace(known, source=known.source + source_hash(type(objective)))
    train_size = info.train_size - recipe.val_size
    if train_size < recipe.batch_size:
        raise UserError(
            f"recipe {spec.recipe_name!r}: dataset {spec.dataset.label!r} has {info.train_size} "
            f"training examples, which leaves {train_size} after val_size = {recipe.val_size}: "
            f"not one batch of {recipe.batch_size}; lower val_size or batch_size"
        )
    try:
        layers, rest, declared = outline(known.model, model, info)
    except WrongDeclaration:  # a mistake in the suite or the model, not a network that cannot run
        raise
    except UserError as error:
        return replace(known, fault=error.message)
    counts: dict[str, int] = {x.name: x.numel for x in layers}
    kinds: dict[str, str] = {x.name: x.kind for x in layers}
    if spec.decision_boundary:
        _require_planar(spec, model, info)
    start = _start(spec.model, model, info, recipe.dtype)
    if start is not None:
        known.model["start"] = start.identity
    facts = TaskFacts(
        train_size=train_size,
        input_shape=InputShape.of(info.input_shape),
        classes=info.classes,
        total_steps=recipe.total_steps(train_size),
        steps_per_epoch=recipe.steps_per_epoch(train_size),
        layer_counts=counts,
        layer_kinds=kinds,
        has_momentum=recipe.has_momentum,
        layers=layers,
        build=partial(_built, spec.model.name, model, info),
        recipe=recipe,
    )
    if recipe.bits is not None:
        try:
            facts.require_bits(recipe.bits)
        except UserError as refusal:
            what = f"recipe {spec.recipe_name!r} on {spec.model.label}"
            raise UserError(f"{what}: {refusal.message}") from refusal
    return replace(
        known,
        total_steps=facts.total_steps,
        layer_counts=counts,
        layer_kinds=kinds,
        parameters=sum(counts.values()) + sum(rest.values()),
        rest=tuple(sorted(rest, key=lambda name: -rest[name])),
        declared=declared,
        facts=facts,
        start=start,
    )


def shapes_of(
    task: TaskPlan, registry: Registry
) -> tuple[dict[str, tuple[int, ...]], tuple[Layer, ...]]:
    """Of a task without a fault: the shapes of its state dict, and the prunable layers."""
    from lth_bench.models.declared import declared_by
    from lth_bench.models.prunable import prunable_layers

    assert task.info is not None
    name, info = task.spec.model.name, task.info
    model = build(registry.get("models", name), task.spec.model.params, f"model {name!r}")
    module = _network(name, model, info)
    layers = prunable_layers(
        module, info.input_shape, info.classes, info.targets, declared_by(model, task.model)
    )
    return {k: tuple(v.shape) for k, v in module.state_dict().items()}, layers


def as_trained(task: TaskPlan, spec: StrategySpec, registry: Registry, data_root: Path) -> TaskPlan:
    """The task as this strategy trains it: tuning may have found another recipe for it."""
    recipe = spec.recipe_on(task.spec)
    if recipe == task.spec.recipe:
        return task
    return plan_task(replace(task.spec, recipe=recipe), registry, data_root)


def require_suitable(strategy: Any, task: TaskFacts | None, what: str) -> None:
    """UserError where the strategy's own `check_task` says that its parameters do not suit the
    task: a batch larger than the training split, a step beyond the end of training.
    """
    check = getattr(strategy, "check_task", None)
    if check is None:
        return
    try:
        check(task)
    except ValueError as error:
        raise UserError(f"{what}: {error_text(error)}") from error
    except BaseException as error:  # whatever a plugin's method raises
        if ends_the_run(error):
            raise
        raise UserError(
            f"{what}: check_task raised {describe_error(error)}{where(error)}"
        ) from error


def _require_threshold(spec: TaskSpec, objective: Objective) -> None:
    """UserError for a `generalises_at` that no network reaches, such as a percentage."""
    at, primary = spec.generalises_at, objective.primary
    if at is not None and primary.unit == "fraction" and at > 1:
        hint = f"; did you mean {at / 100:g}?" if at <= 100 else ""
        raise UserError(
            f"generalises_at of {spec.label} must lie in (0, 1], as {primary.name} does, but got "
            f"{at:g}{hint}"
        )


def _require_planar(spec: TaskSpec, model: Any, info: DatasetInfo) -> None:
    """UserError, with its place in the suite, where no decision boundary can be drawn."""
    from lth_bench.lottery.boundary import require_planar

    try:
        require_planar(spec.label, _network(spec.model.name, model, info), info)
    except UserError as error:
        raise UserError(error.message, (*spec.at, "decision_boundary")) from error


def _objective(
    spec: TaskSpec, registry: Registry, info: DatasetInfo
) -> tuple[Objective, dict[str, Any] | None]:
    """The task's objective, or the dataset's own, with its name and parameters; None in their place
    for plain cross-entropy. UserError where it cannot learn from the dataset's targets.
    """
    from lth_bench.objectives import CrossEntropy, Objective, require_fit

    asked = spec.objective
    name = asked.name if asked is not None else info.objective
    params = asked.params if asked is not None else {}
    made = build(registry.get("objectives", name), params, f"objective {name!r}")
    if not isinstance(made, Objective):
        raise UserError(
            f"objective {name!r} must be derived from lth_bench.objectives.Objective, but is a "
            f"{type(made).__name__}"
        )
    require_fit(name, made, info, spec.dataset.label)
    plain = type(made) is CrossEntropy
    return made, None if plain else {"name": name, "params": canonical(made)}


def _start(model: Component, built: Any, info: DatasetInfo, dtype: str) -> Start | None:
    if model.start is None:
        return None
    from lth_bench.running.starts import find_start

    try:
        return find_start(model.start, _network(model.name, built, info), model.name, dtype)
    except UserError as error:
        raise UserError(error.message, (*model.at, "start")) from error


def _network(name: str, model: Any, info: DatasetInfo) -> nn.Module:
    """The network, without values where that is possible."""
    from lth_bench.models.tracing import shapes_only

    try:
        with shapes_only():  # whatever width a suite asks for
            return _built(name, model, info)
    except UserError:  # perhaps of a network that looks at its values while it is made
        return _built(name, model, info)


def _built(name: str, model: Any, info: DatasetInfo) -> nn.Module:
    """The network with initial values, which are no seed's."""
    from torch import nn

    from lth_bench.training.randomness import seeded

    with seeded("shape"):
        shape, classes = info.input_shape, info.classes
        made = ask_for(nn.Module, f"model {name!r}", model.build, shape, classes)
    assert isinstance(made, nn.Module)
    return made


class Outline(NamedTuple):
    """A network's parameters."""

    layers: tuple[Layer, ...]
    """The prunable ones."""
    rest: dict[str, int]
    """Sizes of all others."""
    declared: bool
    """Whether the model or the suite declares what is prunable."""


def outline(config: Mapping[str, Any], model: Any, info: DatasetInfo) -> Outline:
    """The parameters of the network that `model` builds. An input that the network cannot take is
    named here.
    """
    from lth_bench.models.declared import declared_by
    from lth_bench.models.prunable import prunable_layers

    name = config["name"]
    module = _network(name, model, info)
    try:
        declared = declared_by(model, config)
        layers = prunable_layers(module, info.input_shape, info.classes, info.targets, declared)
    except UserError as refusal:
        raise type(refusal)(f"model {name!r}: {refusal.message}") from refusal
    prunable = {id(module.get_parameter(x.key)) for x in layers}
    rest = {n: p.numel() for n, p in module.named_parameters() if id(p) not in prunable}
    return Outline(layers, rest, bool(declared.steps))


def shares(tasks: Sequence[TaskPlan]) -> tuple[str, ...]:
    """What is said of networks much of which is not prunable, or where it is declared; each
    once.
    """
    said: dict[str, None] = {}
    for task in tasks:
        prunable = sum(task.layer_counts.values())
        told = prunable_share(prunable, task.parameters, task.rest, declared=task.declared)
        if told:
            said[f"{task.model_label}: {told}"] = None
    return tuple(said)
