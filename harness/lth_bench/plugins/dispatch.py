"""The hooks of one experiment: its strategy, the defaults and the observers, nothing else.

An observer cannot change a result: it gets views and copies (`lth_bench.ticket_view`), random
states and settings are restored after it (`system.guard`), and if it raises the experiment
continues without it.

Each experiment has its own plugin manager (1 ms) instead of a subset of a shared one, so that a
wrapper in another strategy cannot run here by accident.
"""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from lth_bench import hookspecs
from lth_bench.errors import (
    Diverged,
    OutOfTime,
    StrategyError,
    TrainingError,
    TrainingNotKept,
    Unreachable,
    UserError,
    describe_error,
    near_names,
    out_of_memory,
)
from lth_bench.plugins.asking import short
from lth_bench.plugins.metrics import Metrics
from lth_bench.system.blame import ends_the_run, network_error, objective_error

if TYPE_CHECKING:
    from torch import Tensor

    from lth_bench.masks import Mask
    from lth_bench.ticket import Ticket
    from lth_bench.ticket_view import TicketView
    from lth_bench.training.state import CurvePoint, RewindPoint, Trained

__all__ = ["Hooks", "StrategyError"]

Complain = Callable[[str], None]
"""Called once for an observer that raised: who, where, and the consequence."""


def _say(message: str) -> None:
    print(message, file=sys.stderr)


class Hooks:
    """Calls an experiment's hooks, and names the plugin in every error."""

    def __init__(
        self,
        *,
        label: str,
        strategy: object,
        defaults: object,
        observers: Mapping[str, object],
        complain: Complain = _say,
    ) -> None:
        self.label = label
        self._complain = complain
        self._observers = {f"observer {name}" for name in observers}
        self._deaf: set[str] = set()
        self._owners: dict[str, str] = {}
        self.lost: list[str] = []
        """Why the strategy's metrics of the last ticket are missing."""
        self._cached: dict[str, list[tuple[str, Any]]] = {}
        self._strategy = strategy
        self._defaults = defaults
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._register(defaults, "defaults")
        self._register(strategy, label)
        for name, observer in observers.items():
            self._register(observer, f"observer {name}")
            self._refuse_strategy_hooks(name, observer)
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

    def _refuse_strategy_hooks(self, name: str, observer: object) -> None:
        forbidden = self._hooks_of(observer) & {"select_mask", "rewind_point", "train"}
        if forbidden:
            raise UserError(
                f"observer {name!r} implements {', '.join(sorted(forbidden))}; an observer cannot "
                f"change a result, it may implement on_round, on_eval and score"
            )

    def select_mask(self, ticket: Ticket) -> Mask:
        """The mask selected by the strategy."""
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
        """A first-result hook: the strategy's own if it has one (None is an error), else the
        default.
        """
        own = hook in self._hooks_of(self._strategy)
        others = [self._defaults] if own else []
        caller = self._manager.subset_hook_caller(hook, remove_plugins=others)
        plugin = self.label if own else "defaults"
        result = self._guarded(plugin, hook, caller, arguments)
        if not isinstance(result, expected):
            raise StrategyError(
                plugin, hook, f"must return a {expected.__name__}, but returned {short(result)}"
            )
        return result

    def implements_hook(self, hook: str) -> bool:
        """Whether any plugin implements a hook."""
        return bool(self._callers(hook))

    def score(self, ticket: Ticket, trained: Trained) -> dict[str, float]:
        """The strategy's and the default metrics. The ticket is already trained, so an error in the
        strategy's own `score` only costs its metrics; `lost` then says why.
        """
        metrics = Metrics()
        self.lost = []
        for name, caller in self._callers("score"):
            if name in self._observers:
                continue
            arguments = {"ticket": ticket, "trained": trained}
            try:
                answers = self._guarded(name, "score", caller, arguments)
                metrics.add(name, answers[0] if answers else None)
            except (StrategyError, TrainingError, Unreachable, Diverged) as error:
                if name != self.label:
                    raise
                self.drop_strategy_metrics(error)
        self._owners = metrics.source
        return metrics.values

    @property
    def right(self) -> Mapping[str, Tensor]:
        """Which test examples the ticket that was scored last gets right: bool [N], by metric."""
        return getattr(self._defaults, "right", {})

    def drop_strategy_metrics(self, error: Exception) -> None:
        """Continue without the strategy's own metrics."""
        if isinstance(error, StrategyError):
            why = str(error)
        else:
            why = f"{self.label}.score: {error or type(error).__name__}"
        self.lost.append(why)
        self._complain(f"{why}; its metrics are missing")

    def observers_score(
        self, view: TicketView, trained: Trained, taken: Collection[str]
    ) -> tuple[dict[str, float], list[str]]:
        """The observers' metrics, and why those of an observer are missing.

        `taken` are the names already in use. An observer's mistakes, including a name in use, only
        cost its own metrics.
        """
        metrics = Metrics({name: self._owners.get(name, "another plugin") for name in taken})
        lost = []
        predict = getattr(self._defaults, "predict", None)  # only the defaults have the test split
        if predict is not None:
            view = replace(view, _predict=partial(predict, view._ticket, trained))
        for name, caller in self._callers("score"):
            if name in self._observers:
                from lth_bench.ticket_view import observed

                arguments = {"ticket": view, "trained": observed(trained)}
                wrong = self._heard(name, "score", partial(_add, metrics, name, caller, arguments))
                if wrong is not None:
                    lost.append(wrong)
                    self._complain(f"{wrong}; its metrics are missing")
        return metrics.values, lost

    def on_round(self, view: TicketView, trained: Trained) -> None:
        """Tell the observers that a ticket was trained."""
        if self.implements_hook("on_round"):
            from lth_bench.ticket_view import observed

            self._tell("on_round", {"ticket": view, "trained": observed(trained)})

    def on_eval(self, view: TicketView, point: CurvePoint) -> None:
        """Tell the observers of an evaluation."""
        self._tell("on_eval", {"ticket": view, "point": point})

    def _tell(self, hook: str, arguments: dict[str, Any]) -> None:
        """Call each observer separately. One that raises is named, and not called again."""
        for name, caller in self._callers(hook):
            if name not in self._deaf:
                wrong = self._heard(name, hook, partial(caller, **arguments))
                if wrong is not None:
                    self._deaf.add(name)
                    self._complain(f"{wrong}; it is not called again in this experiment")

    def _heard(self, name: str, hook: str, call: Callable[[], object]) -> str | None:
        """Call an observer and restore global state; returns what went wrong, if anything."""
        from lth_bench.system.guard import unchanged

        try:
            with unchanged():
                call()
        except StrategyError as error:
            return str(error)
        # sys.exit() in an observer must not end a run
        except BaseException as error:
            if ends_the_run(error):
                raise
            return f"{name}.{hook}: raised {describe_error(error)}{self._where(error, name, hook)}"
        return None

    def _callers(self, hook: str) -> list[tuple[str, Any]]:
        """The plugins that implement a hook, each with a caller for its implementation alone."""
        if hook not in self._cached:
            self._cached[hook] = list(self._each(hook))
        return self._cached[hook]

    def _each(self, hook: str) -> Iterator[tuple[str, Any]]:
        plugins = [(n, p) for n, p in self._manager.list_name_plugin() if p is not None]
        for name, plugin in plugins:
            if hook in self._hooks_of(plugin):
                others = [p for _, p in plugins if p is not plugin]
                yield name, self._manager.subset_hook_caller(hook, remove_plugins=others)

    def _guarded(self, plugin: str, hook: str, caller: Any, arguments: dict[str, Any]) -> Any:
        try:
            return caller(**arguments)
        except (Unreachable, Diverged, OutOfTime, TrainingNotKept, StrategyError, TrainingError):
            raise
        except BaseException as error:
            if ends_the_run(error) or out_of_memory(error):
                raise
            if (other := network_error(error) or objective_error(error)) is not None:
                raise other from error
            what = describe_error(error) + near_names(error)
            message = f"raised {what}{self._where(error, plugin, hook)}"
            raise StrategyError(plugin, hook, message, contract="") from error

    def _where(self, error: BaseException, plugin: str, hook: str) -> str:
        """The deepest line of the hook's own file in the traceback: " (mine.py:12)".

        Without the folder, since the text is stored in the results and shared with them.
        """
        method = getattr(self._manager.get_plugin(plugin), hook, None)
        code = getattr(inspect.unwrap(method), "__code__", None) if method is not None else None
        frames = traceback.extract_tb(error.__traceback__)
        lines = [f for f in frames if code is not None and f.filename == code.co_filename]
        return f" ({Path(lines[-1].filename).name}:{lines[-1].lineno})" if lines else ""


def _add(metrics: Metrics, plugin: str, caller: Any, arguments: dict[str, Any]) -> None:
    answers = caller(**arguments)
    metrics.add(plugin, answers[0] if answers else None)
