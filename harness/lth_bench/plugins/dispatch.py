"""One experiment's hooks: its strategy, the defaults, the observers, and nobody else's.

A manager of its own for each experiment (1 ms) and not subsets of a common one: then a wrapper in
another strategy cannot run here by accident.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from lth_bench import hookspecs
from lth_bench.errors import DiskError, Diverged, Unreachable, UserError

if TYPE_CHECKING:
    from lth_bench.masks import Mask
    from lth_bench.ticket import Ticket
    from lth_bench.training.state import CurvePoint, RewindPoint, Trained


class StrategyError(Exception):
    """A plugin broke its contract, or raised; names the plugin and the hook."""

    def __init__(self, plugin: str, hook: str, message: str) -> None:
        super().__init__(f"{plugin}.{hook}: {message}")
        self.plugin, self.hook = plugin, hook


class Hooks:
    """Calls an experiment's hooks and names the plugin in whatever goes wrong."""

    def __init__(
        self, label: str, strategy: object, defaults: object, observers: Mapping[str, object]
    ) -> None:
        self.label = label
        self._strategy = strategy
        self._defaults = defaults
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._register(defaults, "defaults")
        self._register(strategy, label)
        for name, observer in observers.items():
            self._register(observer, f"observer {name}")
            self._refuse_meddling(name, observer)
        if "select_mask" not in self._hooks_of(strategy):
            raise StrategyError(
                label,
                "select_mask",
                "missing; a strategy needs a @hookimpl method select_mask(self, ticket)",
            )

    def _register(self, plugin: object, name: str) -> None:
        try:
            self._manager.register(plugin, name=name)
            self._manager.check_pending()
        except (pluggy.PluginValidationError, ValueError) as error:
            raise UserError(f"plugin {name!r}: {error}") from error
        own = self._hooks_of(plugin)
        for hook in (*hookspecs.STRATEGY_HOOKS, *hookspecs.OBSERVER_HOOKS):
            if hook not in own and callable(getattr(plugin, hook, None)):
                raise UserError(
                    f"plugin {name!r}: {hook} is a hook's name, but the method lacks @hookimpl"
                )

    def _hooks_of(self, plugin: object) -> set[str]:
        callers = self._manager.get_hookcallers(plugin) or []
        return {caller.name for caller in callers}

    def _refuse_meddling(self, name: str, observer: object) -> None:
        forbidden = self._hooks_of(observer) & {"select_mask", "rewind_point", "train"}
        if forbidden:
            raise UserError(
                f"observer {name!r} implements {', '.join(sorted(forbidden))}; an observer cannot "
                f"change a result, it may implement on_round, on_eval and score"
            )

    def select_mask(self, ticket: Ticket) -> Mask:
        """The mask the strategy selects."""
        from lth_bench.masks import Mask

        return self._first("select_mask", Mask, ticket=ticket)  # type: ignore[no-any-return]

    def rewind_point(self, ticket: Ticket) -> RewindPoint:
        """The strategy's rewind point, or the default one."""
        from lth_bench.training.state import RewindPoint

        return self._first("rewind_point", RewindPoint, ticket=ticket)  # type: ignore[no-any-return]

    def train(self, ticket: Ticket) -> Trained:
        """The strategy's training, or the default one."""
        from lth_bench.training.state import Trained

        return self._first("train", Trained, ticket=ticket)  # type: ignore[no-any-return]

    def _first(self, hook: str, expected: type, **arguments: Any) -> Any:
        """A first-result hook: the strategy's own (None is an error), else the default."""
        own = hook in self._hooks_of(self._strategy)
        others = [self._defaults] if own else []
        caller = self._manager.subset_hook_caller(hook, remove_plugins=others)
        plugin = self.label if own else "defaults"
        result = self._guarded(plugin, hook, caller, arguments)
        if not isinstance(result, expected):
            raise StrategyError(
                plugin, hook, f"must return a {expected.__name__}, but returned {_short(result)}"
            )
        return result

    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """Every plugin's metrics; two of one name are an error that names both."""
        merged: dict[str, float] = {}
        source: dict[str, str] = {}
        for name, caller in self._each("score"):
            answers: Sequence[Any] = self._guarded(
                name, "score", caller, {"ticket": ticket, "trained": trained}
            )
            if not answers:
                raise StrategyError(name, "score", "must return a mapping, but returned None")
            for metric, value in _numbers(name, answers[0]).items():
                if metric in merged:
                    raise StrategyError(
                        name, "score", f"the metric {metric!r} is {source[metric]}'s already"
                    )
                merged[metric], source[metric] = value, name
        return merged

    def on_round(self, ticket: Ticket, trained: Trained) -> None:
        """Tell the observers that a round is finished."""
        self._tell("on_round", {"ticket": ticket, "trained": trained})

    def on_eval(self, ticket: Ticket, point: CurvePoint) -> None:
        """Tell the observers of an evaluation."""
        self._tell("on_eval", {"ticket": ticket, "point": point})

    def _tell(self, hook: str, arguments: dict[str, Any]) -> None:
        """Call each plugin apart, so that the one that raises can be named."""
        for name, caller in self._each(hook):
            self._guarded(name, hook, caller, arguments)

    def _each(self, hook: str) -> Iterator[tuple[str, Any]]:
        """The plugins that implement a hook, each with a caller of its implementation alone."""
        plugins = [(n, p) for n, p in self._manager.list_name_plugin() if p is not None]
        for name, plugin in plugins:
            if hook in self._hooks_of(plugin):
                others = [p for _, p in plugins if p is not plugin]
                yield name, self._manager.subset_hook_caller(hook, remove_plugins=others)

    def _guarded(self, plugin: str, hook: str, caller: Any, arguments: dict[str, Any]) -> Any:
        try:
            return caller(**arguments)
        except (Unreachable, Diverged, DiskError, StrategyError, MemoryError, KeyboardInterrupt):
            raise
        except Exception as error:
            if type(error).__name__ == "OutOfMemoryError":  # torch's; not imported for its name
                raise
            message = f"{type(error).__name__}: {error}{self._where(error, plugin, hook)}"
            raise StrategyError(plugin, hook, f"raised {message}") from error

    def _where(self, error: BaseException, plugin: str, hook: str) -> str:
        """The deepest line of the hook's own file that the error passed through: " (mine.py:12)".

        Without the folder, since the text goes into the results and travels with them.
        """
        method = getattr(self._manager.get_plugin(plugin), hook, None)
        code = getattr(inspect.unwrap(method), "__code__", None) if method is not None else None
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f for f in frames if code is not None and f.filename == code.co_filename]
        return f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})" if lines else ""


def _numbers(plugin: str, answer: object) -> dict[str, float]:
    if not isinstance(answer, Mapping):
        raise StrategyError(
            plugin, "score", f"must return a mapping, but returned {_short(answer)}"
        )
    numbers = {}
    for name, value in answer.items():
        try:
            if isinstance(value, str):
                raise TypeError("it is text")
            numbers[str(name)] = float(value)
        except Exception as error:  # whatever a tensor or an array raises
            raise StrategyError(
                plugin,
                "score",
                f"every metric is a number, but {name!r} is {_short(value)}: {error}",
            ) from error
    return numbers


def _short(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
