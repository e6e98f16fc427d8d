"""Strategies that each break one contract, the way somebody might; `breaks` says which one."""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch

from lth_bench import Change, Layers, Mask, Range, RewindPoint, hookimpl
from lth_bench.errors import Unreachable
from lth_bench.plugins.dispatch import Hooks


@dataclass(frozen=True, eq=False)
class _Good:
    """Magnitudes of the dense run, in one step: nothing wrong with it."""

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(self.scores(ticket), ticket.target_count)

    def scores(self, ticket):
        return abs(ticket.dense.trained.weights)


def smallest_first(ticket):
    return Layers({n: -t.abs() for n, t in ticket.initial.weights.items()})


# ---- hooks ----------------------------------------------------------------------------------


class AnswersWithAState(_Good):
    breaks = "hooks", r"rewind_point: must return a RewindPoint, but returned a State"

    @hookimpl
    def rewind_point(self, ticket):
        return ticket.initial


class Misspelt(_Good):
    breaks = "hooks", r"rewind_pint is marked @hookimpl, .* did you mean rewind_point\?"

    @hookimpl
    def rewind_pint(self, ticket):
        return RewindPoint.at(ticket.initial)


class MaskWithoutALayer(_Good):
    breaks = "hooks", r"the mask must cover exactly the prunable layers .* differs in \['fc'\]"

    @hookimpl
    def select_mask(self, ticket):
        kept = dict(super().select_mask(ticket).kept)
        del kept["fc"]
        return Mask(kept)


class PlansFractions(_Good):
    breaks = "hooks", r"start_step returned 3\.0, which is not a number of steps"

    def start_step(self, total_steps):
        return total_steps / 2


class ChecksBeyondTheEnd(_Good):
    breaks = "hooks", r"dense_checkpoints asks for step 500 of a training of 6 steps"

    def dense_checkpoints(self, total_steps):
        return [500]


# ---- parameters -----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class WithoutRange(_Good):
    breaks = "parameters", r"rate may be any number: there is no Range on it"

    rate: float = 0.2
    """Of anything."""


@dataclass(frozen=True, eq=False)
class WithoutDocstring(_Good):
    breaks = "parameters", r"parameter 'rate' has no docstring below it"

    rate: Annotated[float, Range(0, 1)] = 0.2


@dataclass(frozen=True, eq=False)
class DefaultOutside(_Good):
    breaks = "parameters", r"the default of DefaultOutside.rate must be .* \[0, 1\], but got 20"

    rate: Annotated[float, Range(0, 1)] = 20
    """In percent, by mistake."""


class NoDataclass:
    breaks = "parameters", r"NoDataclass'> must be a frozen dataclass"

    @hookimpl
    def select_mask(self, ticket):
        return ticket.mask


# ---- masks ----------------------------------------------------------------------------------


class OneTooFew(_Good):
    breaks = "exact_density", r"the mask keeps 134 weights, fewer than the target's 135"

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(self.scores(ticket), ticket.target_count - 1)


class NeverArrives(_Good):
    breaks = "exact_density", r"no progress: 136 weights before the round and 136 after"

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(self.scores(ticket), ticket.target_count + 1)


class SmallerThanItHasToBe(_Good):
    breaks = "exact_density", r"\d+ weights are kept although \d+ are allowed: whichever of the"

    structured = True

    @hookimpl
    def select_mask(self, ticket):
        from lth_bench.structure import largest_below

        weights = ticket.dense.trained.values
        scores = [g.scores_from_weights(weights) for g in ticket.units]
        return largest_below(ticket.units, ticket.layers, scores, ticket.target_count * 6 // 10)


class RevivesWeights(_Good):
    breaks = "nested_masks", r"\d+ weights of layer '.*' are revived that an earlier round pruned"

    iterative = True

    @hookimpl
    def select_mask(self, ticket):
        odd = ticket.target < 0.3
        scores = smallest_first(ticket) if odd else self.scores(ticket)
        return Mask.top_k(scores, ticket.target_count)


class RewiresUnannounced(_Good):
    breaks = "nested_masks", r"trained mask differs from the selected one; set dynamic = True"

    @hookimpl
    def train(self, ticket):
        other = Mask.top_k(smallest_first(ticket), ticket.target_count)
        return ticket.fit(on_step=lambda view: Change(other) if view.step == 3 else None)


class WakesThePruned(_Good):
    breaks = "pruned_zero", r"\d+ pruned entries of 'body\.0\.weight' are not zero"

    @hookimpl
    def train(self, ticket):
        trained = ticket.fit()
        values = {k: v + 1e-6 if v.is_floating_point() else v for k, v in trained.values.items()}
        return dataclasses.replace(trained, values=values)


class WakesThePrunedAtTheEarlyStop(_Good):
    breaks = "pruned_zero", r"at the early stop, towards density 0\.5, \d+ of \d+ pruned entries of"

    @hookimpl
    def train(self, ticket):
        trained = ticket.fit()
        values = {k: v + 1e-6 if v.is_floating_point() else v for k, v in trained.values.items()}
        best = dataclasses.replace(trained.best, values=values)
        return dataclasses.replace(trained, best=best)


# ---- randomness -----------------------------------------------------------------------------


class FlipsCoins(_Good):
    breaks = "same_seed", r"in a first and a second run, round 0 .* mask of 'body\.0' is \d+ kept"

    def scores(self, ticket):
        draws = torch.Generator().manual_seed(int.from_bytes(os.urandom(4)))
        return Layers({x.name: torch.rand(x.shape, generator=draws) for x in ticket.layers})


class HashesNames(_Good):
    breaks = "same_seed", r"here and in another process, round 0 "

    def scores(self, ticket):
        draws = torch.Generator().manual_seed(abs(hash(f"seed {ticket.seed}")))
        return Layers({x.name: torch.rand(x.shape, generator=draws) for x in ticket.layers})


class ScoresTheClock(_Good):
    breaks = "same_seed", r"metric 'when' is \d"

    @hookimpl
    def score(self, ticket, trained):
        return {"when": float(int.from_bytes(os.urandom(4))), "wall_seconds": os.urandom(1)[0]}


class SameForEverySeed(_Good):
    breaks = "other_seed", r"seeds 0 and 1 keep the same weights at every density \(135 weights at"

    def scores(self, ticket):
        draws = torch.Generator().manual_seed(0)
        return Layers({x.name: torch.rand(x.shape, generator=draws) for x in ticket.layers})


class SameStartForEverySeed(_Good):
    breaks = "other_seed", r"seeds 0 and 1 start from the same values, at density 0\.5"

    @hookimpl
    def rewind_point(self, ticket):
        weights = {x.key: torch.full(x.shape, 0.1) for x in ticket.layers}
        return RewindPoint({**ticket.initial.values, **weights})


# ---- what is given --------------------------------------------------------------------------


class AbsInPlace(_Good):
    breaks = "inputs", r"select_mask changed the dense run's values \(ticket\.dense\): 'body\.0\.we"

    def scores(self, ticket):
        return Layers({n: w.abs_() for n, w in ticket.dense.trained.weights.items()})


class WritesIntoTheMask(_Good):
    breaks = "inputs", r"select_mask changed ticket\.mask: 'body\.0\.weight'"

    @hookimpl
    def select_mask(self, ticket):
        best = Mask.top_k(self.scores(ticket), ticket.target_count)
        for name, kept in ticket.mask.kept.items():
            kept &= best.kept[name]
        return Mask(ticket.mask.kept)


class WritesIntoTheInitialValues(_Good):
    breaks = "inputs", r"rewind_point changed the initial values \(ticket\.initial\): 'body\.0\.we"

    @hookimpl
    def rewind_point(self, ticket):
        for weight in ticket.initial.weights.values():
            weight *= 0.5
        return RewindPoint.at(ticket.initial)


class WritesIntoTheDenseCheckpoint(_Good):
    breaks = "inputs", r"rewind_point changed the dense run's values \(ticket\.dense\.at\(2\)\)"

    def dense_checkpoints(self, total_steps):
        return [2]

    @hookimpl
    def rewind_point(self, ticket):
        state = ticket.dense.at(2)
        for weight in state.weights.values():
            weight.sign_()
        return RewindPoint.at(state)


class WritesIntoGradients(_Good):
    breaks = "inputs", r"train changed the gradients that on_step views: 'body\.0'"

    @hookimpl
    def train(self, ticket):
        def clip(view):
            for gradient in view.gradients.values():
                gradient.clamp_(-1e-3, 1e-3)

        return ticket.fit(on_step=clip)


def _test_split():
    frame = sys._getframe()
    while not isinstance(frame.f_locals.get("self"), Hooks):
        frame = frame.f_back
    return frame.f_locals["self"]._defaults._test


class LooksAtTheTestSplit(_Good):
    breaks = "untouched_test_split", r"select_mask looked at the test split while it was closed"

    def scores(self, ticket):
        _test_split().x.float().mean()
        return super().scores(ticket)


class FindsTheTestSplitElsewhere(_Good):
    breaks = "untouched_test_split", r"with one test split and with another, round 0 towards"

    def scores(self, ticket):
        seed = int(vars(_test_split())["x"].sum()) + ticket.seed
        draws = torch.Generator().manual_seed(seed)
        return Layers({x.name: torch.rand(x.shape, generator=draws) for x in ticket.layers})


# ---- networks -------------------------------------------------------------------------------


class NeedsConvolutions(_Good):
    breaks = "linear", r"on the linear network, strategy\.select_mask: raised IndexError: no conv"

    def scores(self, ticket):
        if not any(x.kind == "conv" for x in ticket.layers):
            raise IndexError("no convolution")
        return super().scores(ticket)


class TripsOverConvolutionBiases(_Good):
    breaks = "conv", r"on the conv network, strategy\.select_mask: raised KeyError"

    def scores(self, ticket):
        values = ticket.initial.values
        if "body.0.bias" in values and ticket.layers[0].kind == "conv":
            raise KeyError("body.1.weight")
        return super().scores(ticket)


class AveragesEveryValue(_Good):
    breaks = "batch_norm", r"on the batch_norm network, strategy\.select_mask: raised .*mean"

    def scores(self, ticket):
        # num_batches_tracked is an integer, of which torch makes no mean
        scale = sum(v.mean() for v in ticket.initial.values.values())
        return super().scores(ticket) / (1 + abs(scale))


class WalksAChain(_Good):
    breaks = "residual", r"on the residual network, strategy\.select_mask: raised TypeError: .*iter"

    def scores(self, ticket):
        for part in ticket.module().body:
            part.eval()
        return super().scores(ticket)


class DividesByTheLargest(_Good):
    breaks = "dead_layer", r"with a dead layer 'dead', .*layer 'dead': scores must not be NaN"

    def scores(self, ticket):
        return Layers({n: s / s.max() for n, s in super().scores(ticket).items()})


class DividesByTheSurvivors(_Good):
    breaks = "dead_layer", r"with a dead layer 'dead', .*raised ZeroDivisionError"

    iterative = True

    @hookimpl
    def select_mask(self, ticket):
        if ticket.round == 0:
            assert all(1 / n for n in ticket.mask.kept_per_layer().values())
        return Mask.top_k(self.scores(ticket), ticket.target_count, within=ticket.mask)


class GivesUpSilently(_Good):
    breaks = "extreme_densities", r"does not say how far the method gets: 'too sparse'"

    def scores(self, ticket):
        if ticket.target_count < 20:
            raise Unreachable("too sparse")
        return super().scores(ticket)


class NeedsSomethingToPrune(_Good):
    breaks = (
        "extreme_densities",
        r"density 0\.9963, one weight less than all, is skipped: at least 2",
    )

    def scores(self, ticket):
        if ticket.prunable - ticket.target_count < 2:
            raise Unreachable("at least 2 weights have to go")
        return super().scores(ticket)


class DividesByTens(_Good):
    breaks = (
        "extreme_densities",
        r"down to 8 weights, strategy\.select_mask: raised ZeroDivisionErr",
    )

    def scores(self, ticket):
        return super().scores(ticket) / (1 / (ticket.target_count // 10))


# ---- processes ------------------------------------------------------------------------------


class RemembersScores(_Good):
    breaks = "stacked_as_alone", r"seed 0 alone and side by side with seed 1: round \d"

    iterative = True
    memory: ClassVar[dict[str, Layers]] = {}

    @hookimpl
    def select_mask(self, ticket):
        if ticket.round == 0:
            self.memory["scores"] = self.scores(ticket)
        return Mask.top_k(self.memory["scores"], ticket.target_count, within=ticket.mask)


class LooksWhetherItWasTrainedBefore(_Good):
    breaks = "stacked_as_alone", r"found already done: density 0\.5: metric 'news' is 1\.0 and 0\.0"

    @hookimpl
    def score(self, ticket, trained):
        return {"news": float(not trained.reused)}


class CountsBesideTheMemo(_Good):
    breaks = "resumes_as_undisturbed", r"stopped 4 times in mid-training: round 0 towards density"

    @hookimpl
    def train(self, ticket):
        seen = []

        def shrink_once(view):
            seen.append(view.step)
            late = len(seen) == 5
            return Change(values={"fc.bias": view.values["fc.bias"] / 2}) if late else None

        return ticket.fit(on_step=shrink_once)


@dataclass(frozen=True, eq=False)
class HoldsAFunction(_Good):
    breaks = "picklable", r"<lambda>"

    def __post_init__(self):
        object.__setattr__(self, "score_of", lambda x: x.abs())


class ForgetsItself(_Good):
    breaks = "picklable", r"attribute lookup Somewhere\.ForgetsItself on .* failed"


ForgetsItself.__qualname__ = "Somewhere.ForgetsItself"
