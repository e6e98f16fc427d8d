"""Figures for papers, drawn with matplotlib: no browser, and the same bytes at every run."""

from lth_bench.output.figures.write import write_figures

__all__ = ["write_figures"]
