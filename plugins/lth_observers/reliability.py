"""Reliability: are tickets as well calibrated, and as robust to common corruptions, as the dense
network?

Load it with `--plugin reliability`. Measured on the split that results are reported on, at the last
step of training, for tickets, controls and the dense run. Costs 21 evaluations a ticket, where the
defaults take two or three.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench import TicketView, Trained, hookimpl

BINS = 15
SEVERITIES = 5
Corruption = Callable[[Tensor, int, torch.Generator], Tensor]


class Reliability:
    """Expected calibration error, negative log-likelihood and accuracy under common corruptions.

    `calibration_error` is that of Guo et al. (2017, equation 3): 15 bins of equal width of the
    largest softmax output, of the network as it is, without temperature scaling; a fraction.
    `nll_loss` is the mean negative log-likelihood in nats.

    For images also `noise_accuracy`, `blur_accuracy`, `contrast_accuracy`, `brightness_accuracy`,
    each the mean over five severities, their mean `corruption_accuracy`, and `corruption_loss`, the
    mean of their negative log-likelihoods. Kinds and strengths are those of CIFAR-10-C (Hendrycks &
    Dietterich, 2019), from their definitions and not from its files. Deviations: four of 15 kinds,
    and brightness is added to all channels instead of HSV's value. Noise is seeded by kind and
    severity alone, so that all tickets see the same images.
    """

    @hookimpl
    def score(self, ticket: TicketView, trained: Trained) -> dict[str, float]:
        """Nothing of tasks whose targets are not classes."""
        outputs, y = ticket.outputs()
        if y.is_floating_point() or outputs.ndim != 2 or y.ndim != 1:
            return {}
        found = {"calibration_error": calibration_error(outputs, y), "nll_loss": _nll(outputs, y)}
        if len(ticket.input_shape) != 3 or ticket.inputs != "images":
            return found
        losses = []
        for kind, corrupt in CORRUPTIONS.items():
            right = []
            for severity in range(1, SEVERITIES + 1):
                rng = torch.Generator().manual_seed(crc32(f"{kind} {severity}".encode()))
                change = partial(corrupted, how=corrupt, severity=severity, rng=rng)
                outputs, y = ticket.outputs(change)
                right.append(float((outputs.argmax(1) == y).float().mean()))
                losses.append(_nll(outputs, y))
            found[f"{kind}_accuracy"] = sum(right) / len(right)
        kinds = [found[f"{kind}_accuracy"] for kind in CORRUPTIONS]
        found["corruption_accuracy"] = sum(kinds) / len(kinds)
        found["corruption_loss"] = sum(losses) / len(losses)
        return found


def calibration_error(logits: Tensor, y: Tensor, bins: int = BINS) -> float:
    """Σ over bins of (share of the examples) · |accuracy − mean confidence|, from logits [N, C] and
    classes [N]. A bin is open below and closed above, as in Guo et al.'s code.
    """
    confidence, found = F.softmax(logits.double(), dim=1).max(dim=1)
    right = (found == y).double()
    edges = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=logits.device)
    place = (torch.bucketize(confidence, edges) - 1).clamp(0, bins - 1)
    total = torch.zeros(bins, dtype=torch.float64, device=logits.device)
    gap = total.index_add(0, place, right - confidence)
    return float(gap.abs().sum() / len(y))


def _nll(logits: Tensor, y: Tensor) -> float:
    return float(F.cross_entropy(logits.double(), y))


def corrupted(x: Tensor, how: Corruption, severity: int, rng: torch.Generator) -> Tensor:
    """Images uint8 [N, C, H, W] under a corruption of severity 1 to 5, rounded to uint8 again."""
    changed = how(x.float() / 255, severity - 1, rng)
    return changed.clamp(0, 1).mul(255).round().to(torch.uint8)


def _noise(x: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    scale = (0.04, 0.06, 0.08, 0.09, 0.10)[severity]
    return x + scale * torch.randn(x.shape, generator=rng).to(x.device)


def _blur(x: Tensor, severity: int, _: torch.Generator) -> Tensor:
    """A Gaussian of so many pixels, out to three of its deviations; edges are repeated."""
    sigma = (0.4, 0.6, 0.7, 0.8, 1.0)[severity]
    reach = min(3, *(size - 1 for size in x.shape[2:]))
    at = torch.arange(-reach, reach + 1, device=x.device).float()
    weights = torch.exp(-0.5 * (at / sigma) ** 2)
    weights = weights / weights.sum()
    flat = x.flatten(0, 1)[:, None]
    padded = F.pad(flat, (reach,) * 4, mode="replicate")
    rows = F.conv2d(padded, weights.view(1, 1, -1, 1))
    return F.conv2d(rows, weights.view(1, 1, 1, -1)).view(x.shape)


def _contrast(x: Tensor, severity: int, _: torch.Generator) -> Tensor:
    """Towards each channel's mean over the image."""
    kept = (0.75, 0.5, 0.4, 0.3, 0.15)[severity]
    mean = x.mean(dim=(2, 3), keepdim=True)
    return mean + kept * (x - mean)


def _brightness(x: Tensor, severity: int, _: torch.Generator) -> Tensor:
    return x + (0.05, 0.1, 0.15, 0.2, 0.3)[severity]


CORRUPTIONS: dict[str, Corruption] = {
    "noise": _noise, "blur": _blur, "contrast": _contrast, "brightness": _brightness,
}  # fmt: skip
