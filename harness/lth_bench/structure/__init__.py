"""Networks by their units and paths: coupled channels, shrinking, what is connected."""

from lth_bench.structure.effective import effective_density, effective_mask
from lth_bench.structure.groups import Slots, UnitGroup
from lth_bench.structure.shrink import measure_network, shrink_network
from lth_bench.structure.unit_masks import largest_below, mask_of, removed_units, shuffle_units
from lth_bench.structure.units import removable_units, require_units, unit_groups

__all__ = [
    "Slots",
    "UnitGroup",
    "effective_density",
    "effective_mask",
    "largest_below",
    "mask_of",
    "measure_network",
    "removable_units",
    "removed_units",
    "require_units",
    "shrink_network",
    "shuffle_units",
    "unit_groups",
]
