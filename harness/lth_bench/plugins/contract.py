"""Checks of a plugin's class, before an instance is made or called.

pluggy calls by name: a misspelt hook would silently not be called, and a misspelt argument not be
passed. So anything that looks like a hook must be one.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from typing import Any, get_args

from lth_bench import hookspecs
from lth_bench.data.info import Targets

HOOKS = (*hookspecs.STRATEGY_HOOKS, *hookspecs.OBSERVER_HOOKS)
STRATEGY_ONLY = ("select_mask", "rewind_point", "train")
"""The hooks that decide a result; observers must not have them."""
FLAGS = ("iterative", "dynamic", "structured", "dense_only", "seed_independent")
"""Class attributes read by the harness and its contracts, each True or False."""
REACHES = "reaches"
"""Class attribute, or property, of strategies that can reach only a few densities."""
METHODS: dict[str, dict[str, tuple[str, ...]]] = {
    "strategies": {
        "dense_checkpoints": ("total_steps",),
        "search_steps": ("total_steps",),
        "start_step": ("total_steps",),
        "train_steps": ("total_steps",),
        "check_task": ("task",),
    },
    "models": {"build": ("input_shape", "classes")},
    "datasets": {"info": ("root",), "load": ("root",)},
    "objectives": {"losses": ("outputs", "targets"), "measure": ("evidence", "targets")},
    "observers": {},
}
"""Methods called by position; those of models, datasets and objectives are required."""
OPTIONAL: dict[str, dict[str, tuple[str, ...]]] = {
    "datasets": {"fingerprint": ("root",), "open": ("root",)},
    "objectives": {"evidence": ("outputs", "targets"), "bound": ("train_targets", "info")},
}
"""Further methods called by position."""
RESERVED: dict[str, tuple[str, ...]] = {"models": ("start", "start_except", "start_command")}
"""Keys of a suite's table that lth-bench reads itself, beside a plugin's parameters."""
OBJECTIVE = "lth_bench.objectives.base.Objective"
"""What every objective derives from; by name, since importing it imports torch."""
NEAR = 0.85
"""Minimum similarity for a name to count as misspelt: `rewind_pont`, but not a helper `retrain`."""


def problems(group: str, cls: type[Any]) -> list[str]:
    """Everything that prevents the harness from using this class as intended, hook by hook."""
    return list(_problems(group, cls))


def hooks_of(cls: type[Any]) -> tuple[str, ...]:
    """The hooks that a class implements, in calling order."""
    found = marked(cls)
    return tuple(hook for hook in HOOKS if hook in found)


def trains_dense(cls: type[Any]) -> bool:
    """Whether a strategy with `dense_only` trains the unpruned network itself, from a point or in a
    way of its own. Others report the dense run.
    """
    return bool({"rewind_point", "train"}.intersection(hooks_of(cls)))


def marked(cls: type[Any]) -> dict[str, Any]:
    """Name → function of everything marked with @hookimpl, including inherited ones."""
    found = {}
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        function = getattr(value, "__func__", value)  # for a static or class method
        if hasattr(function, f"{hookspecs.PROJECT}_impl"):
            found[name] = function
    return found


def misspelt_hook(name: str, value: object, taken: tuple[str, ...] = ()) -> str | None:
    """The hook that an unmarked method was probably meant to be: almost its name, and its
    arguments.
    """
    if not inspect.isfunction(value) or name.startswith("_") or name in HOOKS:
        return None
    free = [hook for hook in HOOKS if hook not in taken]
    for hook in difflib.get_close_matches(name, free, n=1, cutoff=NEAR):
        if tuple(inspect.signature(value).parameters)[1:] == _arguments(hook):
            return hook
    return None


def _problems(group: str, cls: type[Any]) -> Iterator[str]:
    if group in ("models", "datasets", "objectives"):
        for method, arguments in METHODS[group].items():
            found = getattr(cls, method, None)
            if not callable(found) or getattr(found, "__isabstractmethod__", False):
                yield f"{method} is missing; write {_header(method, arguments)}"
    for name in RESERVED.get(group, ()):
        if name in getattr(cls, "__dataclass_fields__", {}):
            yield (
                f"a parameter must not be called {name!r}, because suites set the pretrained start "
                f"of a model by that key; rename it"
            )
    if group in ("strategies", "observers"):
        yield from _hooks(group, cls)
    called = METHODS[group] | OPTIONAL.get(group, {})
    for method, arguments in called.items():
        value = inspect.getattr_static(cls, method, None)
        if inspect.isfunction(value) and not _binds(value, len(arguments)):
            yield f"{method} is called as {_header(method, arguments)}, but it is {_shown(value)}"
    if group in OPTIONAL:
        yield from _misspelt(cls, called)
    if group == "objectives":
        yield from _judging(cls)
    if group == "strategies":
        yield from _flags(cls)


def _misspelt(cls: type[Any], called: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The class's own methods that are almost one that would be called, and take its arguments."""
    for name, value in vars(cls).items():
        if name in called or name.startswith("_") or not inspect.isfunction(value):
            continue
        for near in difflib.get_close_matches(name, called, n=1, cutoff=NEAR):
            if tuple(inspect.signature(value).parameters)[1:] == called[near]:
                yield f"lth-bench does not call {name}; did you mean {near}?"


def _judging(cls: type[Any]) -> Iterator[str]:
    """What an objective says of itself: the targets that it learns from, and its metrics."""
    if OBJECTIVE not in {f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__}:
        yield "an objective derives from lth_bench.objectives.Objective, but this class does not"
    known = get_args(Targets)
    targets = inspect.getattr_static(cls, "targets", None)
    if not isinstance(targets, tuple) or not targets or any(t not in known for t in targets):
        yield (
            f"targets must be a tuple of {', '.join(map(repr, known))}, such as ('class',), but "
            f"got {targets!r:.80}"
        )
    metrics = inspect.getattr_static(cls, "metrics", None)
    if not isinstance(metrics, tuple) or not metrics or not all(map(_is_metric, metrics)):
        yield (
            f"metrics must be a tuple of Metric, the primary one first, such as "
            f"(Metric('mae', '', higher_is_better=False),), but got {metrics!r:.80}"
        )
        return
    names = [metric.name for metric in metrics]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield f"metrics has {twice[0]!r} twice"


def _is_metric(value: object) -> bool:
    return type(value).__name__ == "Metric" and isinstance(getattr(value, "name", None), str)


def _hooks(group: str, cls: type[Any]) -> Iterator[str]:
    found = marked(cls)
    for name, function in found.items():
        if name not in HOOKS:
            near = difflib.get_close_matches(name, HOOKS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"the hooks are {', '.join(HOOKS)}"
            yield f"{name} is marked @hookimpl, but there is no such hook; {hint}"
        else:
            yield from _signature(cls, name, function)
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if name in HOOKS and name not in found and callable(getattr(cls, name)):
            yield f"{name} is a hook's name, but the method lacks @hookimpl"
        meant = misspelt_hook(name, value, tuple(found))
        if meant is not None and name not in found:
            yield (
                f"{name} looks like the hook {meant} and takes its arguments; write "
                f"@hookimpl def {_header(meant, _arguments(meant))}, or give it another name"
            )
    if group == "observers" and (meddling := [hook for hook in STRATEGY_ONLY if hook in found]):
        yield (
            f"an observer cannot change a result, but this one implements {', '.join(meddling)}; "
            f"it may implement on_round, on_eval and score"
        )
    if group == "strategies" and "select_mask" not in dir(cls):
        yield "select_mask is missing; write @hookimpl def select_mask(self, ticket)"


def _signature(cls: type[Any], hook: str, function: Any) -> Iterator[str]:
    """What pluggy would call wrongly or not pass."""
    options = getattr(function, f"{hookspecs.PROJECT}_impl")
    if options.get("wrapper") or options.get("hookwrapper"):
        yield f"{hook} is a wrapper, but each plugin's hook is called alone: nothing to wrap"
        return
    if not inspect.isfunction(function):
        return
    known = _arguments(hook)
    call = f"@hookimpl def {_header(hook, known)}"
    if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
        yield f"{hook} is a coroutine or a generator; it must return its result: {call}"
        return
    parameters = list(inspect.signature(function).parameters.values())
    if not isinstance(inspect.getattr_static(cls, hook), staticmethod):
        if not parameters or parameters[0].name in known:
            yield f"{hook} lacks self as its first argument: {call}"
            return
        parameters = parameters[1:]
    for parameter in parameters:
        if parameter.name not in known or parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            yield f"{hook} has an argument {str(parameter)!r} that is never passed: {call}"
        elif parameter.default is not parameter.empty:
            yield f"{hook} has a default for {parameter.name}, so it is never passed: {call}"


def _flags(cls: type[Any]) -> Iterator[str]:
    for flag in FLAGS:
        value = inspect.getattr_static(cls, flag, False)
        if not isinstance(value, bool | property):
            yield f"{flag} must be True or False, but got {value!r}"
    few = inspect.getattr_static(cls, REACHES, None)
    if few is not None and not isinstance(few, property | cached_property) and not _densities(few):
        yield (
            f"{REACHES} must be the densities that the method can reach, such as (0.5,), each in "
            f"(0, 1), but got {few!r:.80}"
        )
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        if name in FLAGS or name.startswith("_"):
            continue
        known: tuple[str, ...] = ()
        if isinstance(value, bool):
            known = FLAGS
        elif inspect.isfunction(value):
            known = tuple(METHODS["strategies"])
        near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR)
        if near and near[0] != name and not hasattr(cls, near[0]):
            yield f"lth-bench does not read {name}; did you mean {near[0]}?"


def _densities(value: object) -> bool:
    if not isinstance(value, tuple | list) or not value:
        return False
    numbers = [x for x in value if isinstance(x, int | float) and not isinstance(x, bool)]
    return len(numbers) == len(value) and all(0 < x < 1 for x in numbers)


@lru_cache
def _arguments(hook: str) -> tuple[str, ...]:
    return tuple(inspect.signature(getattr(hookspecs, hook)).parameters)


def _header(method: str, arguments: tuple[str, ...]) -> str:
    return f"{method}({', '.join(('self', *arguments))})"


def _shown(function: Any) -> str:
    names = inspect.signature(function).parameters.values()
    return f"{function.__name__}({', '.join(p.name for p in names)})"


def _binds(function: Any, arguments: int) -> bool:
    try:
        inspect.signature(function).bind(*range(arguments + 1))  # plus self
    except TypeError:
        return False
    return True
