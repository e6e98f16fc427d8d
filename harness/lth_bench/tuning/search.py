"""Optuna's samplers and pruners, as a suite names them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from lth_bench.suite.tune import TuneSpec

STARTUP = 10
"""Random settings before TPE begins, at most; a third of a small budget."""
FACTOR = 2
"""A pruner lets about one of so many go on, each time the seeds have doubled."""


def sampler_for(spec: TuneSpec, study_id: str, number: int) -> BaseSampler:
    """The sampler that proposes trial `number`, the same whenever it is asked.

    What it draws depends on the study and the number alone, and what it has learnt lies in the
    study's store: a search that is killed and started again goes on as if nothing had been.
    """
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    text = f"{study_id}|{number}"
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
    trials = spec.budget.trials
    if spec.sampler == "random":
        return RandomSampler(seed=seed)
    if spec.sampler == "nsga2":
        # Optuna's 50 would leave a small budget within its first, random, generation
        size = 20 if trials is None else max(4, min(50, trials // 4))
        return NSGAIISampler(population_size=size, seed=seed)
    startup = STARTUP if trials is None else max(2, min(STARTUP, trials // 3))
    return TPESampler(n_startup_trials=startup, seed=seed)


def pruner_for(spec: TuneSpec, seeds: int, densities: int) -> BasePruner:
    """The pruner. Its resource is the number of results, one a seed and density; it decides when
    a seed is done, since the rungs of a ladder are one experiment.
    """
    from optuna.pruners import HyperbandPruner, NopPruner, SuccessiveHalvingPruner

    if spec.pruner == "halving":
        return SuccessiveHalvingPruner(min_resource=densities, reduction_factor=FACTOR)
    if spec.pruner == "hyperband":
        most = seeds * densities
        return HyperbandPruner(min_resource=densities, max_resource=most, reduction_factor=FACTOR)
    return NopPruner()
