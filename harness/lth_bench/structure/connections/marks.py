"""One mark per element of memory: 1 if a property holds there, else 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_bench.models.operations import TensorPiece


@dataclass(frozen=True, eq=False)
class ReachMark:
    """A tensor read by an operation."""

    piece: TensorPiece
    on: Tensor
    """float32 in the tensor's size: 1 where examples reach it; for a weight, where it is kept.
    Zeros for a constant."""

    @property
    def is_data(self) -> bool:
        """Whether it was computed from the examples."""
        return self.piece.origin == "data"

    @property
    def is_weight(self) -> bool:
        """Whether it was computed from weights alone; products with it are cut where pruned."""
        return self.piece.origin == "weights"


class Marks:
    """float32 marks for numbered blocks of memory. Tensors returned by `read` never change."""

    def __init__(self, sizes: Mapping[int, int], device: torch.device) -> None:
        self._sizes, self._device = sizes, device
        self._of: dict[int, Tensor] = {}

    def read(self, piece: TensorPiece) -> Tensor:
        """The marks of a piece, in its size; do not modify them."""
        whole = self._of.get(piece.memory)
        if whole is None:
            return torch.zeros(piece.size, device=self._device)
        return whole.as_strided(piece.size, piece.stride, piece.offset)

    def write(self, piece: TensorPiece, marks: Tensor) -> None:
        """Overwrite a piece's marks; the rest of its memory is unchanged."""
        if self._is_whole(piece):
            self._of[piece.memory] = marks.reshape(-1)
            return
        whole = self._copy(piece)
        whole.as_strided(piece.size, piece.stride, piece.offset).copy_(marks)
        self._of[piece.memory] = whole

    def add(self, piece: TensorPiece, marks: Tensor) -> None:
        """Add marks to those already there."""
        if self._is_whole(piece):
            before = self._of.get(piece.memory)
            flat = marks.reshape(-1)
            self._of[piece.memory] = flat if before is None else torch.maximum(before, flat)
            return
        whole = self._copy(piece)
        if piece.overlaps:  # elements of an expanded tensor share memory
            places = torch.arange(len(whole), device=self._device)
            places = places.as_strided(piece.size, piece.stride, piece.offset)
            whole.index_add_(0, places.reshape(-1), marks.reshape(-1))
        else:
            whole.as_strided(piece.size, piece.stride, piece.offset).add_(marks)
        self._of[piece.memory] = whole.clamp_(max=1)

    def clear(self, piece: TensorPiece) -> None:
        """Remove a piece's marks."""
        if self._is_whole(piece):
            self._of.pop(piece.memory, None)
        elif piece.memory in self._of:
            self.write(piece, torch.zeros(piece.size, device=self._device))

    def _copy(self, piece: TensorPiece) -> Tensor:
        whole = self._of.get(piece.memory)
        if whole is None:
            return torch.zeros(self._sizes[piece.memory], device=self._device)
        return whole.clone()

    def _is_whole(self, piece: TensorPiece) -> bool:
        """Whether the piece is all of its memory, contiguous."""
        return piece.is_in_order and piece.numel == self._sizes[piece.memory]
