"""The records of the journal that tell of a run: what it is, what it has to do, and how it goes.

What holds for all records is in `records.py`. Those of how a run goes are for its followers and
for the views of workers; no result depends on them.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class PluginUse(TypedDict):
    """A plugin that was loaded by a run."""

    name: str
    group: str
    """strategies, models, datasets, objectives or observers."""
    origin: str
    """The distribution or file it came from."""
    version: str | None
    source_hash: str | None


class SeedRule(TypedDict):
    """Until when a run adds seeds (`suite.decide.Decide`)."""

    margin: float | None
    """Null for the metric's default."""
    max_seeds: int


class RunRecord(TypedDict):
    """A command that trains has started."""

    record: Literal["run"]
    at: NotRequired[str]
    run_id: str
    suite: str
    suite_version: int | str
    suite_toml: str
    """The suite as it was run, complete."""
    baseline: NotRequired[str]
    """The label that the suite compares with; `dense` if missing."""
    decide: NotRequired[SeedRule]
    """Missing where the number of seeds was fixed."""
    overrides: NotRequired[list[str]]
    """`--set` and filters, as given."""
    command: str
    pid: NotRequired[int]  # of the process that writes the journal
    environment: dict[str, Any]
    """python, torch, device, host, cpu, threads, git, …"""
    plugins: list[PluginUse]


class WorkAhead(TypedDict):
    """What a run of a suite has to do."""

    trainings: int
    """Of all planned experiments, shared ones counted once."""
    steps: dict[str, int]
    """experiment_id → steps that it will train, of those left to do."""
    workers: int | None
    """Null, as the next, in a record of seeds that were added."""
    seconds: float | None
    """Expected duration at earlier runs' paces; null where they do not tell."""


class StartedRecord(TypedDict):
    """A run of a suite begins its work, or adds seeds: for its followers, not a part of any result.
    What comes later in a run adds to what came before.
    """

    record: Literal["started"]
    at: NotRequired[str]
    run_id: str
    work: WorkAhead  # nested, since a name has one type in all records


class BegunRecord(TypedDict):
    """A worker has got an experiment: for followers, as `started`."""

    record: Literal["begun"]
    at: NotRequired[str]
    run_id: str
    experiment_id: str
    worker: NotRequired[str]


class WorkerTotals(TypedDict):
    """What a worker has done since the run began (`running.usage.WorkerUse`)."""

    slot: int
    """Of the run's places for workers, from 0."""
    worker: str
    host: str
    """Empty while it waits for a place in the cluster."""
    device: str
    state: Literal["starting", "busy", "queued", "idle", "gone"]
    processes: int
    units: int
    experiments: int
    retries: int
    steps: int
    examples: int
    training_seconds: float
    starting_seconds: float
    busy_seconds: float
    queued_seconds: float
    idle_seconds: float


class WorkersRecord(TypedDict):
    """What all workers of a run have done so far. The last record of a run counts."""

    record: Literal["workers"]
    at: NotRequired[str]
    run_id: str
    suite: str
    workers: list[WorkerTotals]


class StragglerRecord(TypedDict):
    """An experiment takes much longer than expected, or took. The last one counts of a run, an
    experiment and a worker.
    """

    record: Literal["straggler"]
    at: NotRequired[str]
    run_id: str
    experiment_id: str
    worker: str
    seconds: float
    """Since it began there; once it has ended, the whole time."""
    expected_seconds: float
    ended: bool


class RetriedRecord(TypedDict):
    """Experiments start again on another worker."""

    record: Literal["retried"]
    at: NotRequired[str]
    run_id: str
    experiment_ids: list[str]
    reason: str


class NoteRecord(TypedDict):
    """A sentence for who follows the run."""

    record: Literal["note"]
    at: NotRequired[str]
    run_id: str
    message: str


class StudySoFar(TypedDict):
    """How far a study of a tuning is (`running.progress.StudyProgress`)."""

    name: str
    done: int
    total: int | None
    best: str


class TrialSoFar(StudySoFar):
    """The same when a trial has ended."""

    params: str
    """The trial's parameters in a line."""


class TuningRecord(TypedDict):
    """A tuning begins its work."""

    record: Literal["tuning"]
    at: NotRequired[str]
    run_id: str
    opening: str
    """What is about to happen, in a line."""
    studies: list[StudySoFar]


class TunedRecord(TypedDict):
    """A tuning has ended, in whatever way."""

    record: Literal["tuned"]
    at: NotRequired[str]
    run_id: str


class LookTaken(TypedDict):
    """What a look at a comparison said (`stats.sequential`)."""

    n: int
    """Pairs of seeds, the first in their order."""
    verdict: str
    """better, worse, equivalent, open or failed."""
    stop: str | None
    """Why no seeds are added: decided, futile, maximum or lost; null where some are."""
    difference: float | None
    """Mean of the label minus the baseline, in the unit of the metric; the next likewise."""
    deviation: float | None
    p: float | None
    """Nominal: below .0064, the row is better or worse."""
    p_equivalent: float | None
    """Nominal: below .0072, it is equivalent."""
    margin: float
    max_seeds: int
    baseline: str
    metric: str
    source_model: str
    source_dataset: str
    source_recipe: str


class LookRecord(TypedDict):
    """A comparison was looked at, in a run that adds seeds until decided."""

    record: Literal["look"]
    at: NotRequired[str]
    run_id: str
    suite: str
    model: str
    dataset: str
    recipe: str
    label: str
    target_density: float
    look: LookTaken
