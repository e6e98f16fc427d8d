"""Contracts on what a strategy must handle: kinds of network, dead layers, any density."""

from __future__ import annotations

import torch

from lth_bench.testing.case import HANDFUL, Case
from lth_bench.testing.contract import Broken, NotApplicable, contract
from lth_bench.testing.networks import NetworkKind
from lth_bench.testing.recording import Recording

MEET = (
    "go over ticket.layers, whose names, kinds and shapes are the network's; where the method "
    "needs what a network lacks, raise lth_bench.errors.Unreachable with the reason: the row is "
    "then `skipped`"
)


@contract("the strategy works on a network of linear layers only", meet=MEET)
def linear(case: Case) -> None:
    """No convolutions or norms: weights are [out, in]."""
    _works(case, "linear")


@contract("the strategy works on a convolutional network without norms", meet=MEET)
def conv(case: Case) -> None:
    """Weights are [out, in, height, width]; biases; no γ to rank by."""
    _works(case, "conv")


@contract("the strategy works on a network with batch norm", meet=MEET)
def batch_norm(case: Case) -> None:
    """Values include γ, β, running statistics and an integer counter."""
    _works(case, "batch_norm")


@contract("the strategy works on a residual network", meet=MEET)
def residual(case: Case) -> None:
    """Layers are not sequential: two are added, so their channels are coupled."""
    _works(case, "residual")


def _works(case: Case, kind: NetworkKind) -> None:
    judge(case, case.on_network(kind), kind, f"on the {kind} network")
    recording = case.on_network(kind)
    if recording.skipped and not recording.tickets:
        raise NotApplicable("; ".join(dict.fromkeys(recording.skipped.values())))
    case.require_happened(recording)


def judge(case: Case, recording: Recording, owner: str, where: str) -> None:
    """Broken if the experiment ended early for a reason of its own, or has values that are not
    finite. NotApplicable if another contract reports the reason.
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


@contract(
    "the strategy works where a layer is dead already: its weights, gradients and scores all zero, "
    "and for an iterative strategy nothing of it left in ticket.mask",
    meet="divide by a layer's count, norm or sum of scores only where it is above zero; scores may "
    "all be equal, and a layer may keep nothing",
)
def dead_layer(case: Case) -> None:
    """Layers die at low densities and from unlucky values; the others must still be ranked.

    The network has a layer `dead` with zero weights and inputs. An iterative strategy also finds it
    fully pruned in the first round's `ticket.mask`.
    """
    if case.flag("dense_only"):
        raise NotApplicable("dense_only = True: the strategy decides nothing")
    case.require(case.base)
    judge(case, case.dead_layer, "dead_layer", "with a dead layer 'dead'")
    if not case.dead_layer.tickets:
        why = "; ".join(dict.fromkeys(case.dead_layer.skipped.values()))
        raise Broken(f"with a dead layer 'dead', no density is reached: {why}")
    case.require_happened(case.dead_layer)


@contract(
    "the strategy works with all weights but one, and with only a few weights",
    meet="let counts be exact at any density (Mask.top_k, uniform and erk are); a layer may lose "
    "everything; where the method cannot go that far, raise lth_bench.errors.Unreachable with the "
    "smallest density or count that it reaches, in numbers",
)
def extreme_densities(case: Case) -> None:
    """Every strategy must reach the density of all weights but one.

    A handful may be out of reach if layers are excluded or every layer keeps a unit: then
    `Unreachable` must say how far the method gets, in numbers.
    """
    if case.flag("dense_only"):
        raise NotApplicable("dense_only = True: the strategy decides nothing")
    if case.reaches:
        there = ", ".join(f"{density:g}" for density in case.reaches)
        raise NotApplicable(f"reaches = ({there}): the ends of the scale are not among them")
    case.require(case.base)
    recording = case.extremes
    judge(case, recording, "extreme_densities", f"down to {HANDFUL} weights")
    for density, reason in recording.skipped.items():
        if density > 0.5:
            raise Broken(f"density {density:.4f}, one weight less than all, is skipped: {reason}")
        if not any(c.isdigit() for c in reason):
            raise Broken(
                f"density {density:.4f} is skipped, and the reason does not say how far the "
                f"method gets: {reason!r}"
            )
    case.require_happened(recording)
