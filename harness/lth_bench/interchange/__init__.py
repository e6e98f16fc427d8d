"""Tickets outside of the harness: loaded from results, written to files, given to torch's pruning.

Above `analysis`, since a ticket is found as `lth-bench show` finds it, and beside `api`, since
nothing else needs it.
"""

from lth_bench.interchange.saved_ticket import SavedTicket, load_ticket
from lth_bench.interchange.ticket_file import load_network
from lth_bench.interchange.torch_prune import mask_from, prune_with_torch

__all__ = ["SavedTicket", "load_network", "load_ticket", "mask_from", "prune_with_torch"]
