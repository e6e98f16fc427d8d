"""The lottery: an experiment's rounds, from dense to sparse, and its controls."""

from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.runner import run_experiment

__all__ = ["Experiment", "run_experiment"]
