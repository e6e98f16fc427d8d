"""A strategy works on the kinds of network that suites have."""

from __future__ import annotations

import torch

from lth_bench.testing.case import Case
from lth_bench.testing.contract import Broken, NotApplicable, contract
from lth_bench.testing.networks import Kind
from lth_bench.testing.recording import Recording

MEET = (
    "go over ticket.layers, whose names, kinds and shapes are the network's; where the method "
    "needs what a network lacks, raise lth_bench.errors.Unreachable with the reason: the row is "
    "then `skipped`"
)


@contract("the strategy works on a network of linear layers only", meet=MEET)
def linear(case: Case) -> None:
    """No convolution, no norm: weights are [out, in]."""
    _works(case, "linear")


@contract("the strategy works on a convolutional network without norms", meet=MEET)
def conv(case: Case) -> None:
    """Weights are [out, in, height, width]; biases; no γ to rank by."""
    _works(case, "conv")


@contract("the strategy works on a network with batch norm", meet=MEET)
def batch_norm(case: Case) -> None:
    """Values hold γ, β, running statistics and an integer count beside the weights."""
    _works(case, "batch_norm")


@contract("the strategy works on a residual network", meet=MEET)
def residual(case: Case) -> None:
    """Layers are not a chain: two of them are added, so their channels go together."""
    _works(case, "residual")


def _works(case: Case, kind: Kind) -> None:
    judge(case, case.on(kind), kind, f"on the {kind} network")
    recording = case.on(kind)
    if recording.skipped and not recording.tickets:
        raise NotApplicable("; ".join(dict.fromkeys(recording.skipped.values())))
    case.require_happened(recording)


def judge(case: Case, recording: Recording, owner: str, where: str) -> None:
    """Broken where the experiment ended early for a reason that it has to itself, or with values
    that are not finite. NotApplicable where the reason is another contract's.
    """
    fault, base = recording.fault, case.base.fault
    if fault is not None:
        if fault.contract != owner and base is not None and base.contract == fault.contract:
            case.require(case.base)
        raise Broken(f"{where}, {fault.what}")
    for ticket in recording.tickets:
        for key, value in ticket.trained.values.items():
            if not bool(torch.isfinite(value).all()):
                raise Broken(f"{where}, at density {ticket.target:g}, {key!r} is not finite")
