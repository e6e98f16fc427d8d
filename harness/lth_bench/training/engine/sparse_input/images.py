"""Images without their background, as sparse matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROWS = 256
"""Images made sparse at a time: they stay in fast caches."""


@dataclass(frozen=True)
class Lines:
    """A sparse matrix [lines, n], line by line."""

    places: Tensor
    """int32 [values]: the column of each value."""
    starts: Tensor
    """int32 [lines + 1]: where each line's values begin, and where the last one's end."""
    values: Tensor
    """[values]."""

    def times(self, table: Tensor) -> Tensor:
        """The product [lines, k] with a dense matrix [n, k]."""
        # torch's kernel for bags of embeddings is this product, and twice as fast as that of
        # torch.sparse; F.embedding_bag checks first. 0: the weighted sum
        product: Tensor = torch.embedding_bag(
            table, self.places, self.starts, False, 0, False, self.values, include_last_offset=True
        )[0]
        return product

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return sum(t.nbytes for t in (self.places, self.starts, self.values))


@dataclass(frozen=True)
class SparseBatch:
    """N images less their background, and after them an image of ones."""

    by_image: Lines
    """[N + 1, pixels]"""
    by_pixel: Lines
    """[pixels, N + 1], the same transposed."""


class SparseImages:
    """The images of a split less their background."""

    def __init__(self, x: Tensor, background: int, shades: Tensor) -> None:
        """x uint8 [N, 1, H, W]; `shades` [256] is every pixel value as training sees it."""
        from scipy.sparse import csr_array

        flat = x.flatten(1).numpy()
        images, width = flat.shape
        values = (shades - shades[background]).numpy()
        counts, pixels, found = [], [], []
        for i in range(0, images, ROWS):
            part = flat[i : i + ROWS]
            there = part != background
            places = np.flatnonzero(there)
            counts.append(np.count_nonzero(there, axis=1))
            pixels.append((places % width).astype(np.int32))
            found.append(values[part.reshape(-1)[places]])
        # the image of ones comes last
        counts.append(np.array([width]))
        pixels.append(np.arange(width, dtype=np.int32))
        found.append(np.ones(width, values.dtype))
        starts = np.zeros(images + 2, np.int32)
        np.cumsum(np.concatenate(counts), out=starts[1:])
        self._matrix: Any = csr_array(
            (np.concatenate(found), np.concatenate(pixels), starts), shape=(images + 1, width)
        )
        self._in_order: dict[int, list[Lines]] = {}

    def __len__(self) -> int:
        return int(self._matrix.shape[0]) - 1

    def batches(self, examples: Tensor, size: int) -> Iterator[SparseBatch]:
        """The examples at positions int64 [n], `size` at a time; the last batch may be smaller."""
        from scipy.sparse import csr_array

        width = self._matrix.shape[1]
        firsts = np.arange(0, len(examples), size)
        count = len(firsts)
        rows = self._matrix[np.insert(examples.numpy(), [*firsts[1:], len(examples)], len(self))]
        lines = np.append(np.arange(0, len(examples) + count, size + 1), len(examples) + count)
        ends = rows.indptr[lines]
        # all batches side by side, so that one conversion puts all their values in order
        of = np.repeat(np.arange(count, dtype=np.int32), np.diff(ends))
        shape = (rows.shape[0], count * width)
        wide = csr_array((rows.data, rows.indices + of * width, rows.indptr), shape).tocsc()
        images = wide.indices - of * (size + 1)
        for i in range(count):
            there = slice(ends[i], ends[i + 1])
            starts = rows.indptr[lines[i] : lines[i + 1] + 1] - ends[i]
            columns = wide.indptr[i * width : (i + 1) * width + 1] - ends[i]
            yield SparseBatch(
                _lines(rows.indices[there], starts, rows.data[there]),
                _lines(images[there], columns, wide.data[there]),
            )

    def in_order(self, size: int) -> list[Lines]:
        """All images, `size` at a time, and after each batch an image of ones: [n + 1, pixels]."""
        if size not in self._in_order:
            batches = self.batches(torch.arange(len(self)), size)
            self._in_order[size] = [batch.by_image for batch in batches]
        return self._in_order[size]


def _lines(places: Any, starts: Any, values: Any) -> Lines:
    return Lines(*map(torch.from_numpy, (places, starts, values)))
