"""The next token at every place of a sequence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Self

import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.info import DatasetInfo, Targets
from lth_bench.objectives.base import Metric, Objective
from lth_bench.params import Range


@dataclass(frozen=True)
class NextToken(Objective):
    """Cross-entropy of the token at every place, averaged over an example's places, in nats.

    Judged by perplexity, exp of the mean over all places of a split, and by bits per byte of text.
    """

    bytes_per_token: Annotated[float, Range(0, math.inf, open_low=True)] | None = None
    """Mean bytes of text in a token; by default the dataset's: 1 where tokens are bytes."""

    targets: ClassVar[tuple[Targets, ...]] = ("tokens",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("perplexity", "", higher_is_better=False),
        Metric("bits_per_byte", "", higher_is_better=False),
    )

    def bound(self, train_targets: Tensor, info: DatasetInfo) -> Self:
        """With the dataset's bytes a token."""
        return replace(self, bytes_per_token=self.bytes_per_token or info.bytes_per_token)

    def losses(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Of logits [N, T, V] and tokens int64 [N, T]: [N]."""
        found = F.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
        return found.view(targets.shape).mean(1)

    def evidence(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Each example's loss, float64 [N]: all have the same number of places."""
        return self.losses(outputs, targets).double()

    def measure(self, evidence: Tensor, targets: Tensor) -> Mapping[str, float]:
        """From losses [N]."""
        nats = float(evidence.mean())
        # beyond what a float holds it is infinite, and no error
        perplexity = math.exp(nats) if nats < 709 else math.inf
        return {
            "perplexity": perplexity,
            "bits_per_byte": nats / math.log(2) / (self.bytes_per_token or 1.0),
        }
