"""The records of the journal: what each line holds.

Fields are only ever added. A reader takes an absent field for null and ignores fields and
records that it does not know. Accuracies and densities are fractions in [0, 1], steps are
optimiser updates, times are ISO 8601 in UTC, seconds are wall-clock.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

Status = Literal["ok", "failed", "diverged", "oom", "timeout", "skipped", "interrupted"]
"""What became of an experiment. `skipped`: the strategy cannot reach the density, or the control
would be its own ticket."""


class PluginUse(TypedDict):
    """A plugin that a run had loaded."""

    name: str
    group: str
    """strategies, models, datasets, objectives or observers."""
    origin: str
    """The distribution or the file it came from."""
    version: str | None
    source_hash: str | None


class RunRecord(TypedDict):
    """A command that trains has begun."""

    record: Literal["run"]
    at: NotRequired[str]
    run_id: str
    suite: str
    suite_version: int | str
    suite_toml: str
    """The suite as it was run, in full."""
    baseline: NotRequired[str]
    """Label that the suite compares against; `dense` when absent."""
    overrides: NotRequired[list[str]]
    """`--set` and filters, as they were given."""
    command: str
    environment: dict[str, Any]
    """python, torch, device, host, cpu, threads, git, …"""
    plugins: list[PluginUse]


class TunedFrom(TypedDict):
    """Where tuned parameters are from."""

    study: str
    """Its study_id."""
    trial: int
    steps: int | None
    """What the search took, without sharing."""


class PlannedExperiment(TypedDict):
    """An experiment the run means to end with."""

    experiment_id: str
    """Hash of what decides its results, but for the data's content and the numerics."""
    config_id: str
    """Hash of the label's configuration on this task: no seed, density or control in it. Rows
    of a label's older configurations leave the views when a newer one is planned."""
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
    """`reinit`, `shuffle`: each adds a row to every density."""
    iterative: bool
    plugin_version: str | None
    source_hash: str | None
    scored_on: NotRequired[Literal["test", "validation"]]
    """`validation` where it belongs to a tuning; `test` when absent."""
    tuned_from: NotRequired[TunedFrom | None]
    """The search that found the parameters, if one did."""
    parameters: NotRequired[int | None]
    """All of the network's; None where it cannot be built."""
    prunable: NotRequired[int | None]
    """Those that densities count."""
    metric: NotRequired[str]
    """The objective's primary metric; `accuracy` when absent."""
    metric_unit: NotRequired[str]
    """`fraction` or ""; `fraction` when absent."""
    higher_is_better: NotRequired[bool]
    """True when absent."""
    config: dict[str, Any]


class PlannedRecord(TypedDict):
    """What a run will do. Planning an experiment again makes its configuration the newest."""

    record: Literal["planned"]
    at: NotRequired[str]
    run_id: str
    experiments: list[PlannedExperiment]


class LayerKept(TypedDict):
    """Survivors of one prunable layer."""

    layer: str
    kind: Literal["conv", "linear", "output"]
    total: int
    kept: int


class TicketCost(TypedDict):
    """Cost of a ticket: without sharing, then as actually spent.

    Training is the fits of the reported round's `train`; all others are search. FLOPs count
    2 a multiply-add; `masked_theoretical` integrates the mask over the steps.
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


class WeightHistogram(TypedDict):
    """How many surviving weights of a layer lie where."""

    layer: str
    moment: Literal["start", "end"]
    """Before the ticket's training, and after it."""
    reach: float
    """A power of two; the 64 equal bins cover [−reach, reach]."""
    counts: list[int]
    """Weights by bin."""


class MatrixRecord(TypedDict):
    """A value for every pair of moments in the search for a ticket."""

    name: str
    """Such as `mask_distance`."""
    steps: list[int]
    """The moments, as steps of training; n of them."""
    values: list[list[float]]
    """n rows of n."""


class TrainingUse(TypedDict):
    """A training that a ticket used."""

    key: str
    """Hash of what decides its result; no key is trained twice."""
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
    """The device's own name, such as `NVIDIA H200`, or `cpu`."""
    peak_memory: NotRequired[int | None]
    """Bytes that its cohort held on the device at most; null on a CPU."""
    cohort_size: int
    """Trainings stacked into one computation with it; 1 is the plain path."""
    width: NotRequired[int]
    """What older journals call `cohort_size`; read, and no longer written."""
    variant: str
    """How the engine computed it: `plain`, `stacked` (layer by layer) or `vmap`."""
    reused: bool
    """Whether the result was there already."""


class TicketRecord(TypedDict):
    """A round has ended. The last record of a ticket_id counts."""

    record: Literal["ticket"]
    at: NotRequired[str]
    run_id: str
    experiment_id: str
    ticket_id: str
    round: int
    control: str
    """`none`, or the control whose ablation it had."""
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
    layers: list[LayerKept]
    cost: TicketCost
    trainings: list[TrainingUse]
    fingerprint: NotRequired[str | None]
    """Of the content of the data: hexadecimal, as its trainings' keys have it."""
    test_examples: NotRequired[int]
    """Examples that its test metrics are means over: accuracies are multiples of 1 / so many."""
    curve: list[list[float | None]]
    """[step, train_loss, val_loss, val_accuracy] a row; where the task's primary metric is no
    accuracy, [step, train_loss, val_loss, null, val_score]."""
    weights: NotRequired[list[WeightHistogram]]
    """Of reported tickets."""
    matrices: NotRequired[list[MatrixRecord]]
    """What the strategy drew of its search."""


class TrialRecord(TypedDict):
    """A trial of a search for parameters has ended. The last record of a number counts."""

    record: Literal["trial"]
    at: NotRequired[str]
    run_id: str
    study_id: str
    """Hash of what is searched, for what, and on which task, seeds and densities."""
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
    """As many as objectives; empty unless complete."""
    intermediate: list[list[float | None]]
    """[position, value] a row."""
    densities: list[float]
    seeds: list[int]
    steps: int
    """Optimiser steps, without sharing."""
    seconds: float
    experiment_ids: list[str]
    budget: dict[str, float]
    sampler: str
    pruner: str
    source_hash: str | None


class Numerics(TypedDict):
    """What the last bits of a result depend on, and its experiment's id does not hold."""

    torch: str
    engine: int
    """Revision of the training engine."""
    device: str
    """Name of the GPU, or `cpu`."""


class ExperimentRecord(TypedDict):
    """An experiment has ended, one way or another. The last record of an experiment_id counts."""

    record: Literal["experiment"]
    at: NotRequired[str]
    run_id: str
    experiment_id: str
    status: Status
    reason: str | None
    seconds: float | None
    """From its start to its end; others ran side by side with it."""
    worker: str | None
    cohort_size: NotRequired[int]
    """Trainings that were stacked into one computation."""
    width: NotRequired[int]
    """What older journals call `cohort_size`; read, and no longer written."""
    fingerprint: NotRequired[str | None]
    """Of the content of the data it was trained on, which its id does not hold."""
    replaces: NotRequired[str]
    """Fingerprint of the data of earlier results, where those were given up because the data
    had changed."""
    numerics: NotRequired[Numerics]
