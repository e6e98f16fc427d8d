"""Networks by their units and paths: coupled channels, shrinking, what is connected."""

from lth_bench.structure.effective import effective_density, effective_mask
from lth_bench.structure.groups import Slots, UnitGroup
from lth_bench.structure.shrink import measure, shrink
from lth_bench.structure.unit_masks import largest_below, mask_of, removed_units, shuffle_units
from lth_bench.structure.units import unit_groups

__all__ = [
    "Slots",
    "UnitGroup",
    "effective_density",
    "effective_mask",
    "largest_below",
    "mask_of",
    "measure",
    "removed_units",
    "shrink",
    "shuffle_units",
    "unit_groups",
]
