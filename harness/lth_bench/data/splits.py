"""Train/validation splits that depend on the dataset alone, and normalisation statistics."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from lth_bench.data.info import Targets
from lth_bench.errors import UserError


def split(n: int, y: Tensor, val_size: int, fingerprint: str) -> tuple[Tensor, Tensor]:
    """Indices of the training and the validation split, int64, ascending.

    Stratified by class, and a smaller validation split is contained in a larger one. A function of
    labels and `fingerprint` alone, not of a seed or a library's generator. `y` is int64 [n]; 0 ≤
    `val_size` < n, otherwise UserError.
    """
    if not 0 <= val_size < n:
        raise UserError(
            f"val_size must leave training examples: it must be in [0, {n - 1}], but got {val_size}"
        )
    order = torch.from_numpy(_stratified(y.cpu().numpy(), fingerprint))
    return order[val_size:].sort().values, order[:val_size].sort().values


def train_and_val(
    y: Tensor, targets: Targets, val_size: int, fingerprint: str
) -> tuple[Tensor, Tensor]:
    """`split` of a dataset's training targets [n, …]: only classes are stratified."""
    strata = y if targets == "class" else torch.zeros(len(y), dtype=torch.int64)
    return split(len(y), strata, val_size, fingerprint)


def _stratified(labels: np.ndarray, purpose: str) -> np.ndarray:
    """All indices, ordered so that every prefix has the classes in proportion."""
    n = len(labels)
    # file names may contain bytes that are not UTF-8
    encoded = purpose.encode("utf-8", "surrogatepass")
    keys = np.frombuffer(hashlib.shake_256(encoded).digest(8 * n), dtype="<u8")
    by_class = np.lexsort((keys, labels))
    counts = np.bincount(labels)
    starts = np.cumsum(counts) - counts
    sizes = counts[labels[by_class]]
    place = np.arange(n) - starts[labels[by_class]]
    # the r-th of a class of m is at (r + ½) / m; ties between classes by their keys
    position = np.empty(n)
    position[by_class] = (place + 0.5) / sizes
    return np.lexsort((keys, position)).astype(np.int64)


def channel_stats(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel of uint8 [N, C, H, W], on the scale [0, 1].

    float32 [C] each. Computed from counts of the 256 values, so exact in any order and without a
    float copy of the data.
    """
    return stats_of_counts(count_values(x))


def stats_of_counts(counts: Tensor) -> tuple[Tensor, Tensor]:
    """The same from the number of occurrences of each value, int64 [C, 256]."""
    values = torch.arange(256, dtype=torch.float64) / 255
    share = counts.double() / counts.sum(1, keepdim=True)
    mean = share @ values
    variance = (share * (values - mean[:, None]).square()).sum(1)
    return mean.float(), variance.sqrt().float()


def count_values(x: Tensor) -> Tensor:
    """Occurrences of each value per channel of uint8 [N, C, H, W]: int64 [C, 256], on the CPU.

    Counts of parts add up to those of the whole.
    """
    return torch.stack([_counts(channel) for channel in x.unbind(1)])


def _counts(channel: Tensor) -> Tensor:
    # unlike numpy's, this neither holds the GIL nor makes a copy of 8 bytes per pixel
    return torch.bincount(channel.cpu().flatten(), minlength=256)
