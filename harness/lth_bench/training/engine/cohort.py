"""The training step: several trainings run as one computation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_bench.training.checkpoints.checkpoint import TrainingCheckpoint
from lth_bench.training.checkpoints.writer import CheckpointWriter
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.layouts.best import hold
from lth_bench.training.engine.member import Member
from lth_bench.training.pending_fit import PendingFit, calling, charged_to
from lth_bench.training.recipe import LearningRate
from lth_bench.training.request import Change, Penalty, Values

CLOCK_SECONDS = 1.0
"""Max seconds between deadline checks."""


class Cohort:
    """Up to `layout.cohort_size` trainings, stepped together.

    All members use the layout's recipe and the same learning rate at every step. A member that has
    finished or diverged stays in its slot and is ignored; empty slots repeat the first member. So a
    member's numbers depend on the cohort size and on itself, never on its neighbours.
    """

    def __init__(
        self,
        layout: Layout,
        members: Sequence[Sequence[PendingFit]],
        resumed: Sequence[TrainingCheckpoint] = (),
        writer: CheckpointWriter | None = None,
    ) -> None:
        """`resumed` are the checkpoints to resume from, all at the same step. If there are none, or
        one does not match this layout, all members start from the beginning.
        """
        if not 1 <= len(members) <= layout.cohort_size:
            raise ValueError(
                f"a cohort of size {layout.cohort_size} takes 1 to {layout.cohort_size} members, "
                f"but got {len(members)}"
            )
        self.layout = layout
        self.schedule = LearningRate(layout.recipe, len(layout.data.train))
        firsts = [fits[0].request for fits in members]
        firsts += firsts[:1] * (layout.cohort_size - len(firsts))
        layout.begin(
            [r.data_seed for r in firsts],
            [r.start for r in firsts],
            [r.values for r in firsts],
            [r.mask for r in firsts],
            penalties={
                i: self._term(i, p) for i, a in enumerate(members) if (p := a[0].request.penalty)
            },
            parametrize=firsts[0].parametrize,
        )
        self.members = [Member(layout, slot, fits) for slot, fits in enumerate(members)]
        self.first = firsts[0].start
        self.done = 0
        self.writer = writer
        if resumed:
            self._resume(resumed)

    def _resume(self, resumed: Sequence[TrainingCheckpoint]) -> None:
        pairs = list(zip(self.members, resumed, strict=True))
        (done,) = {p.head.done for p in resumed}
        if not all(self.layout.accepts(m.slot, p.layout) for m, p in pairs):
            return
        for member, checkpoint in pairs:
            with charged_to(member.open):
                member.resume(checkpoint)
        self.done = done
        torch.set_rng_state(resumed[0].random)

    def run(self) -> None:
        """Train until all fits have an outcome or an error."""
        self._clock = time.perf_counter()
        try:
            while live := self._live():
                self._answer(live)
                if not (live := self._live()):
                    break
                self._advance(live)
                if time.perf_counter() - self._clock > CLOCK_SECONDS:
                    self._tick(live)
                every = self.layout.recipe.eval_every
                if due := [m for m in live if m.step % every == 0]:
                    self._evaluate(due)
                if self.writer is not None and self.writer.due:
                    self._tick(self._live())
                    self.writer.save(self.members, self.done)
        finally:
            self.layout.penalties = {}  # they reference this cohort; the layout outlives it

    def _live(self) -> list[Member]:
        return [m for m in self.members if m.open]

    def _advance(self, live: Sequence[Member]) -> None:
        """Run up to the next step at which a member has an event, in a tight loop that touches no
        member; or take a single step with its callbacks.
        """
        steps = min(m.steps_to_next_event() for m in live)
        if steps == 0:  # a callback is due within this step
            self.update(live)
            return
        if self.layout.penalties:
            steps = 1  # a penalty that raises ends its training at that step
        taken = self.layout.advance(self.done, steps, self._rate, self._looks)
        for member in live:
            member.stepped(taken)
        self.done += taken

    def _rate(self, done: int) -> float:
        return self.schedule.lr(self.first + done)

    def _looks(self) -> bool:
        """Whether the tight loop should return so that the clock can be checked."""
        due = self.writer is not None and self.writer.due
        return due or time.perf_counter() - self._clock > CLOCK_SECONDS

    def _answer(self, live: Sequence[Member]) -> None:
        """Return results to the fits whose training ends at this step."""
        if wanted := [m for m in live if m.wants_checkpoint]:
            for member, values in zip(wanted, self._snapshots(wanted), strict=True):
                member.checkpoints[member.step] = values
        ending = [(m, fit, stopped) for m in live for fit, stopped in m.ending()]
        if not ending:
            return
        last = {}
        unevaluated = [m for m, _, _ in ending if not m.curve or m.curve[-1].step != m.step]
        if unevaluated:
            found = self.layout.evaluate(sorted({m.slot for m in unevaluated}))
            totals = self.layout.losses.tolist()
            for member in unevaluated:
                with charged_to([fit for m, fit, _ in ending if m is member]):
                    last[member] = member.note(totals[member.slot], *found[member.slot])
        members = list(dict.fromkeys(m for m, _, _ in ending))
        now = dict(zip(members, self._snapshots(members), strict=True))
        best = dict(zip(members, self._best(members), strict=True))
        self._tick(live)  # the device has been waited for
        for member, fit, stopped in ending:
            if not fit.done:
                with charged_to([fit]):
                    member.answer(fit, stopped, last.get(member), now[member], best[member])

    def _snapshots(self, members: Sequence[Member]) -> list[dict[str, Tensor]]:
        if self.layout.parametrize is not None:
            return [m.snapshot() for m in members]
        return self.layout.snapshots([m.slot for m in members])

    def _best(self, members: Sequence[Member]) -> list[dict[str, Tensor]]:
        if self.layout.parametrize is not None:
            return [m.best() for m in members]
        return self.layout.best.of([m.slot for m in members], [m.best_mask for m in members])

    def update(self, live: Sequence[Member]) -> None:
        """One step of all members: batch, forward, backward, callbacks, optimizer update, masks."""
        layout = self.layout
        layout.forward_backward(self.done)
        changes: dict[Member, Change] = {}
        put_back: dict[Member, Callable[[], None]] = {}
        for member in live:
            if member.due:
                with charged_to(member.open):
                    change = member.call_on_step()
                    if change is not None:
                        changes[member] = change
                        if change.replace_update:
                            put_back[member] = hold(layout, member.slot)
        layout.update(self._rate(self.done))
        # after the update, so that revived weights start at zero
        for member, change in changes.items():
            with charged_to(member.open):
                if member in put_back:
                    put_back[member]()
                member.apply(change)
        for member in live:
            member.stepped(changed=member in changes)
        self.done += 1

    def _evaluate(self, due: Sequence[Member]) -> None:
        """Add a point to the curve of each of these members."""
        found = self.layout.evaluate([m.slot for m in due])
        totals = self.layout.losses.tolist()
        self._tick(self._live())  # the device has been waited for
        better = []
        for member in due:
            with charged_to(member.open):
                total = totals[member.slot]
                if member.regular(member.note(total, *found[member.slot]), total):
                    better.append(member.slot)
        if better and self.layout.parametrize is None:
            self.layout.best.keep(better)

    def _tick(self, live: Sequence[Member]) -> None:
        """Divide the time since the last call equally among the members still training. Each
        member's callbacks are charged to it alone.
        """
        now = time.perf_counter()
        own = {member: member.own_seconds() for member in self.members}
        share = max(0.0, now - self._clock - sum(own.values())) / max(1, len(live))
        for member in live:
            member.spend(share + own[member])
        self._clock = now

    def _term(self, slot: int, penalty: Penalty) -> Penalty:
        """A member's penalty, or zero once the member is done or its penalty raised."""

        def term(values: Values) -> Tensor:
            member = self.members[slot]
            with charged_to(member.open):
                if member.open:
                    with calling(member.open[0]):
                        found: object = penalty(values)
                    if not isinstance(found, Tensor) or found.numel() != 1:
                        raise ValueError(
                            f"penalty must return a scalar, but got {_short(found)}; reduce it "
                            "with .sum()"
                        )
                    return found.reshape(())
            return next(iter(values.values())).new_zeros(())

        return term


def _short(value: object) -> str:
    return f"a tensor of {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
