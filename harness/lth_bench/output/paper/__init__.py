"""Figures for papers, drawn with matplotlib: no browser, and the same bytes at every run."""

from lth_bench.output.paper.files import write_figures

__all__ = ["write_figures"]
