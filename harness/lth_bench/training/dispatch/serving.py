"""Serves waiting fits: from stored trainings, or by training them, in cohorts where possible.

Fits that need parts of the same training share it. Trainings with the same recipe and the same
learning rate at every step form a cohort, whatever their strategy, seed and mask.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from lth_bench.errors import Diverged, out_of_memory
from lth_bench.system.blame import ends_the_run
from lth_bench.training.checkpoints.checkpoint import CheckpointHead, TrainingCheckpoint
from lth_bench.training.checkpoints.writer import CheckpointWriter
from lth_bench.training.engine.cohort import Cohort
from lth_bench.training.engine.layouts.alone import KeptOnly
from lth_bench.training.pending_fit import PendingFit
from lth_bench.training.randomness import seeded
from lth_bench.training.recipe import Recipe
from lth_bench.training.state import Outcome

if TYPE_CHECKING:
    from lth_bench.training.dispatch.workbench import Workbench


@dataclass
class Work:
    """An amount of training."""

    steps: int = 0
    """Summed over the members of cohorts."""
    seconds: float = 0.0
    examples: int = 0

    def add(self, steps: int, seconds: float, examples: int) -> None:
        """Add to it."""
        self.steps, self.examples = self.steps + steps, self.examples + examples
        self.seconds += seconds


POLL = 0.05
"""Seconds between checks of a training that another process is doing."""


Joined = list[PendingFit]
"""Fits that wait for parts of one training."""


def serve(bench: Workbench, waiting: Sequence[PendingFit]) -> None:
    """Serve at least one of the waiting fits, or wait briefly for another process."""
    known = False
    for one in waiting:
        if one.key and (found := _find(bench, one)) is not None:
            one.reuse(found)
            known = True
    if known:
        return
    for cohort_size, together in _cohorts(bench, waiting):
        with ExitStack() as leases:
            mine = [j for j in together if _lease(bench, j, leases)]
            if not mine:
                continue
            # another process may have finished one between the lookup and the lock
            for joined in mine:
                for one in joined:
                    if one.key and (found := _find(bench, one)):
                        one.reuse(found)
            mine = [rest for j in mine if (rest := [one for one in j if not one.done])]
            if mine:
                _train(bench, mine, cohort_size)
            return
    time.sleep(POLL)


def _find(bench: Workbench, one: PendingFit) -> Outcome | None:
    return bench.find(one.key, one.request.checkpoints, cohort_size_of(bench, one))


def _cohorts(bench: Workbench, waiting: Sequence[PendingFit]) -> list[tuple[int, list[Joined]]]:
    """Possible cohorts, fullest first, each with its cohort size."""
    trainings: dict[str, Joined] = {}
    for one in waiting:
        trainings.setdefault(_shared(one), []).append(one)
    for joined in trainings.values():
        _look_for_checkpoint(bench, joined)
    trainings, whole = {}, trainings
    for name, joined in whole.items():
        for one in joined:  # fits that cannot resume restart alone
            trainings.setdefault(f"{name} {one.checkpoint_key}", []).append(one)
    groups: dict[tuple[object, ...], list[Joined]] = {}
    for joined in trainings.values():
        kind = (*cohort_key(bench, joined[0]), joined[0].steps_done)
        groups.setdefault(kind, []).append(joined)
    found = []
    for members in groups.values():
        cohort_size = cohort_size_of(bench, members[0][0])
        # trainings of equal length together: one that ends early leaves its slot idle
        members.sort(key=_steps, reverse=True)
        found += [
            (cohort_size, members[i : i + cohort_size]) for i in range(0, len(members), cohort_size)
        ]
    found.sort(key=lambda c: (len(c[1]) / c[0], max(map(_steps, c[1]))), reverse=True)
    return found


def last_half(bench: Workbench, waiting: Sequence[PendingFit]) -> list[PendingFit]:
    """The waiting fits to hand to another worker: half of the cohorts, those that would run last.
    Cohorts are not split, since empty slots cost as much as full ones.
    """
    cohorts = _cohorts(bench, waiting)
    last = cohorts[len(cohorts) - len(cohorts) // 2 :]
    return [one for _, together in last for joined in together for one in joined]


def _shared(one: PendingFit) -> str:
    """Identifies the training; fits with the same value are parts of one training."""
    if one.request.on_step is not None and one.request.until is not None:
        return f"{one.training} {id(one)}"  # its two callbacks share one memo
    return one.training


def _steps(joined: Joined) -> int:
    return max(one.request.end for one in joined) - joined[0].request.start - joined[0].steps_done


def _look_for_checkpoint(bench: Workbench, joined: Joined) -> None:
    """Set `steps_done` and `checkpoint_key` from the furthest checkpoint of an earlier run."""
    heads = {one.key: bench.checkpoint_store.head(one.key) for one in joined if one.key}
    found = [(key, head) for key, head in heads.items() if head is not None]
    found.sort(key=lambda item: item[1].done, reverse=True)
    for one in joined:
        one.steps_done, one.checkpoint_key = 0, ""
        for key, head in found:
            if can_resume(bench, one, head):
                one.steps_done, one.checkpoint_key = head.done, key
                break


def can_resume(bench: Workbench, one: PendingFit, head: CheckpointHead) -> bool:
    """Whether a training that resumes from this checkpoint gets the bits of an uninterrupted one,
    and a search its memory.
    """
    request = one.request
    cohort_size = cohort_size_of(bench, one)
    kind = bench.kind(request, cohort_size)
    step = request.start + head.done
    return (
        (request.until is None or one.key in head.searches)
        and head.done > 0
        and step <= request.end
        and {s for s in request.checkpoints if s < step} <= head.checkpoints
        and head.cohort_size == cohort_size
        and head.variant == kind.variant
    )


def cohort_key(bench: Workbench, one: PendingFit) -> tuple[object, ...]:
    """Trainings with the same value can be in one cohort."""
    request = one.request
    start = None if rate_is_constant(request.recipe) else request.start
    cohort_size = cohort_size_of(bench, one)
    return (request.recipe, start, cohort_size, bench.kind(request, cohort_size))


def rate_is_constant(recipe: Recipe) -> bool:
    """Whether learning rates do not depend on the step."""
    return recipe.schedule == "constant" and recipe.warmup == 0


def cohort_size_of(bench: Workbench, one: PendingFit) -> int:
    """The cohort size of a training. A property of the training, never of the other waiting fits,
    so that an interrupted run resumes with the same bits.

    A training runs alone, at cohort size 1, with `parametrize`; from a start step that no other
    training has, such as the end of an Early-Bird search, unless the learning rate is constant; and
    at densities so low that a CPU is faster without stacking.
    """
    request = one.request
    if KeptOnly.takes(bench.network, request):
        return 1
    starts = {0} | one.context.common_starts
    common = rate_is_constant(request.recipe) or request.start in starts
    if request.parametrize is not None or not common:
        return 1
    return bench.cohort_size(request.recipe)


def _lease(bench: Workbench, joined: Joined, leases: ExitStack) -> bool:
    """Lock a training's keys; False if another process has one of them."""
    with ExitStack() as own:
        for key in {one.key for one in joined if one.key}:
            lease = bench.cache.lease(key)
            if lease is None:
                return False
            own.callback(lease.release)
        leases.push(own.pop_all())
    return True


def _train(bench: Workbench, mine: Sequence[Joined], cohort_size: int) -> None:
    # keep what an earlier run needed, or two suites would undo each other's work
    for joined in mine:
        for one in joined:
            if one.key:
                wanted = one.request.checkpoints | bench.cache.kept(one.key)
                one.request = dataclasses.replace(one.request, checkpoints=wanted)
    # random numbers that a hook draws later must not depend on whether a training ran or was found
    with bench.checkpoint_policy.training():
        for done, (together, resumed) in _by_progress(bench, mine).items():
            with seeded("training"):
                try:
                    _run(bench, together, cohort_size, resumed if done else ())
                except BaseException as error:  # affects only these fits
                    if ends_the_run(error):
                        raise
                    bench.blame((one for j in together for one in j), error)
        _keep_all(bench, mine)


def _by_progress(
    bench: Workbench, mine: Sequence[Joined]
) -> dict[int, tuple[list[Joined], list[TrainingCheckpoint]]]:
    """Steps done → the trainings that resume there, with their checkpoints. A cohort's trainings
    have done equally many, unless a checkpoint turns out to be damaged.
    """
    found: dict[int, tuple[list[Joined], list[TrainingCheckpoint]]] = {}
    for joined in mine:
        checkpoint = None
        if key := joined[0].checkpoint_key:
            checkpoint = bench.checkpoint_store.get(key, bench.layers, bench.shapes, bench.device)
        if checkpoint is not None and not all(
            can_resume(bench, x, checkpoint.head) for x in joined
        ):
            checkpoint = None
        together, resumed = found.setdefault(checkpoint.head.done if checkpoint else 0, ([], []))
        together.append(joined)
        resumed += [checkpoint] if checkpoint else []
    return found


def _keep_all(bench: Workbench, mine: Sequence[Joined]) -> None:
    """Store finished trainings and delete their checkpoints."""
    for joined in mine:
        longest = max(joined, key=lambda one: one.outcome.step if one.outcome else -1)
        for one in joined:
            one.reused = one is not longest
            if one.outcome is None:
                continue
            one.outcome = dataclasses.replace(one.outcome, owner=longest.context.experiment_id)
            try:
                _keep(bench, one, one.outcome)
            except (
                Exception
            ) as error:  # a full disk, for example: a training that is not stored is no result
                one.outcome = None
                bench.blame([one], error)
        for one in joined:
            if one.key and (one.outcome is not None or isinstance(one.error, Diverged)):
                bench.checkpoint_store.drop(one.key)


def _run(
    bench: Workbench,
    mine: Sequence[Joined],
    cohort_size: int,
    resumed: Sequence[TrainingCheckpoint] = (),
) -> None:
    """Run a cohort; if the device's memory is too small, two of half the size."""
    if _fits(bench, mine, cohort_size, resumed):
        return
    # the cohort and the error that referenced it are gone, so their memory can be freed
    bench.forget_layouts()
    gc.collect()
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
    bench.limit_cohort_size(mine[0][0].request.recipe, cohort_size // 2)
    left = [rest for j in mine if (rest := [one for one in j if not one.done])]
    for joined in left:
        for one in joined:
            one.memo.clear()
    for i in range(0, len(left), cohort_size // 2):
        _run(bench, left[i : i + cohort_size // 2], cohort_size // 2)


def _fits(
    bench: Workbench,
    mine: Sequence[Joined],
    cohort_size: int,
    resumed: Sequence[TrainingCheckpoint],
) -> bool:
    """Train a cohort. False if the device's memory is too small; with one member that
    is an error.
    """
    recipe = mine[0][0].request.recipe
    try:
        kind = bench.kind(mine[0][0].request, cohort_size)
        # values, best values, and two moments of the optimizer
        size = len(mine) * 4 * 4 * sum(math.prod(shape) for shape in bench.shapes.values())
        writer = CheckpointWriter(bench.checkpoint_policy, bench.checkpoint_store, mine, size)
        bench.memory.begin()
        cohort = Cohort(bench.layout(recipe, cohort_size, kind), mine, resumed, writer)
        before, began = cohort.done, time.perf_counter()
        cohort.run()
    except Exception as error:
        if not out_of_memory(error):
            raise
        if cohort_size == 1:
            bench.forget_layouts()
            raise
        return False
    steps, seconds = (cohort.done - before) * len(mine), time.perf_counter() - began
    bench.trained.add(steps, seconds, steps * recipe.batch_size)
    _note_memory(mine, bench.memory.of(cohort.layout))
    return True


def _note_memory(mine: Sequence[Joined], peak: int | None) -> None:
    for one in (one for joined in mine for one in joined):
        if one.outcome is not None:
            one.outcome = dataclasses.replace(one.outcome, peak_memory=peak)


def _keep(bench: Workbench, one: PendingFit, outcome: Outcome) -> None:
    searches = one.request.until is not None
    if one.key and not (searches and outcome.memo is None):
        bench.keep(one.key, outcome)
    if not searches or one.callbacks is not None:
        return
    # only now is the step known at which `until` stopped: store it as a training up to there
    key = bench.key(dataclasses.replace(one.request, end=outcome.step), None)
    if bench.find(key, frozenset()) is None:
        lease = bench.cache.lease(key)
        if lease is not None:  # otherwise another process stores the same training
            try:
                bench.keep(key, dataclasses.replace(outcome, stopped=False, memo=None))
            finally:
                lease.release()
