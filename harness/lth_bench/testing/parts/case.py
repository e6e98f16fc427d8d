"""A model, a dataset or an objective with its parameters, as its contracts judge it."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeVar

from lth_bench.errors import UserError, describe_error
from lth_bench.params import build, canonical
from lth_bench.plugins.contract import problems
from lth_bench.system.blame import ends_the_run, where
from lth_bench.testing.contract import Broken, NotApplicable, NotJudged, contract
from lth_bench.testing.contracts.parameters import documented, require_checked

T = TypeVar("T")


class PartCase:
    """What the cases of the three kinds share. `params` are as in a suite."""

    group = ""

    def __init__(self, cls: type[Any], params: Mapping[str, object] | None = None) -> None:
        self.cls, self.params = cls, dict(params or {})

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.cls.__qualname__}, {self.params})"

    @cached_property
    def problems(self) -> list[str]:
        """What is wrong with the class itself."""
        return problems(self.group, self.cls)

    @cached_property
    def made(self) -> Any:
        """The plugin. NotJudged where it cannot be made, which other contracts report."""
        if self.problems:
            raise NotJudged("the class itself is wrong")
        try:
            return build(self.cls, self.params, self.cls.__qualname__)
        except UserError as error:
            raise NotJudged(f"it cannot be created: {error.message}") from error


def call(what: str, method: Callable[..., T], *arguments: Any) -> T:
    """The method's answer. Broken, with the plugin's own line, where it raises."""
    try:
        return method(*arguments)
    except (Broken, NotApplicable):
        raise
    except UserError as error:
        raise Broken(f"{what} raised: {error.message}") from error
    except BaseException as error:  # a plugin's method may raise anything
        if ends_the_run(error):
            raise
        raise Broken(f"{what} raised {describe_error(error)}{where(error)}") from error


@contract(
    "methods have the names and arguments that lth-bench calls, and the class says what it is",
    meet="write the missing method with the arguments that the message shows",
)
def methods(case: PartCase) -> None:
    """A misspelt method would not be called."""
    if case.problems:
        raise Broken("; ".join(case.problems))


@contract(
    "every parameter is a field with a type, a range where it is a number, and a docstring",
    meet="make the class a @dataclass(frozen=True) and write each parameter as "
    '`width: Annotated[int, Range(1, 512)] = 16` with a string """…""" below it that says what it '
    "does and its unit",
)
def parameters(case: PartCase) -> None:
    """Suites, listings and tuning read types, ranges and docstrings from the fields."""
    found = documented(case.cls)
    require_checked(case.cls, found, case.params)
    if not found:
        raise NotApplicable("it has no parameters")


@contract(
    "class and parameters travel to a worker process by name and arrive unchanged",
    meet="define the class at the top of a module, and keep in its fields what a suite can write: "
    "numbers, strings, lists and tables",
)
def picklable(case: PartCase) -> None:
    """Worker processes build the plugin from its name and parameters."""
    made = case.made
    again = call("pickle", lambda: pickle.loads(pickle.dumps(made)))
    if canonical(again) != canonical(made):
        raise Broken(f"the parameters are {canonical(again)} afterwards, not {canonical(made)}")
