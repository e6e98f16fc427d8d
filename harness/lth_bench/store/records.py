"""The records of the journal: what each line holds. Those of a run itself, and of how it goes,
are in `run_records.py`.

Fields are only ever added. Readers treat a missing field as null and ignore unknown fields and
records. Accuracies and densities are fractions in [0, 1], steps are
optimizer updates, times are ISO 8601 in UTC, seconds are wall-clock.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from lth_bench.store.run_records import TrialSoFar
from lth_bench.store.ticket_records import (
    FateRecord,
    LayerKept,
    MatrixRecord,
    OutlineRecord,
    UnitCounts,
    WeightHistogram,
)

Status = Literal["ok", "failed", "diverged", "oom", "timeout", "skipped", "interrupted"]
"""The outcome of an experiment. `skipped`: the strategy cannot reach the density, or the control
would equal its ticket."""
DROPPED: tuple[Status, ...] = ("oom", "timeout")
"""Statuses of what has ended without saying anything of the method: still owed by the machine, but
not run again by itself, and where seeds are added until decided the next ones take its place."""


class TunedFrom(TypedDict):
    """The origin of tuned parameters."""

    study: str
    """Its study_id."""
    trial: int
    steps: int | None
    """Cost of the search, without sharing."""


class PlannedExperiment(TypedDict):
    """An experiment planned by the run."""

    experiment_id: str
    """Hash of everything that decides its results, except the data's content and the numerics."""
    config_id: str
    """Hash of the label's configuration on this task, without seed, density and control. Rows of
    a label's older configurations leave the views when a newer one is planned."""
    suite: str
    strategy: str
    label: str
    params: dict[str, Any]
    model: str
    dataset: str
    recipe: str
    source_model: str
    source_dataset: str
    source_recipe: str
    seed: int
    densities: list[float]
    """Target densities it reports; [1.0] for the dense baseline."""
    controls: list[str]
    """`reinit`, `shuffle`, …: each adds a row for every density."""
    iterative: bool
    plugin_version: str | None
    source_hash: str | None
    scored_on: NotRequired[Literal["test", "validation"]]
    """`validation` for an experiment of tuning; `test` if missing."""
    tuned_from: NotRequired[TunedFrom | None]
    """The search that found the parameters, if any."""
    parameters: NotRequired[int | None]
    """Number of the network's parameters; None if it cannot be built."""
    prunable: NotRequired[int | None]
    """Number of prunable weights, which densities refer to."""
    not_prunable: NotRequired[list[str]]
    """Names of the largest other parameters, the largest first."""
    metric: NotRequired[str]
    """The objective's primary metric; `accuracy` if missing."""
    metric_unit: NotRequired[str]
    """`fraction` or ""; `fraction` if missing."""
    higher_is_better: NotRequired[bool]
    """True if missing."""
    start: NotRequired[dict[str, Any] | None]
    """What fixes the network's initial values (`lottery.experiment.Experiment.start`); null if
    all are drawn."""
    config: dict[str, Any]


class PlannedRecord(TypedDict):
    """The plan of a run. Planning an experiment again makes its configuration the newest."""

    record: Literal["planned"]
    at: NotRequired[str]
    run_id: str
    experiments: list[PlannedExperiment]


class TicketCost(TypedDict):
    """Cost of a ticket: without sharing, then as actually spent.

    Training is the fits of the reported round's `train`; all others are search. A multiply-add
    counts as 2 FLOPs; `masked_theoretical` integrates the mask over the steps.
    """

    steps: int
    examples: int
    flops_dense: float
    flops_masked_theoretical: float
    seconds: float
    search_steps: int
    search_examples: int
    search_flops_dense: float
    search_flops_masked_theoretical: float
    search_seconds: float
    spent_steps: int
    spent_seconds: float
    bit_operations: NotRequired[float]
    """Multiply-adds times the bits of both operands, if those by pruned weights were free."""
    search_bit_operations: NotRequired[float]
    """Of the search; both are missing in older journals."""


class TrainingUse(TypedDict):
    """A training used by a ticket."""

    key: str
    """Hash of everything that decides its result; no key is trained twice."""
    role: Literal["train", "search"]
    start: int
    end: int
    """Positions on the schedule, in steps."""
    steps: int
    flops_dense: float
    flops_masked_theoretical: float
    seconds: float
    device: str
    """Where it was trained, such as `cuda:1`."""
    device_name: NotRequired[str]
    """The device's name, such as `NVIDIA H200`, or `cpu`."""
    peak_memory: NotRequired[int | None]
    """Maximum bytes that its cohort used on the device; null on a CPU."""
    cohort_size: int
    """Trainings in its cohort; 1 is a training alone."""
    width: NotRequired[int]
    """The name of `cohort_size` in older journals; read, but no longer written."""
    variant: str
    """How the engine computed it: `plain`, `stacked` (layer by layer) or `vmap`."""
    reused: bool
    """Whether the result already existed."""


class TicketRecord(TypedDict):
    """A round has ended. The last record of a ticket_id counts."""

    record: Literal["ticket"]
    at: NotRequired[str]
    run_id: str
    experiment_id: str
    ticket_id: str
    round: int
    control: str
    """`none`, or the control that it is."""
    reported: bool
    """False for an intermediate round."""
    target_density: float
    density: float
    effective_density: float | None
    unit_density: float | None
    rewind_step: int | None
    status: Status
    reason: str | None
    metrics: dict[str, float | None]
    score: NotRequired[float | None]
    """The task's primary metric on the test split; `test_accuracy` of `metrics` when absent."""
    right: NotRequired[dict[str, str]]
    """Which test examples it gets right, by the metric that is the fraction of them: a bit each in
    the order of the test split, the first as the highest bit of the first byte, in base64. Missing
    in older journals, and of metrics that are no such fraction."""
    layers: list[LayerKept]
    units: NotRequired[list[UnitCounts]]
    """Not of controls, nor of a mask that keeps every weight."""
    cost: TicketCost
    trainings: list[TrainingUse]
    fingerprint: NotRequired[str | None]
    """Hash of the data's content as hexadecimal, as in its trainings' keys."""
    test_examples: NotRequired[int]
    """Number of examples behind its test metrics: accuracies are multiples of 1 / this."""
    curve: list[list[float | None]]
    """One [step, train_loss, val_loss, val_accuracy] per row; if the task's primary metric is not
    accuracy, [step, train_loss, val_loss, null, val_score]."""
    weights: NotRequired[list[WeightHistogram]]
    """For reported tickets."""
    fates: NotRequired[list[FateRecord]]
    """For reported tickets, without controls."""
    matrices: NotRequired[list[MatrixRecord]]
    """What the strategy recorded with `keep_matrix`."""
    outlines: NotRequired[list[OutlineRecord]]
    """Of reported tickets, where the task records decision boundaries."""


class TrialRecord(TypedDict):
    """A trial of a search for parameters has ended. The last record of a number counts."""

    record: Literal["trial"]
    at: NotRequired[str]
    run_id: str
    study_id: str
    """Hash of the search: parameters, objectives, task, seeds and densities."""
    study: str
    """SUITE/MODEL/DATASET/RECIPE/LABEL."""
    suite: str
    label: str
    strategy: str
    model: str
    dataset: str
    recipe: str
    number: int
    """From 0, which is the suite's own settings."""
    state: Literal["complete", "pruned", "failed"]
    origin: Literal["default", "sampler"]
    params: dict[str, Any]
    """By dotted name: `prune_rate.conv`; `recipe.lr` for a value of the recipe."""
    distributions: dict[str, str]
    """By the same names: Optuna's `distribution_to_json`."""
    objectives: list[str]
    directions: list[str]
    """maximize or minimize."""
    values: list[float | None]
    """One per objective; empty unless complete."""
    intermediate: list[list[float | None]]
    """One [position, value] per row."""
    densities: list[float]
    seeds: list[int]
    steps: int
    """Optimizer steps, without sharing."""
    seconds: float
    experiment_ids: list[str]
    budget: dict[str, float]
    sampler: str
    pruner: str
    source_hash: str | None
    reason: NotRequired[str | None]
    """Why it failed."""
    progress: NotRequired[TrialSoFar]
    """For followers."""


class Numerics(TypedDict):
    """What decides the last bits of a result, and is not part of its experiment's id."""

    torch: str
    engine: int
    """Revision of the training engine."""
    device: str
    """Name of the GPU, or `cpu`."""


class ExperimentRecord(TypedDict):
    """An experiment has ended. The last record of an experiment_id counts."""

    record: Literal["experiment"]
    at: NotRequired[str]
    run_id: str
    experiment_id: str
    status: Status
    reason: str | None
    seconds: float | None
    """From start to end, during which others ran beside it."""
    worker: str | None
    cohort_size: NotRequired[int]
    """Number of trainings stacked into one computation."""
    width: NotRequired[int]
    """The name of `cohort_size` in older journals; read, but no longer written."""
    fingerprint: NotRequired[str | None]
    """Hash of the content of the data it was trained on, which its id does not include."""
    replaces: NotRequired[str]
    """Fingerprint of the data of earlier results, if those were discarded because the data had
    changed."""
    numerics: NotRequired[Numerics]
