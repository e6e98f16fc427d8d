"""Experiments side by side: each on its own thread, exactly one of them running at a time.

Strategies are plain sequential code. An experiment runs until it waits in `fit` or ends; then the
next one runs. When all wait, some of their trainings are run together, on the thread that owns the
pool, beside no experiment. So nothing here needs a lock, and nothing depends on timing. Who has
waited longest is served first, so that all get on alike.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
import torch

from lth_bench.errors import OutOfTime, Unwinding
from lth_bench.system import guard
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.graphs import current
from lth_bench.training.pending_fit import PendingFit


class MovedAway(Unwinding):
    """Unwinds an experiment that another process goes on with. Strategies catch no such thing."""


@dataclass(eq=False, kw_only=True)
class _Seat:
    """An experiment's thread, and what it waits for."""

    thread: threading.Thread
    name: str = ""
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    waits_for: PendingFit | None = None
    ended: bool = False
    error: BaseException | None = None
    spent: float = 0.0
    """Seconds that it took so far: those it ran for, and its share of the cohorts."""
    since: float = 0.0
    """When it was last let run."""
    place: int = 0
    """In the line of those that wait."""
    fits: int = 0
    """How often it has waited."""
    found_again: bool = True
    """Whether all that was trained for it has an address under which others find it."""


def _unheard(name: str, left: float) -> None: ...


class Pool:
    """The experiments of one task that are under way in this process."""

    def __init__(
        self,
        tell: Callable[[str, float], None] = _unheard,
        limit: float = math.inf,
        device: torch.device | str = "cpu",
    ) -> None:
        """Experiments run on `device`, which is the current one of their threads. `tell` hears the
        name of the experiment whose own code runs next, and for how long it may: `limit` seconds
        in all, while others run left out; and "" when it has run.
        """
        self._seats: list[_Seat] = []
        self._tell, self._limit = tell, limit
        self._device = torch.device(device)
        self.given: set[str] = set()
        """Names of experiments that were given back."""
        self._places = itertools.count()
        # one semaphore each: a condition that all share costs 3.4 ms a hand-off at 200 threads
        self._back = threading.Semaphore(0)

    def __len__(self) -> int:
        return len(self._seats)

    def start(self, experiment: Callable[[], None], name: str = "") -> None:
        """Begin an experiment, and run it up to its first training. What it raises is raised here;
        records and statuses are its own business.
        """
        seat: _Seat

        def body() -> None:
            seat.go.acquire()
            try:
                with current(self._device):
                    experiment()
            except BaseException as error:  # raised again in the pool's thread
                seat.error = error
            finally:  # an exception and an end are one event
                seat.ended = True
                self._back.release()

        seat = _Seat(
            thread=threading.Thread(target=body, daemon=True, name="experiment"), name=name
        )
        self._seats.append(seat)
        seat.thread.start()
        self._let_run(seat)

    def serve(self, bench: Workbench, level: bool = False) -> None:
        """Answer some of the trainings that are waited for, and let their experiments go on.

        With `level`, the experiment with the fewest fits goes first, so that the last ones end
        together. Where new experiments keep coming, that would keep the long ones waiting.
        """
        line = sorted(self._seats, key=lambda s: (s.fits if level else 0, s.place))
        # one that has its answer was held up by another's error the last time
        waiting = [s.waits_for for s in line if s.waits_for and not s.waits_for.done]
        # an experiment with a source task trains on either: the first in line is served
        bench = waiting[0].bench or bench if waiting else bench
        waiting = [one for one in waiting if one.bench in (None, bench)]
        if waiting:
            # by then one experiment's share of a cohort is more than there is
            self._tell("", self._limit * len(waiting))
            try:
                bench.serve(waiting)
            finally:
                self._tell("", math.inf)
        for seat in list(self._seats):
            if seat.waits_for is not None and seat.waits_for.done:
                self._let_run(seat)

    def _let_run(self, seat: _Seat) -> None:
        """Pass the baton, and wait until it comes back."""
        state = _GlobalState(self._device)
        if seat.waits_for is not None:
            seat.spent += seat.waits_for.seconds_spent
        self._tell(seat.name, self._limit - seat.spent)
        seat.since = time.perf_counter()
        seat.go.release()
        try:
            self._back.acquire()
        except KeyboardInterrupt:
            self._back.acquire()  # a thread cannot be stopped: it has the baton until it waits
            raise
        finally:
            self._tell("", math.inf)
            state.put_back()
            if seat.ended:
                seat.thread.join()
                self._seats.remove(seat)
        if seat.error is not None:
            raise seat.error

    @property
    def waiting(self) -> list[PendingFit]:
        """The fits that wait for an answer."""
        return [s.waits_for for s in self._seats if s.waits_for and not s.waits_for.done]

    def give_back(self, number: int, among: Collection[PendingFit] | None = None) -> list[str]:
        """Unwind up to `number` experiments, those that would wait longest, and return their names;
        of those whose fit is `among` these, where they are given.

        Elsewhere they start again, and find their finished trainings. One whose trainings have no
        address stays, and one in a search, which others may share.
        """
        line = sorted(self._seats, key=lambda s: s.place, reverse=True)
        waiting = [(s, s.waits_for) for s in line if s.found_again and s.waits_for]
        found = [s for s, one in waiting if not one.done and not one.searches]
        if among is not None:
            found = [s for s in found if s.waits_for in among]
        given = found[: max(0, number)]
        for seat in given:
            self.given.add(seat.name)
            self._let_run(seat)
        return [seat.name for seat in given]

    def wait(self, one: PendingFit) -> None:
        """Called in an experiment's thread, by `fit`."""
        seat = next((s for s in self._seats if s.thread is threading.current_thread()), None)
        if seat is None:
            raise ValueError("fit can be called only in the thread that called the hook")
        seat.spent += time.perf_counter() - seat.since
        seat.since = time.perf_counter()  # for an experiment that goes on after the error
        if seat.name in self.given:
            raise MovedAway
        if seat.spent > self._limit:
            raise OutOfTime(self._limit)
        seat.place = next(self._places)
        seat.fits += 1
        seat.found_again &= bool(one.key)
        self._lend(one, seat)
        state = _GlobalState(self._device)
        seat.waits_for = one
        self._back.release()
        seat.go.acquire()
        seat.waits_for = None
        state.put_back()
        if seat.name in self.given:
            raise MovedAway

    def _lend(self, one: PendingFit, seat: _Seat) -> None:
        """Let a fit know how long it may take, and tell when its callbacks run."""
        one.time_limit, one.seconds_left = self._limit, self._limit - seat.spent

        def tell(begins: bool) -> None:
            if begins:
                self._tell(seat.name, one.seconds_left - one.seconds_spent)
            else:
                self._tell("", self._limit * len(self._seats))

        one.on_callback = tell


class _GlobalState:
    """What the threads of a process share: random states and torch's settings. Each experiment
    finds it as it left it, and so do the trainings, whatever an experiment drew and set meanwhile.
    Grad mode is each thread's own. 60 µs to read and 55 to put back, two thirds of it numpy's.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._torch, self._python = torch.get_rng_state(), random.getstate()
        self._numpy = np.random.get_state()
        # the device's own: the current device belongs to the thread
        self._cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        self._settings = guard.settings()

    def put_back(self) -> None:
        torch.set_rng_state(self._torch)
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self._device)
        guard.put_back(self._settings)
