"""Figures for papers, drawn with matplotlib: no browser, and the same bytes at every run."""

from lth_bench.output.paper.draw import draw
from lth_bench.output.paper.files import for_paper, make_folder, save, write_figures

__all__ = ["draw", "for_paper", "make_folder", "save", "write_figures"]
