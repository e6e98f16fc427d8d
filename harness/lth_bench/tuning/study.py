"""A running study: the trials that it proposes, and their results."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from lth_bench.errors import UserError
from lth_bench.tuning.goal import Goal
from lth_bench.tuning.owner import is_gone, this_process
from lth_bench.tuning.search import numbered_sampler, pruner_for

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

TrialStatus = Literal["complete", "pruned", "failed"]

FAILURES_IN_A_ROW = 10
"""A study ends after this many failed trials in a row: further ones would most likely fail too."""
CLAIM_TIMEOUT = timedelta(minutes=1)
"""A trial without an owner for this long was started by a process that died before claiming it."""


@dataclass(frozen=True)
class Proposal:
    """A trial to run."""

    number: int
    params: Mapping[str, Any]
    origin: Literal["default", "sampler"]


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """How a trial ended."""

    state: TrialStatus
    values: tuple[float, ...]
    """Empty unless complete."""
    steps: int
    """Training steps, counted without sharing."""
    seconds: float
    reason: str | None = None


class RunningStudy:
    """An Optuna study, and the trials of it that this process runs.

    Results are told in the order of the trials' numbers, and each trial is proposed by a sampler
    that depends on its number alone, so the speed of a machine changes nothing. A number is first
    claimed in the store and then checked: where several machines claim at the same time, those
    beyond the budget withdraw.
    """

    def __init__(self, storage: BaseStorage, where: str, goal: Goal, results: str) -> None:
        """Start the study or resume it. UserError where the store holds another one of this name.

        `results` identifies the results that only this process writes to.
        """
        self.goal, self.storage, self.results = goal, storage, results
        self.study = self._open(where)
        self.running: dict[int, Proposal] = {}
        """Proposed here; their results are not in the store yet."""
        self._ended: dict[int, TrialResult] = {}
        self.exhausted = False
        self.owner = this_process(results)
        if not any(origin_of(t) == "default" for t in self._trials()):
            self.study.enqueue_trial(
                goal.default, user_attrs={"origin": "default"}, skip_if_exists=True
            )

    def _open(self, where: str) -> Any:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns that its own features are experimental
            study = optuna.create_study(
                storage=self.storage,
                study_name=self.goal.name,
                directions=list(self.goal.objective.directions),
                pruner=self._pruner(),
                sampler=numbered_sampler(self.goal.tune, self.goal.study_id),
                load_if_exists=True,
            )
        stored = study.user_attrs.get("identity")
        if stored is None and not study.get_trials(deepcopy=False):
            study.set_user_attr("identity", self.goal.stored)
            study.set_user_attr("study_id", self.goal.study_id)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                study.set_metric_names(list(self.goal.objective.names))
            stored = self.goal.stored
        self.goal.check_stored(stored, where)
        return study

    def _pruner(self) -> Any:
        o = self.goal.objective
        return pruner_for(self.goal.tune, len(o.seeds), len(o.densities))

    def wait_for_owners(
        self, say: Callable[[str], None], pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Wait while a started trial has no owner: either its process claims it at once, or that
        process died and the trial becomes ours to finish. `CLAIM_TIMEOUT` is the longest wait.
        """
        said = False
        while any(
            t.state.name == "RUNNING" and "owner" not in t.user_attrs and not self._orphaned(t)
            for t in self._trials()
        ):
            if not said:
                say(
                    f"{self.goal.name}: another process has just started a trial and not claimed "
                    f"it yet; waiting up to {CLAIM_TIMEOUT.seconds} s"
                )
                said = True
            pause(0.5)

    def adopt(self, all_: bool = False) -> list[Proposal]:
        """Unfinished trials of processes that have ended, which are ours to finish; with `all_`
        those of every other process, because the user knows that these have ended.
        """
        found = []
        for trial in self._trials():
            if trial.state.name != "RUNNING" or trial.number in self.running:
                continue
            if not (all_ or self._orphaned(trial)):
                continue
            if set(trial.params) < set(self.goal.default):  # its process died while proposing it
                self._void(trial)
                if origin_of(trial) == "default":
                    attrs = {"origin": "default"}
                    self.study.enqueue_trial(self.goal.default, user_attrs=attrs)
                continue
            self.storage.set_trial_user_attr(trial._trial_id, "owner", self.owner)
            found.append(self._take(trial.number, trial.params, origin_of(trial)))
        return found

    def _orphaned(self, trial: FrozenTrial) -> bool:
        """Whether the process that ran it has ended."""
        owner = trial.user_attrs.get("owner")
        if owner is None:
            began = trial.datetime_start
            return began is not None and datetime.now() - began > CLAIM_TIMEOUT  # noqa: DTZ005
        return is_gone(owner, self.results)

    def propose(self) -> Proposal | None:
        """The next trial, or None once the budget is spent or every setting has been tried."""
        while not self.exhausted:
            trials = self._trials()
            if not self._within_budget(trials) or self._nothing_new(trials):
                return None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trial = self.study.ask({d.name: d.distribution() for d in self.goal.dimensions})
            trial.set_user_attr("owner", self.owner)
            origin = trial.user_attrs.get("origin", "sampler")
            if not self._one_too_many(trial.number, origin):
                return self._take(trial.number, trial.params, origin)
            self._void(self.storage.get_trial(trial._trial_id))
        return None

    def _one_too_many(self, number: int, origin: str) -> bool:
        """Whether another machine claimed the last trial of the budget, or the suite's own
        settings, at the same time as this one; the lower number wins.
        """
        before = [t for t in self._trials() if t.number < number and t.state.name != "WAITING"]
        if origin == "default" and any(origin_of(t) == "default" for t in before):
            return True
        return not self._within_budget(before)

    def _void(self, trial: FrozenTrial) -> None:
        """Exclude a trial from the study."""
        self.storage.set_trial_user_attr(trial._trial_id, "void", True)
        self.study.tell(trial.number, state=_state("failed"), skip_if_finished=True)

    def _take(self, number: int, params: Mapping[str, Any], origin: Any) -> Proposal:
        self.running[number] = Proposal(number, dict(params), origin)
        return self.running[number]

    def expect(self, number: int, steps: int) -> None:
        """Record about how many steps a running trial will take: they count towards the budget, on
        every machine.
        """
        self.storage.set_trial_user_attr(self._id(number), "expected", steps)

    def report(self, number: int, position: int, value: float) -> None:
        """Store an intermediate value, for the pruner and the dashboard."""
        with _finished_elsewhere():
            self.storage.set_trial_intermediate_value(self._id(number), position, value)

    def should_prune(self, number: int) -> bool:
        """Whether the pruner stops the trial. The suite's own settings always run to the end."""
        trial = self.storage.get_trial(self._id(number))
        # ask the pruner in any case: it compares later trials with what it has seen
        answer = bool(self.study.pruner.prune(self.study, trial))
        return answer and self.running[number].origin != "default"

    def tell(self, number: int, result: TrialResult) -> None:
        """A trial has ended. `settle` tells the store."""
        self._ended[number] = result

    def settle(self) -> bool:
        """Tell the store the result of the first running trial, if it has ended; whether it had.

        One at a time: a batch of B is refilled between two of them, so that the proposal of trial n
        knows the values of trials 0 to n − B, whichever ended first.
        """
        first = min(self.running, default=-1)
        if first not in self._ended:
            return False
        ended = self._ended.pop(first)
        spent = {"steps": ended.steps, "seconds": ended.seconds, "reason": ended.reason}
        values = list(ended.values) if ended.state == "complete" else None
        with _finished_elsewhere():
            self.storage.set_trial_user_attr(self._id(first), "spent", spent)
            self.study.tell(first, values, state=_state(ended.state), skip_if_finished=True)
        del self.running[first]
        return True

    def _within_budget(self, trials: Sequence[FrozenTrial]) -> bool:
        ((unit, limit),) = self.goal.tune.budget.given.items()
        begun = [t for t in trials if t.state.name != "WAITING"]
        if unit == "trials":
            return len(begun) < limit
        spent = [t.user_attrs.get("spent") or {} for t in begun]
        key, factor = ("steps", 1) if unit == "steps" else ("seconds", 60)
        used = sum(float(s.get(key, 0)) for s in spent)
        # a running trial will cost about as much as expected, or as much as a finished one
        ahead = [t for t in begun if not t.state.is_finished()]
        if unit == "steps":
            used += sum(t.user_attrs.get("expected", 0) for t in ahead)
        elif len(begun) > len(ahead):
            used += used / (len(begun) - len(ahead)) * len(ahead)
        return used < limit * factor

    def _nothing_new(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether every setting has been tried, or the last trials all failed."""
        size = math.prod(d.size for d in self.goal.dimensions)
        if math.isfinite(size):
            tried = {tuple(sorted(t.params.items())) for t in trials if t.params}
            self.exhausted = len(tried) >= size
        ended = [t for t in trials if t.state.is_finished()][-FAILURES_IN_A_ROW:]
        return self.exhausted or (
            len(ended) == FAILURES_IN_A_ROW and all(t.state.name == "FAIL" for t in ended)
        )

    def _trials(self) -> list[FrozenTrial]:
        """All but the excluded ones, such as those that crashed before they had parameters."""
        found: list[FrozenTrial] = self.study.get_trials(deepcopy=False)
        return [t for t in found if not t.user_attrs.get("void")]

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)

    @property
    def elsewhere(self) -> int:
        """Trials running in other processes."""
        return sum(
            t.state.name == "RUNNING" and t.number not in self.running for t in self._trials()
        )

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial so far, of all machines, by number."""
        return self._trials()


def origin_of(trial: FrozenTrial) -> Literal["default", "sampler"]:
    """What chose its values."""
    return "default" if trial.user_attrs.get("origin") == "default" else "sampler"


def _state(state: TrialStatus) -> Any:
    from optuna.trial import TrialState

    return {
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }[state]


@contextmanager
def _finished_elsewhere() -> Iterator[None]:
    """A trial that another process took over and finished keeps the result it got there."""
    from optuna.exceptions import UpdateFinishedTrialError

    with suppress(UpdateFinishedTrialError):
        yield


def storage_error(error: Exception, where: str) -> UserError:
    """A failure of the study storage, and what to do about it."""
    return UserError(
        f"the study storage {where} failed: {type(error).__name__}: {error}. Finished trainings are"
        " kept; fix this and rerun the command to resume"
    )
