"""Images without their background as sparse matrices, and a cache of their batches."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROWS = 256
"""Images converted at a time: they fit in fast caches."""


@dataclass(frozen=True)
class SparseRows:
    """A sparse matrix [lines, n] in row order."""

    places: Tensor
    """int32 [values]: the column of each value."""
    starts: Tensor
    """int32 [lines + 1]: where each row's values begin, then where the last row's end."""
    values: Tensor
    """[values]."""

    def times(self, table: Tensor) -> Tensor:
        """The product [lines, k] with a dense matrix [n, k]."""
        # torch's embedding-bag kernel computes this product twice as fast as torch.sparse does;
        # F.embedding_bag would check its arguments first. 0: weighted sum
        product: Tensor = torch.embedding_bag(
            table, self.places, self.starts, False, 0, False, self.values, include_last_offset=True
        )[0]
        return product

    @property
    def bytes(self) -> int:
        """Its size in memory."""
        return sum(t.nbytes for t in (self.places, self.starts, self.values))


@dataclass(frozen=True)
class SparseBatch:
    """N images without their background, followed by an image of ones."""

    by_image: SparseRows
    """[N + 1, pixels]"""
    by_pixel: SparseRows
    """[pixels, N + 1], the same transposed."""


class SparseImages:
    """The images of a split without their background."""

    def __init__(self, x: Tensor, background: int, shades: Tensor) -> None:
        """x uint8 [N, 1, H, W]; `shades` [256] is the normalised value of every pixel value."""
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
        # the image of ones is last
        counts.append(np.array([width]))
        pixels.append(np.arange(width, dtype=np.int32))
        found.append(np.ones(width, values.dtype))
        starts = np.zeros(images + 2, np.int32)
        np.cumsum(np.concatenate(counts), out=starts[1:])
        self._matrix: Any = csr_array(
            (np.concatenate(found), np.concatenate(pixels), starts), shape=(images + 1, width)
        )
        self._in_order: dict[int, list[SparseRows]] = {}

    def __len__(self) -> int:
        return int(self._matrix.shape[0]) - 1

    def batches(self, examples: Tensor, size: int) -> Iterator[SparseBatch]:
        """Batches of `size` of the examples at positions int64 [n]; the last batch may
        be smaller.
        """
        from scipy.sparse import csr_array

        width = self._matrix.shape[1]
        firsts = np.arange(0, len(examples), size)
        count = len(firsts)
        rows = self._matrix[np.insert(examples.numpy(), [*firsts[1:], len(examples)], len(self))]
        lines = np.append(np.arange(0, len(examples) + count, size + 1), len(examples) + count)
        ends = rows.indptr[lines]
        # all batches side by side, so that one conversion sorts all their values
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

    def in_order(self, size: int) -> list[SparseRows]:
        """All images in batches of `size`, each followed by an image of ones: [n + 1, pixels]."""
        if size not in self._in_order:
            batches = self.batches(torch.arange(len(self)), size)
            self._in_order[size] = [batch.by_image for batch in batches]
        return self._in_order[size]


def _lines(places: Any, starts: Any, values: Any) -> SparseRows:
    return SparseRows(*map(torch.from_numpy, (places, starts, values)))


KEPT = 2**30
"""Maximum bytes of cached batches per process."""

SparseLabelledBatch = tuple[SparseBatch, Tensor]


class KeptBatches:
    """A least-recently-used cache of the batches of each seed. Batches that do not fit beside
    others of their own seed are not cached.
    """

    def __init__(self, room: int = KEPT) -> None:
        """`room` is the capacity in bytes."""
        self.room = min(room, KEPT)
        self._kept: dict[Hashable, dict[int, SparseLabelledBatch]] = {}
        self._bytes: dict[Hashable, int] = {}

    @property
    def bytes(self) -> int:
        """Bytes in use."""
        return sum(self._bytes.values())

    def use(self, name: Hashable) -> Mapping[int, SparseLabelledBatch]:
        """The cached batches by step; extend them with `add`."""
        self._kept[name] = self._kept.pop(name, {})
        return self._kept[name]

    def add(self, name: Hashable, batches: Mapping[int, SparseLabelledBatch]) -> None:
        """Cache the batches of these steps too, if there is room. They must not be
        cached already.
        """
        self.use(name)
        size = sum(x.by_image.bytes + x.by_pixel.bytes for x, _ in batches.values())
        for other in [n for n in self._kept if n != name]:
            if self.bytes + size > self.room:
                del self._kept[other]
                self._bytes.pop(other, 0)
        if self.bytes + size <= self.room:
            self._kept[name].update(batches)
            self._bytes[name] = self._bytes.get(name, 0) + size
