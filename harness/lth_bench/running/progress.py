"""What happens in a run, as events. `running` and `tuning` emit them, the recorder keeps what
counts, and `output.progress` draws them.

Those that a worker sends hold plain data, so that they travel as JSON (`executors.messages`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.running.usage import WorkerUse


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """A run begins, of so many planned experiments."""

    suite: str
    planned: int
    trainings: int
    """Of all of them, shared ones counted once."""
    steps: Mapping[str, int]
    """experiment_id → steps that it will train, of those that the run has left to do."""
    titles: Mapping[str, str]
    """experiment_id → how messages name it, of the same."""
    workers: int
    seconds: float | None = None
    """Expected duration at the paces of earlier runs; None where they do not tell."""
    elapsed: float = 0.0
    """Seconds since it began: more than 0 where it is followed."""
    experiments: Sequence[Mapping[str, Any]] = ()
    """All planned ones, as the journal has them."""
    headline: float | None = None
    """The density that the suite is summed up at, where it fixes one."""


@dataclass(frozen=True, kw_only=True)
class SeedsAdded:
    """More experiments are planned: seeds where a comparison is open. As in `RunStarted`."""

    steps: Mapping[str, int]
    trainings: int
    titles: Mapping[str, str]
    experiments: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ExperimentStarted:
    """A worker has an experiment. One that changes the worker starts again."""

    experiment: Experiment
    worker: str = ""
    """Its name; empty where it is not known."""
    steps: int = 0
    """Planned steps of its trainings beyond the dense run."""


@dataclass(frozen=True)
class Begun:
    """The same as its follower reads it, by the experiment's id."""

    experiment_id: str


@dataclass(frozen=True)
class WorkersUsed:
    """What the workers of the run have done until now. It comes every few seconds, also where
    nothing else happens.
    """

    uses: Sequence[WorkerUse]
    """Of all workers so far; they change afterwards."""
    final: bool = False
    """Whether nothing more will come of them."""


@dataclass(frozen=True, kw_only=True)
class Straggling:
    """An experiment takes much longer than expected."""

    experiment_id: str
    title: str
    worker: str
    seconds: float
    """Since it began on this worker."""
    expected_seconds: float
    """By similar experiments of this run, or the pace of earlier runs."""
    ended: bool = False
    """Whether it has ended since: this is the whole time."""


@dataclass(frozen=True)
class CaughtUp:
    """What was recorded before one began to listen, in its order: tickets of earlier runs, and all
    records of this one.
    """

    records: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Recorded:
    """A record for the journal: of a finished round, or of an experiment's end."""

    record: Mapping[str, Any]

    @property
    def ends(self) -> bool:
        """Whether an experiment has ended."""
        return bool(self.record["record"] == "experiment")


@dataclass(frozen=True)
class StepsTrained:
    """Trainings really ran: so many steps of all their members, in so many seconds."""

    steps: int
    seconds: float
    examples: int = 0
    """Of all these steps."""


@dataclass(frozen=True)
class Retried:
    """Experiments go to another worker, since theirs ended."""

    experiments: Sequence[Experiment]
    reason: str
    """Why, as a clause: `the worker was killed by SIGKILL (out of memory?)`."""


@dataclass(frozen=True)
class Repeated:
    """The same as its follower reads it."""

    titles: Sequence[str]
    """How messages name the experiments."""
    reason: str


@dataclass(frozen=True)
class Note:
    """A sentence for the person who runs it. Said once a run."""

    message: str


@dataclass(frozen=True)
class DiskRefused:
    """A worker cannot write, and no other could: the run ends."""

    message: str


@dataclass(frozen=True)
class Stopping:
    """The first Ctrl-C: workers have this many seconds to save their trainings."""

    grace: float


@dataclass(frozen=True)
class RunEnded:
    """Nothing more will come."""


@dataclass(frozen=True, kw_only=True)
class StudyProgress:
    """How far a study of a tuning is."""

    name: str
    """`imp mlp/digits/short`."""
    done: int
    total: int | None
    """Trials of its budget; None where the budget counts something else."""
    best: str
    """`best 0.92 at #7`; empty where there is no best yet."""


@dataclass(frozen=True)
class TuningStarted:
    """A tuning begins, or goes on."""

    opening: str
    """What is about to happen, in a line."""
    studies: Sequence[StudyProgress]


@dataclass(frozen=True, kw_only=True)
class TrialEnded:
    """A trial of a study has ended."""

    study: StudyProgress
    number: int
    status: str
    values: Sequence[float]
    reason: str | None
    params: str
    """`prune_rate=0.3 scope=layer`."""


Event = (
    RunStarted
    | SeedsAdded
    | ExperimentStarted
    | Begun
    | WorkersUsed
    | Straggling
    | CaughtUp
    | Recorded
    | StepsTrained
    | Retried
    | Repeated
    | Note
    | DiskRefused
    | Stopping
    | RunEnded
    | TuningStarted
    | TrialEnded
)
Listener = Callable[[Event], None]


def title(e: Experiment) -> str:
    """An experiment in a line: `imp conv2/cifar10/short seed 0 at 0.2`."""
    task = (e.model_label, e.dataset_label, e.recipe_name)
    label = f"{e.label} from {e.found_on}" if e.found_on else e.label
    return _in_words(label, task, e.seed, e.densities)


def planned_title(plan: Mapping[str, Any]) -> str:
    """The same of an experiment as the journal has it (`PlannedExperiment`)."""
    task, source = (
        [str(plan[f"{of}{name}"]) for name in ("model", "dataset", "recipe")]
        for of in ("", "source_")
    )
    label = plan["label"] if task == source else f"{plan['label']} from {'/'.join(source)}"
    return _in_words(label, task, plan["seed"], plan["densities"])


def _in_words(label: str, task: Sequence[str], seed: int, densities: Sequence[float]) -> str:
    only = f" at {densities[0]:g}" if len(densities) == 1 and densities[0] < 1 else ""
    return f"{label} {'/'.join(task)} seed {seed}{only}"
