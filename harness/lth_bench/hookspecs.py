"""Every hook of lth-bench, on one page.

A strategy implements the first four as methods marked `@hookimpl`; what it leaves out, the
defaults do. An experiment calls its hooks through its own strategy, the defaults and the
observers, never through another strategy. Fields of `Ticket` are only ever added.

An observer implements `on_round`, `on_eval` or `score`, and cannot change a result. Its `ticket`
is a `TicketView`, and every tensor it is given is a copy. What it draws from a global random
generator, and the modes and settings of torch that it changes, are put back. Where it raises, that
is said once a run, with file and line: `on_round` and `on_eval` then stop for this experiment, and
a `score` that raises (or answers with no mapping of numbers, or with a name that is taken) leaves
its metrics out and the reason in the ticket's row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from lth_bench.masks import Mask
    from lth_bench.ticket import Ticket
    from lth_bench.ticket_view import TicketView
    from lth_bench.training.state import CurvePoint, RewindPoint, Trained

PROJECT = "lth_bench"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

STRATEGY_HOOKS = ("select_mask", "rewind_point", "train", "score")
OBSERVER_HOOKS = ("on_round", "on_eval")


@hookspec(firstresult=True)
def select_mask(ticket: Ticket) -> Mask:  # type: ignore[empty-body]  # a specification
    """Which weights stay. Every strategy implements this one.

    `ticket.mask` is the mask of the round before (all ones at first) and `ticket.trained` the
    last state of the training behind it (the dense run at first). Return a mask with at least
    round(target × prunable) weights; more of them means that another round follows.
    """


@hookspec(firstresult=True)
def rewind_point(ticket: Ticket) -> RewindPoint:  # type: ignore[empty-body]  # a specification
    """Which values the survivors take, and at which step their training clock starts.

    `ticket.mask` is the new mask. Default: the initial values, at step 0.
    """


@hookspec(firstresult=True)
def train(ticket: Ticket) -> Trained:  # type: ignore[empty-body]  # a specification
    """Train the ticket from `ticket.start` under `ticket.mask`. Default: `ticket.fit()`."""


@hookspec
def score(ticket: Ticket, trained: Trained) -> Mapping[str, float]:  # type: ignore[empty-body]
    """Further metrics of a reported ticket, by name. Every plugin's are merged; names are unique.

    For reported tickets and their controls, and for the dense run. `ticket.mask` is the trained
    mask. The defaults report test and train accuracy; theirs is the only code that sees the test
    split. An observer that implements this is a metric plugin; its metrics are in the table
    `metrics` beside the others. Where a strategy's raises, or answers with no mapping of numbers or
    with a name that is taken, its metrics are left out and the row says why; the ticket stands.
    """


@hookspec
def on_round(ticket: TicketView, trained: Trained) -> None:
    """An observer's: a ticket is trained. What it returns is ignored.

    Called for every round, intermediate or reported, for every control (`ticket.control`), and for
    the dense run's own ticket (`ticket.target` 1.0); also where the training was found already
    done, when no `on_eval` came before. `trained.curve` has all evaluations.
    """


@hookspec
def on_eval(ticket: TicketView, point: CurvePoint) -> None:
    """An observer's: a training was evaluated on the validation split. Its return is ignored.

    `ticket.training` tells what is trained: `train` for the ticket, `search` for a training that
    looks for its mask, `dense` for the task's unpruned run, which the first experiment that needs
    it trains for all.
    """
