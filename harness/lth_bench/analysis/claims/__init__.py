"""Claims of a suite held against its results."""

from lth_bench.analysis.claims.board import claims_board, sheet
from lth_bench.analysis.claims.finding import Finding, findings

__all__ = ["Finding", "claims_board", "findings", "sheet"]
