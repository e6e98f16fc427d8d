"""Fits that wait are answered here: from what is kept, or by training them, stacked where they can.

Those that ask for parts of one and the same training share it. Trainings with the same recipe and
the same learning rates, step for step, form a cohort, whatever their strategy, seed and mask.
"""

from __future__ import annotations

import dataclasses
import gc
import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
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

POLL = 0.05
"""Seconds between looks at a training that another process is doing."""


Joined = list[PendingFit]
"""Fits that wait for parts of one training."""


def serve(bench: Workbench, waiting: Sequence[PendingFit]) -> None:
    """Answer at least one of the fits that wait, or wait a moment for another process."""
    known = False
    for one in waiting:
        if one.key and (found := _find(bench, one)) is not None:
            one.found(found)
            known = True
    if known:
        return
    for cohort_size, together in _cohorts(bench, waiting):
        with ExitStack() as leases:
            mine = [j for j in together if _lease(bench, j, leases)]
            if not mine:
                continue
            # another process may have finished one between the look and the lease
            for joined in mine:
                for one in joined:
                    if one.key and (found := _find(bench, one)):
                        one.found(found)
            mine = [rest for j in mine if (rest := [one for one in j if not one.done])]
            if mine:
                _train(bench, mine, cohort_size)
            return
    time.sleep(POLL)


def _find(bench: Workbench, one: PendingFit) -> Outcome | None:
    return bench.find(one.key, one.request.checkpoints, cohort_size_of(bench, one))


def _cohorts(bench: Workbench, waiting: Sequence[PendingFit]) -> list[tuple[int, list[Joined]]]:
    """Possible cohorts, the fullest first, with their widths."""
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
        kind = (*alike(bench, joined[0]), joined[0].begun)
        groups.setdefault(kind, []).append(joined)
    found = []
    for members in groups.values():
        cohort_size = cohort_size_of(bench, members[0][0])
        # those of one length together: who ends early leaves a slot idle
        members.sort(key=_steps, reverse=True)
        found += [
            (cohort_size, members[i : i + cohort_size]) for i in range(0, len(members), cohort_size)
        ]
    found.sort(key=lambda c: (len(c[1]) / c[0], max(map(_steps, c[1]))), reverse=True)
    return found


def last_half(bench: Workbench, waiting: Sequence[PendingFit]) -> list[PendingFit]:
    """Of fits that wait, those that another worker should train: half of the cohorts that they
    make, the ones that would run last. A cohort is not split, since its empty slots cost as much
    as full ones.
    """
    cohorts = _cohorts(bench, waiting)
    last = cohorts[len(cohorts) - len(cohorts) // 2 :]
    return [one for _, together in last for joined in together for one in joined]


def _shared(one: PendingFit) -> str:
    """What fits have in common that are parts of one training."""
    if one.request.on_step is not None and one.request.until is not None:
        return f"{one.training} {id(one)}"  # its two callbacks have one memo
    return one.training


def _steps(joined: Joined) -> int:
    return max(one.request.end for one in joined) - joined[0].request.start - joined[0].begun


def _look_for_checkpoint(bench: Workbench, joined: Joined) -> None:
    """Set `begun` and `checkpoint_key`: the furthest that a run which was stopped has come."""
    heads = {one.key: bench.checkpoint_store.head(one.key) for one in joined if one.key}
    found = [(key, head) for key, head in heads.items() if head is not None]
    found.sort(key=lambda item: item[1].done, reverse=True)
    for one in joined:
        one.begun, one.checkpoint_key = 0, ""
        for key, head in found:
            if goes_on(bench, one, head):
                one.begun, one.checkpoint_key = head.done, key
                break


def goes_on(bench: Workbench, one: PendingFit, head: CheckpointHead) -> bool:
    """Whether a training can go on from there with the bits that it would have had anyway, and a
    search with what it has seen.
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


def alike(bench: Workbench, one: PendingFit) -> tuple[object, ...]:
    """What trainings must have in common to stand in one cohort."""
    request = one.request
    start = None if rate_is_constant(request.recipe) else request.start
    cohort_size = cohort_size_of(bench, one)
    return (request.recipe, start, cohort_size, bench.kind(request, cohort_size))


def rate_is_constant(recipe: Recipe) -> bool:
    """Whether trainings have equal learning rates wherever they start."""
    return recipe.schedule == "constant" and recipe.warmup == 0


def cohort_size_of(bench: Workbench, one: PendingFit) -> int:
    """The cohort size that a training is computed at: a property of the training, never of the fits
    that wait beside it, so that a run that was interrupted resumes with the same bits.

    A training alone has cohort size 1: with `parametrize`; from a step that no others start from,
    such as where an Early-Bird search stopped, unless the learning rate is constant; and at a
    density so low that a CPU is faster without the others.
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
    """Take the leases of a training's keys; False where another process has one of them."""
    with ExitStack() as own:
        for key in {one.key for one in joined if one.key}:
            lease = bench.cache.lease(key)
            if lease is None:
                return False
            own.callback(lease.release)
        leases.push(own.pop_all())
    return True


def _train(bench: Workbench, mine: Sequence[Joined], cohort_size: int) -> None:
    # what an earlier run wanted stays, or two suites would undo each other's work
    for joined in mine:
        for one in joined:
            if one.key:
                wanted = one.request.checkpoints | bench.cache.kept(one.key)
                one.request = dataclasses.replace(one.request, checkpoints=wanted)
    # whether a training runs or is found must not show in the numbers that a hook draws later
    with bench.checkpoint_policy.training():
        for done, (together, resumed) in _by_progress(bench, mine).items():
            with seeded("training"):
                try:
                    _run(bench, together, cohort_size, resumed if done else ())
                except BaseException as error:  # concerns these fits alone
                    if ends_the_run(error):
                        raise
                    bench.blame((one for j in together for one in j), error)
        _keep_all(bench, mine)


def _by_progress(
    bench: Workbench, mine: Sequence[Joined]
) -> dict[int, tuple[list[Joined], list[TrainingCheckpoint]]]:
    """Steps done → the trainings that go on from there, with their states. Those of a cohort have
    done as many, unless a state turns out to be damaged.
    """
    found: dict[int, tuple[list[Joined], list[TrainingCheckpoint]]] = {}
    for joined in mine:
        checkpoint = None
        if key := joined[0].checkpoint_key:
            checkpoint = bench.checkpoint_store.get(key, bench.layers, bench.shapes, bench.device)
        if checkpoint is not None and not all(goes_on(bench, x, checkpoint.head) for x in joined):
            checkpoint = None
        together, resumed = found.setdefault(checkpoint.head.done if checkpoint else 0, ([], []))
        together.append(joined)
        resumed += [checkpoint] if checkpoint else []
    return found


def _keep_all(bench: Workbench, mine: Sequence[Joined]) -> None:
    """Keep what was trained, and forget what it went on from."""
    for joined in mine:
        longest = max(joined, key=lambda one: one.outcome.step if one.outcome else -1)
        for one in joined:
            one.reused = one is not longest
            if one.outcome is None:
                continue
            one.outcome = dataclasses.replace(one.outcome, owner=longest.context.experiment_id)
            try:
                _keep(bench, one, one.outcome)
            except Exception as error:  # such as a full disk: what is not kept is no result
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
    """A cohort; where the device's memory is too small for it, two of half the size."""
    if _fits(bench, mine, cohort_size, resumed):
        return
    # the cohort and the error that held it are gone, so what is collected now is free
    bench.forget_layouts()
    gc.collect()
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()
    bench.narrow(mine[0][0].request.recipe, cohort_size // 2)
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
    """Train a cohort. False where the device's memory is too small, unless it has one member."""
    recipe = mine[0][0].request.recipe
    try:
        kind = bench.kind(mine[0][0].request, cohort_size)
        # values, the best ones, and two averages of an optimiser's
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
    bench.trained.add((cohort.done - before) * len(mine), time.perf_counter() - began)
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
    # where `until` stops is known only now: a training up to there is a prefix for others
    key = bench.key(dataclasses.replace(one.request, end=outcome.step), None)
    if bench.find(key, frozenset()) is None:
        lease = bench.cache.lease(key)
        if lease is not None:  # its holder keeps the same
            try:
                bench.keep(key, dataclasses.replace(outcome, stopped=False, memo=None))
            finally:
                lease.release()
