"""What a model or a suite declares as prunable, besides the default or less than it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from lth_bench.errors import WrongDeclaration
from lth_bench.masks.layers import layer_name

SHOWN = 12
"""Maximum number of parameters that an error lists."""


@dataclass(frozen=True)
class Patterns:
    """Names of parameters, or patterns of them (`*`, `?`, `[…]`); a layer's name will do too."""

    prunable: tuple[str, ...] = ()
    """To prune as well."""
    not_prunable: tuple[str, ...] = ()
    """Not to prune."""


@dataclass(frozen=True)
class Declared:
    """A model's patterns, and after them the suite's, which may take back what a model says."""

    steps: tuple[tuple[str, Patterns], ...] = ()
    """Who says so, and what."""

    def among(
        self, network: str, parameters: Mapping[str, Tensor], default: Sequence[str]
    ) -> frozenset[str]:
        """The keys of the prunable parameters; `default` are those that are so without this.

        WrongDeclaration for a pattern that no parameter matches, or no prunable one where it should
        leave some out; for one that adds a vector; and where nothing remains.
        """
        chosen = frozenset(default)
        for who, patterns in self.steps:
            for pattern in patterns.prunable:
                chosen |= _added(f"{network}: {who} prunable", pattern, parameters)
            for pattern in patterns.not_prunable:
                where = f"{network}: {who} not_prunable"
                named = _matching(where, pattern, parameters)
                if not named & chosen:
                    raise WrongDeclaration(
                        f"{where}: nothing that {pattern!r} matches is prunable; prunable are "
                        f"{listed(k for k in parameters if k in chosen)}"
                    )
                chosen -= named
                if not chosen:
                    raise WrongDeclaration(
                        f"{where}: {pattern!r} leaves nothing to prune; keep one of "
                        f"{listed(k for k in parameters if k in named)}"
                    )
        return chosen


NOTHING_DECLARED = Declared()


def declared_by(model: Any, config: Mapping[str, Any]) -> Declared:
    """What a model's attributes `prunable` and `not_prunable` say, and then its configuration in
    the suite. WrongDeclaration for attributes that are not names.
    """
    steps = []
    own = (_names(model, "prunable"), _names(model, "not_prunable"))
    told = tuple(tuple(config.get(key, ())) for key in ("prunable", "not_prunable"))
    for who, (more, less) in (("the model's", own), ("the task's", told)):
        if more or less:
            steps.append((who, Patterns(more, less)))
    return Declared(tuple(steps))


def listed(keys: Any) -> str:
    """Some names, the first of them."""
    names = list(keys)
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" * (len(names) > SHOWN))


def _names(model: Any, attribute: str) -> tuple[str, ...]:
    given = getattr(model, attribute, ())
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, tuple | list) or not all(isinstance(n, str) for n in names):
        raise WrongDeclaration(
            f"{attribute} of model {type(model).__name__} must be names of parameters or patterns "
            f"of them, such as ('head.*',), but got {given!r:.80}"
        )
    return tuple(names)


def _added(where: str, pattern: str, parameters: Mapping[str, Tensor]) -> frozenset[str]:
    named = _matching(where, pattern, parameters)
    vectors = [key for key in parameters if key in named and parameters[key].ndim < 2]
    if vectors:
        matrices = listed(key for key, p in parameters.items() if p.ndim >= 2)
        raise WrongDeclaration(
            f"{where}: {pattern!r} matches {listed(vectors)}, which "
            f"{'are vectors' if len(vectors) > 1 else 'is a vector'}; only parameters of two "
            f"dimensions or more can be pruned: {matrices}"
        )
    return named


def _matching(where: str, pattern: str, parameters: Mapping[str, Tensor]) -> frozenset[str]:
    found = {
        key
        for key in parameters
        if fnmatchcase(key, pattern) or fnmatchcase(layer_name(key), pattern)
    }
    if not found:
        near = get_close_matches(pattern, parameters, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {listed(parameters)}"
        raise WrongDeclaration(f"{where}: no parameter is called {pattern!r}; {hint}")
    return frozenset(found)
