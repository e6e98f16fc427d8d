"""Every hook of lth-bench, on one page.

A strategy implements the first four as methods marked `@hookimpl`; defaults replace those it
leaves out. An experiment calls its hooks through its own strategy, the defaults and the
observers, never through another strategy. Fields of `Ticket` are only ever added.

An observer implements `on_round`, `on_eval` or `score`, and cannot change a result. Its `ticket`
is a `TicketView`, and every tensor it is given is a copy. Global random states,
and torch's modes and settings, are restored after it. An error in an observer is reported once per
run, with file and line: `on_round` and `on_eval` are then not called again in this experiment, and
a `score` that raises (or returns anything but a mapping of numbers, or a name already in use)
loses its metrics, with the reason in the ticket's row.
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
    """Which weights are kept. Every strategy implements this hook.

    `ticket.mask` is the previous round's mask (all ones at first) and `ticket.trained` the last
    state of the training behind it (the dense run at first). Return a mask with at least
    round(target × prunable) weights; if it has more, another round follows.
    """


@hookspec(firstresult=True)
def rewind_point(ticket: Ticket) -> RewindPoint:  # type: ignore[empty-body]  # a specification
    """Which values the surviving weights take, and at which step their training starts.

    `ticket.mask` is the new mask. Default: the initial values, at step 0.
    """


@hookspec(firstresult=True)
def train(ticket: Ticket) -> Trained:  # type: ignore[empty-body]  # a specification
    """Train the ticket from `ticket.start` under `ticket.mask`. Default: `ticket.fit()`."""


@hookspec
def score(ticket: Ticket, trained: Trained) -> Mapping[str, float]:  # type: ignore[empty-body]
    """Further metrics of a reported ticket, by name. Those of all plugins are merged; names are
    unique.

    Called for reported tickets and their controls, and for the dense run. `ticket.mask` is the
    trained mask. The defaults report test and train accuracy; no other code sees the test split,
    but an observer may have the trained network's outputs on it (`ticket.outputs()`). An observer
    that implements this is a metric plugin; its metrics are in the table `metrics` with the others.
    If a strategy's `score` raises, or returns anything but a mapping of numbers, or a name already
    in use, its metrics are left out and the row says why; the ticket remains valid.
    """


@hookspec
def on_round(ticket: TicketView, trained: Trained) -> None:
    """For observers: a ticket was trained. The return value is ignored.

    Called for every round, intermediate or reported, for every control (`ticket.control`), and for
    the dense run's own ticket (`ticket.target` 1.0); also if the training was found finished,
    without any `on_eval` before. `trained.curve` has all evaluations.
    """


@hookspec
def on_eval(ticket: TicketView, point: CurvePoint) -> None:
    """For observers: a training was evaluated on the validation split. The return value is ignored.

    `ticket.training` says what is trained: `train` for the ticket, `search` for a training that
    searches for its mask, `dense` for the task's unpruned run, which is trained by the first
    experiment that needs it.
    """
