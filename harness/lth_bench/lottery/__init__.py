"""The lottery: an experiment's rounds, from dense to sparse, and its controls."""

from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.play import Failure, play

__all__ = ["Experiment", "Failure", "play"]
