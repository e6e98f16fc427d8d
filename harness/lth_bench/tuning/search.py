"""Optuna's samplers and pruners, as a suite names them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from lth_bench.suite.tune import TuneSpec

STARTUP = 10
"""Random trials before TPE starts, at most; a third of a small budget."""
FACTOR = 2
"""A pruner keeps about one in this many trials, each time their seeds have doubled."""


def numbered_sampler(spec: TuneSpec, study_id: str) -> BaseSampler:
    """A sampler that draws each trial with the sampler of its number.

    The storage numbers a trial before anything is drawn for it, so machines that ask at the same
    time get different numbers and therefore different trials.
    """
    from optuna.samplers import BaseSampler

    class ByNumber(BaseSampler):
        def of(self, trial: FrozenTrial) -> BaseSampler:
            return sampler_for(spec, study_id, trial.number)

        def infer_relative_search_space(self, study: Any, trial: Any) -> Any:
            return self.of(trial).infer_relative_search_space(study, trial)

        def sample_relative(self, study: Any, trial: Any, search_space: Any) -> Any:
            return self.of(trial).sample_relative(study, trial, search_space)

        def sample_independent(
            self, study: Any, trial: Any, param_name: str, param_distribution: Any
        ) -> Any:
            return self.of(trial).sample_independent(study, trial, param_name, param_distribution)

        def before_trial(self, study: Any, trial: Any) -> None:
            self.of(trial).before_trial(study, trial)

        def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
            self.of(trial).after_trial(study, trial, state, values)

    return ByNumber()


def sampler_for(spec: TuneSpec, study_id: str, number: int) -> BaseSampler:
    """The sampler that proposes trial `number`, always the same for that number.

    Its seed depends on the study and the number alone, and the earlier results are in the study
    storage: a search that was killed resumes as if it had not been interrupted.
    """
    from optuna.samplers import NSGAIISampler, RandomSampler, TPESampler

    text = f"{study_id}|{number}"
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "big")
    trials = spec.budget.trials
    if spec.sampler == "random":
        return RandomSampler(seed=seed)
    if spec.sampler == "nsga2":
        # with Optuna's default of 50, a small budget would end within the first, random generation
        size = 20 if trials is None else max(4, min(50, trials // 4))
        return NSGAIISampler(population_size=size, seed=seed)
    startup = STARTUP if trials is None else max(2, min(STARTUP, trials // 3))
    return TPESampler(n_startup_trials=startup, seed=seed)


def pruner_for(spec: TuneSpec, seeds: int, densities: int) -> BasePruner:
    """The pruner. Its resource is the number of results, one for each seed and density. It decides
    after each seed, because all densities of a sparsity schedule are one experiment.
    """
    from optuna.pruners import HyperbandPruner, NopPruner, SuccessiveHalvingPruner

    if spec.pruner == "halving":
        return SuccessiveHalvingPruner(min_resource=densities, reduction_factor=FACTOR)
    if spec.pruner == "hyperband":
        most = seeds * densities
        return HyperbandPruner(min_resource=densities, max_resource=most, reduction_factor=FACTOR)
    return NopPruner()
