"""What did not happen in six steps is not judged, and what would make it happen is named."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Annotated

import pytest

from lth_bench import Change, Mask, Range, TaskFacts, hookimpl
from lth_bench.errors import UserError
from lth_bench.testing import Case, ContractBroken, NotApplicable, check, contracts
from lth_bench.testing.contract import NotJudged
from lth_bench.testing.witness import Callbacks


@dataclass(frozen=True, eq=False)
class Forgetful:
    """Counts beside the memo, and swaps two weights at every third of its turns."""

    update_every: Annotated[int, Range(1, 1000)] = 100
    """Steps between turns."""

    dynamic = True

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.dense.trained.weights), ticket.target_count)

    @hookimpl
    def train(self, ticket):
        turns = itertools.count()

        def swap(view):
            if view.step == 0 or next(turns) % 3 != 2:
                return None
            kept = view.mask.kept["fc"].clone().flatten()
            gone, back = kept.nonzero()[0], (~kept).nonzero()[0]
            kept[gone], kept[back] = False, True
            return Change(Mask({**view.mask.kept, "fc": kept.view_as(view.mask.kept["fc"])}))

        return ticket.fit(on_step=swap, every=self.update_every)


UNJUDGED = {
    "exact_density", "pruned_zero", "same_seed", "inputs", "untouched_test_split", "linear",
    "conv", "batch_norm", "residual", "dead_layer", "extreme_densities", "stacked_as_alone",
    "resumes_as_undisturbed",
}  # fmt: skip


def test_a_rewiring_that_never_acts_is_not_judged_and_the_parameter_is_named():
    outcomes = {o.contract: (o.status, o.what) for o in check(Forgetful)}
    what = "not judged: on_step changed nothing; --set update_every=1 would judge it"
    assert {n for n, (status, _) in outcomes.items() if status == "not judged"} == UNJUDGED
    assert {outcomes[n][1] for n in UNJUDGED} == {what}
    # which then shows what is wrong with it
    with pytest.raises(ContractBroken, match="stopped 4 times in mid-training"):
        contracts.resumes_as_undisturbed(Case(Forgetful, {"update_every": 1}))


@dataclass(frozen=True, eq=False)
class Once(Forgetful):
    """Acts at step 0 alone, where no memory is needed."""

    @hookimpl
    def train(self, ticket):
        return ticket.fit(
            on_step=lambda view: Change(Mask(view.mask.kept)), every=self.update_every
        )


def test_what_acts_before_the_first_stop_alone_is_not_judged_on_going_on():
    case = Case(Once)
    contracts.exact_density(case)
    says = "on_step changed nothing from step 2 of a training on; --set update_every=1 would"
    with pytest.raises(NotJudged, match=says):
        contracts.resumes_as_undisturbed(case)
    contracts.resumes_as_undisturbed(Case(Once, {"update_every": 2}))


@dataclass(frozen=True, eq=False)
class Searches:
    """Ends a search when two looks agree."""

    interval: Annotated[int, Range(1, 1000)] = 50
    """Steps between looks."""
    looks: Annotated[int, Range(1, 10)] = 5
    """Looks before it may end."""

    @hookimpl
    def select_mask(self, ticket):
        search = ticket.fit(until=self.settled, every=self.interval)
        return Mask.top_k(abs(search.weights), ticket.target_count)

    def settled(self, watch):
        return watch.step >= self.looks * self.interval


def test_a_search_that_nothing_ends_names_the_parameters_together():
    with pytest.raises(NotJudged, match="until ended no training; --set interval=1 would"):
        contracts.same_seed(Case(Searches))
    case = Case(Searches, {"looks": 10})
    with pytest.raises(NotJudged, match=r"--set interval=\d --set looks=\d would judge it"):
        contracts.same_seed(case)


@dataclass(frozen=True, eq=False)
class Never:
    """Nothing makes it act."""

    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.dense.trained.weights), ticket.target_count)

    @hookimpl
    def train(self, ticket):
        return ticket.fit(on_step=lambda view: None)


def test_where_nothing_is_found_the_author_is_asked():
    with pytest.raises(NotJudged, match="changed nothing; choose parameters with --set under"):
        contracts.same_seed(Case(Never))


def test_what_counts_as_having_happened():
    seen = Callbacks(rewires=True, steps=[0, 1, 2], changes=[1])
    assert seen.missing() == ""
    assert seen.missing(since=2) == "on_step changed nothing from step 2 of a training on"
    assert Callbacks(rewires=True).missing() == "on_step was never called"
    assert Callbacks(searches=True).missing() == "until was never called"
    assert Callbacks(searches=True, watches=9).missing() == "until ended no training"
    # a look at training that ends nothing, but remembers, is judged by what it remembers
    assert Callbacks(searches=True, watches=9, remembers=9).missing() == ""
    assert Callbacks().missing() == ""


@dataclass(frozen=True, eq=False)
class Half:
    """Reaches one density."""

    @hookimpl
    def select_mask(self, ticket):
        k = round(0.5 * ticket.prunable)
        return Mask.top_k(abs(ticket.dense.trained.weights), k)


class SaysSo(Half):
    reaches = (0.5,)


def test_a_method_of_few_densities_says_so_or_is_told_how():
    found = {o.contract: (o.status, o.what) for o in check(SaysSo)}
    why = "reaches = (0.5): the ends of the scale are not among them"
    assert found["extreme_densities"] == ("not applicable", why)
    assert {s for s, _ in found.values()} == {"ok", "not applicable"}
    with pytest.raises(ContractBroken, match="no progress: 135 weights"):
        contracts.exact_density(Case(Half))
    contracts.exact_density(Case(Half, densities=(0.5,)))


def test_at_another_density_it_is_skipped_before_a_hook_is_called():
    with pytest.raises(ContractBroken, match=r"the method only reaches densities 0\.5"):
        contracts.exact_density(Case(SaysSo, densities=(0.3,)))


@pytest.mark.parametrize("few", [(), (1.5,), 0.5, ("a",), (True,)])
def test_densities_that_are_none(few):
    wrong = type("Wrong", (Half,), {"reaches": few})
    with pytest.raises(ContractBroken, match="reaches must be the densities that the method can"):
        contracts.hooks(Case(wrong))


@dataclass(frozen=True, eq=False)
class Large(Half):
    """Wants a batch."""

    batch: Annotated[int, Range(1, 1000)] = 128
    """Its size."""

    def check_task(self, task: TaskFacts) -> None:
        if self.batch > task.train_size:
            raise ValueError(f"batch = {self.batch} is more than {task.train_size}")


def test_parameters_that_do_not_suit_the_tiny_task_are_the_user_s_mistake():
    with pytest.raises(UserError, match="tiny task of the contracts: batch = 500 is more than 144"):
        check(Large, {"batch": 500})


class FailsInCompany(Half):
    """Works at width 1 alone."""

    @hookimpl
    def train(self, ticket):
        trained = ticket.fit()
        if trained.cohort_size > 1:
            raise RuntimeError("two")
        return trained


def test_what_fails_in_a_cohort_only_is_found():
    with pytest.raises(ContractBroken, match="in a cohort of two the experiment ended early"):
        contracts.stacked_as_alone(Case(FailsInCompany, densities=(0.5,)))


def test_not_judged_is_a_skip_under_pytest():
    assert issubclass(NotJudged, NotApplicable)
