"""A study under way: what it proposes, and what it is told."""

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

State = Literal["complete", "pruned", "failed"]

IN_A_ROW = 10
"""A study whose last so many trials have all failed ends: more of them would, too."""
HESITATION = timedelta(minutes=1)
"""A trial that nobody has signed for this long was begun by a process that died over it."""


@dataclass(frozen=True)
class Proposal:
    """A trial to run."""

    number: int
    params: Mapping[str, Any]
    origin: Literal["default", "sampler"]


@dataclass(frozen=True)
class Told:
    """How a trial ended."""

    state: State
    values: tuple[float, ...]
    """Empty unless complete."""
    steps: int
    """As if nothing were shared."""
    seconds: float
    reason: str | None = None


class Study:
    """An Optuna study and this process's part in it.

    Trials are told in the order of their numbers, and each is proposed by a sampler that depends
    on its number alone, so that which machine is how fast changes nothing. A number is claimed
    first, in the store, and then judged: of machines that claim at the same time those beyond the
    budget withdraw.
    """

    def __init__(self, storage: BaseStorage, where: str, goal: Goal, results: str) -> None:
        """Begin the study, or go on with it. UserError where the store holds another one.

        `results` is an id of the results that this process, and no other, writes to.
        """
        self.goal, self.storage, self.results = goal, storage, results
        self.study = self._open(where)
        self.running: dict[int, Proposal] = {}
        """Proposed here and not yet told."""
        self._ended: dict[int, Told] = {}
        self.exhausted = False
        self.owner = this_process(results)
        if not any(origin_of(t) == "default" for t in self._trials()):
            self.study.enqueue_trial(
                goal.default, user_attrs={"origin": "default"}, skip_if_exists=True
            )

    def _open(self, where: str) -> Any:
        import optuna

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna's about its own experiments
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

    def wait_for_signatures(
        self, say: Callable[[str], None], pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Wait while a trial has been begun and not signed: either its process signs it at once, or
        it died over it, and the trial becomes ours to finish. `HESITATION` is the longest wait.
        """
        said = False
        while any(
            t.state.name == "RUNNING" and "owner" not in t.user_attrs and not self._orphaned(t)
            for t in self._trials()
        ):
            if not said:
                say(
                    f"{self.goal.name}: a trial was begun just now and not signed; waiting up to "
                    f"{HESITATION.seconds} s for its process"
                )
                said = True
            pause(0.5)

    def adopt(self, all_: bool = False) -> list[Proposal]:
        """Trials that a process which is no more has left half done. They are ours to finish;
        with `all_` those of every other process, which the user knows to be gone.
        """
        found = []
        for trial in self._trials():
            if trial.state.name != "RUNNING" or trial.number in self.running:
                continue
            if not (all_ or self._orphaned(trial)):
                continue
            if set(trial.params) < set(self.goal.default):  # it died over proposing it
                self._void(trial)
                if origin_of(trial) == "default":
                    attrs = {"origin": "default"}
                    self.study.enqueue_trial(self.goal.default, user_attrs=attrs)
                continue
            self.storage.set_trial_user_attr(trial._trial_id, "owner", self.owner)
            found.append(self._take(trial.number, trial.params, origin_of(trial)))
        return found

    def _orphaned(self, trial: FrozenTrial) -> bool:
        """Whether the process that ran it is gone."""
        owner = trial.user_attrs.get("owner")
        if owner is None:
            began = trial.datetime_start
            return began is not None and datetime.now() - began > HESITATION  # noqa: DTZ005
        return is_gone(owner, self.results)

    def propose(self) -> Proposal | None:
        """The next trial, or None where the budget is spent or nothing new is left to try."""
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
        """Whether another machine has claimed the last of the budget, or the suite's own settings,
        at the same time as we did; the lower numbers stay.
        """
        before = [t for t in self._trials() if t.number < number and t.state.name != "WAITING"]
        if origin == "default" and any(origin_of(t) == "default" for t in before):
            return True
        return not self._within_budget(before)

    def _void(self, trial: FrozenTrial) -> None:
        """A trial that counts for nothing."""
        self.storage.set_trial_user_attr(trial._trial_id, "void", True)
        self.study.tell(trial.number, state=_state("failed"), skip_if_finished=True)

    def _take(self, number: int, params: Mapping[str, Any], origin: Any) -> Proposal:
        self.running[number] = Proposal(number, dict(params), origin)
        return self.running[number]

    def expect(self, number: int, steps: int) -> None:
        """How many steps a trial under way will take, about: they count towards the budget, on
        every machine.
        """
        self.storage.set_trial_user_attr(self._id(number), "expected", steps)

    def report(self, number: int, position: int, value: float) -> None:
        """An intermediate value, for the pruner and for the dashboard."""
        with _finished_elsewhere():
            self.storage.set_trial_intermediate_value(self._id(number), position, value)

    def should_prune(self, number: int) -> bool:
        """Whether the pruner gives the trial up. The suite's own settings are always run whole."""
        trial = self.storage.get_trial(self._id(number))
        # the pruner is asked in any case: later trials are compared to what it has seen
        answer = bool(self.study.pruner.prune(self.study, trial))
        return answer and self.running[number].origin != "default"

    def tell(self, number: int, told: Told) -> None:
        """A trial has ended. The store learns of it with `settle`."""
        self._ended[number] = told

    def settle(self) -> bool:
        """Tell the store of the first trial under way, if it has ended; whether it had.

        One at a time: a batch of B is filled up between two of them, so that the proposal of
        trial n knows the values of trials 0 to n − B, whatever ended when.
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
        # what is under way will cost about as much as what is done, or as was expected of it
        ahead = [t for t in begun if not t.state.is_finished()]
        if unit == "steps":
            used += sum(t.user_attrs.get("expected", 0) for t in ahead)
        elif len(begun) > len(ahead):
            used += used / (len(begun) - len(ahead)) * len(ahead)
        return used < limit * factor

    def _nothing_new(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether every setting has been tried, or nothing but failures comes."""
        size = math.prod(d.size for d in self.goal.dimensions)
        if math.isfinite(size):
            tried = {tuple(sorted(t.params.items())) for t in trials if t.params}
            self.exhausted = len(tried) >= size
        ended = [t for t in trials if t.state.is_finished()][-IN_A_ROW:]
        return self.exhausted or (
            len(ended) == IN_A_ROW and all(t.state.name == "FAIL" for t in ended)
        )

    def _trials(self) -> list[FrozenTrial]:
        """All that count: not those that a crash cut off before they had parameters."""
        found: list[FrozenTrial] = self.study.get_trials(deepcopy=False)
        return [t for t in found if not t.user_attrs.get("void")]

    def _id(self, number: int) -> int:
        return self.storage.get_trial_id_from_study_id_trial_number(self.study._study_id, number)

    @property
    def elsewhere(self) -> int:
        """Trials under way in other processes."""
        return sum(
            t.state.name == "RUNNING" and t.number not in self.running for t in self._trials()
        )

    @property
    def trials(self) -> list[FrozenTrial]:
        """Every trial so far, whoever ran it, by number."""
        return self._trials()


def origin_of(trial: FrozenTrial) -> Literal["default", "sampler"]:
    """Who chose its values."""
    return "default" if trial.user_attrs.get("origin") == "default" else "sampler"


def _state(state: State) -> Any:
    from optuna.trial import TrialState

    return {
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }[state]


@contextmanager
def _finished_elsewhere() -> Iterator[None]:
    """A trial that another process took over and finished stays as it ended there."""
    from optuna.exceptions import UpdateFinishedTrialError

    with suppress(UpdateFinishedTrialError):
        yield


def require_store(error: Exception, where: str) -> UserError:
    """A failure of the store in the user's words."""
    return UserError(
        f"the store of studies {where} failed: {type(error).__name__}: {error}. What is trained is"
        " kept; mend that and run the same command again"
    )
