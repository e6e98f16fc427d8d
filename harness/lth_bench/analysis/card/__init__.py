"""What came of a suite on one screen, as data: who is best, by how much, at what cost, and whether
that is settled. `output.card` draws it.
"""

from lth_bench.analysis.card.data import card_data
from lth_bench.analysis.card.gather import cards
from lth_bench.analysis.card.model import CHOSEN, Card, CardRow, NextStep, TaskCard

__all__ = ["CHOSEN", "Card", "CardRow", "NextStep", "TaskCard", "card_data", "cards"]
