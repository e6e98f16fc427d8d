"""A strategy that keeps a mask or values and changes them later changes no recorded number."""

from __future__ import annotations

import dataclasses

import pytest

from lth_bench import Change, Mask, hookimpl
from lth_bench.models.mlp import MLP
from lth_bench.plugins.dispatch import StrategyError
from lth_bench.training.recipe import Recipe

NET = MLP(hidden=(6,))  # 36·6 + 6·3 = 234 weights
RECIPE = Recipe(lr=0.1, steps=6, batch_size=20, val_size=60, eval_every=3)


class Pruned:
    iterative = True

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.trained.weights), ticket.target_count, within=ticket.mask)


def fill(mask):
    for kept in mask.kept.values():
        kept.fill_(True)


class MaskOfSelection(Pruned):
    @hookimpl
    def select_mask(self, ticket):
        self.mine = Pruned.select_mask(self, ticket)
        return self.mine

    @hookimpl
    def train(self, ticket):
        fill(self.mine)
        return ticket.fit()


class ValuesOfStart(Pruned):
    @hookimpl
    def rewind_point(self, ticket):
        from lth_bench import RewindPoint

        self.mine = {k: v.clone() for k, v in ticket.initial.values.items()}
        return RewindPoint(self.mine, 0)

    @hookimpl
    def train(self, ticket):
        for value in self.mine.values():
            value.zero_()
        return ticket.fit()


class MaskOfFit(Pruned):
    @hookimpl
    def train(self, ticket):
        mine = Mask({n: t.clone() for n, t in ticket.mask.kept.items()}, layers=ticket.mask.layers)

        def on_step(view):
            fill(mine)

        return ticket.fit(mask=mine, on_step=on_step)


class Outcome(Pruned):
    """What it has trained, in the round after."""

    @hookimpl
    def select_mask(self, ticket):
        if hasattr(self, "mine"):
            fill(self.mine.mask)
            for value in self.mine.values.values():
                value.zero_()
        return Pruned.select_mask(self, ticket)

    @hookimpl
    def train(self, ticket):
        self.mine = ticket.fit()
        return dataclasses.replace(self.mine)


class MaskOfChange(Pruned):
    dynamic = True

    @hookimpl
    def train(self, ticket):
        mine = Mask({n: t.clone() for n, t in ticket.mask.kept.items()}, layers=ticket.mask.layers)

        def on_step(view):
            if view.step == 2:
                return Change(mask=mine)
            if view.step == 3:
                fill(mine)
            return None

        return ticket.fit(on_step=on_step)


@pytest.mark.parametrize(
    "kind",
    [MaskOfSelection, ValuesOfStart, MaskOfFit, Outcome, MaskOfChange],
    ids=lambda k: k.__name__,
)
def test_what_was_handed_over_stays(kind, make_bench, run_rounds, tmp_path):
    densities = (0.5, 0.2)
    expected = run_rounds(make_bench(NET, RECIPE, root=tmp_path / "a"), Pruned(), densities).records
    found = run_rounds(make_bench(NET, RECIPE, root=tmp_path / "b"), kind(), densities).records
    for one, other in zip(found, expected, strict=True):
        for column in ("status", "density", "effective_density", "layers"):
            assert one.get(column) == other.get(column)
        assert one["metrics"] == {k: v for k, v in other["metrics"].items() if k in one["metrics"]}
        # what changes its mask as it trains has no mask before the training
        assert other["metrics"].keys() - one["metrics"].keys() <= {"pruned_accuracy"}


def test_a_ticket_s_mask_is_not_changed_in_place(make_bench, run_rounds):
    class Widens(Pruned):
        @hookimpl
        def train(self, ticket):
            fill(ticket.mask)
            return ticket.fit()

    with pytest.raises(StrategyError, match=r"mine\.train: ticket\.mask was changed in place"):
        run_rounds(make_bench(NET, RECIPE), Widens(), (0.5,))
