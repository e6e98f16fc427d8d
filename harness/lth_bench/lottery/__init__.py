"""The lottery: an experiment's rounds, from dense to sparse, and its controls."""

from lth_bench.lottery.ablated_runner import run_experiment
from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.transfer_runner import run_transfer

__all__ = ["Experiment", "run_experiment", "run_transfer"]
