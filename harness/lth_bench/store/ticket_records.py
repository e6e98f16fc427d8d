"""What the record of a ticket holds in lists: of its layers, units, weights and the search for it.

Fields are only ever added, as in `store.records`.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class LayerKept(TypedDict):
    """Surviving weights of one prunable layer."""

    layer: str
    kind: Literal["conv", "linear", "output"]
    total: int
    kept: int
    frozen: NotRequired[bool]
    """True where the pruned weights keep values that are not zero; left out elsewhere."""


class UnitCounts(TypedDict):
    """Surviving weights by unit of a layer, or by place in the kernel of the first convolution."""

    layer: str
    side: Literal["in", "out", "kernel"]
    """Out of each input, into each output, or at each place of the kernel."""
    shape: list[int]
    """[C, H, W] where the places are an image's values, [1, H, W] of a kernel; otherwise empty."""
    kept: list[int]
    """Weights kept; there are equally many weights at each place."""


class WeightHistogram(TypedDict):
    """The distribution of a layer's surviving weights."""

    layer: str
    moment: Literal["start", "end"]
    """Before the ticket's training, and after it."""
    reach: float
    """A power of two; the 64 equal bins cover [−reach, reach]."""
    counts: list[int]
    """Number of weights per bin."""


class FateRecord(TypedDict):
    """What becomes of a layer's kept or pruned weights in the unpruned network's training."""

    layer: str
    fate: Literal["kept", "pruned"]
    """By the ticket's mask."""
    weights: int
    same_sign: int
    """Weights whose final value has the sign of the initial one."""
    grew: int
    """Weights that are farther from zero at the end."""
    moved: float
    """Mean distance of the final from the initial value."""
    initial: float
    """Mean magnitude of the initial values, in units of their root mean square in the layer."""
    reach: float | None
    """A power of two; each axis of the histogram has 32 equal bins over [−reach, reach], of which
    the outermost hold what lies beyond. Null where the layer has no histogram."""
    cells: list[int]
    """32 · i + j of every filled bin, i of the initial and j of the final value, from 0."""
    counts: list[int]
    """Number of weights in each."""


class MatrixRecord(TypedDict):
    """A value for every pair of steps of the search for a ticket."""

    name: str
    """For example `mask_distance`."""
    steps: list[int]
    """The n steps of training."""
    values: list[list[float]]
    """n rows of n."""


class OutlineRecord(TypedDict):
    """Points in the plane: a curve, a polygon or a cloud."""

    name: str
    """For example `boundary` or `hull`; those of `lottery/boundary.py`."""
    x: list[float | None]
    """[n]; null is a gap between two curves."""
    y: list[float | None]
