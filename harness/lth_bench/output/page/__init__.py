"""The report: one HTML file with every leaderboard and figure, readable without a network."""

from lth_bench.output.page.render import check_output, default_name, render_page, write_page

__all__ = ["check_output", "default_name", "render_page", "write_page"]
