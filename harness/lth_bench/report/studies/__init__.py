"""Studies of tuning drawn by Optuna, from what the database has of their trials."""

from lth_bench.report.studies.draw import LEAST, MOST, Drawn, draw
from lth_bench.report.studies.rebuild import Rebuilt, rebuild

__all__ = ["LEAST", "MOST", "Drawn", "Rebuilt", "draw", "rebuild"]
