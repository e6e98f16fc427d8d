"""Trainings run as one computation. Everything else arranges what it is given and keeps what it
returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_bench.training.checkpoints.checkpoint import TrainingCheckpoint
from lth_bench.training.checkpoints.writer import CheckpointWriter
from lth_bench.training.engine.layouts.base import Layout
from lth_bench.training.engine.member import Member
from lth_bench.training.pending_fit import PendingFit, calling, charged_to
from lth_bench.training.recipe import LearningRate
from lth_bench.training.request import Change, Penalty, Values

LOOK = 1.0
"""Max seconds between deadline checks."""


class Cohort:
    """Up to `layout.cohort_size` trainings, step by step together.

    All have the layout's recipe and the same learning rates, step for step. A member that is done
    or has diverged stays in its slot and is ignored, and empty slots repeat the first member: a
    member's numbers depend on the cohort size and on itself, never on its neighbours.
    """

    def __init__(
        self,
        layout: Layout,
        members: Sequence[Sequence[PendingFit]],
        resumed: Sequence[TrainingCheckpoint] = (),
        writer: CheckpointWriter | None = None,
    ) -> None:
        """`resumed` are where the members go on from, all after as many steps; all begin at their
        start where there are none, or where one is not of this layout.
        """
        if not 1 <= len(members) <= layout.cohort_size:
            raise ValueError(
                f"a cohort of size {layout.cohort_size} has 1 to {layout.cohort_size} members, "
                f"but got {len(members)}"
            )
        self.layout = layout
        self.schedule = LearningRate(layout.recipe, len(layout.data.train))
        firsts = [asked[0].request for asked in members]
        firsts += firsts[:1] * (layout.cohort_size - len(firsts))
        layout.begin(
            [r.seed for r in firsts],
            [r.start for r in firsts],
            [r.values for r in firsts],
            [r.mask for r in firsts],
            penalties={
                i: self._term(i, p) for i, a in enumerate(members) if (p := a[0].request.penalty)
            },
            parametrize=firsts[0].parametrize,
        )
        self.members = [Member(layout, slot, asked) for slot, asked in enumerate(members)]
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
                if time.perf_counter() - self._clock > LOOK:
                    self._tick(live)
                every = self.layout.recipe.eval_every
                if due := [m for m in live if m.step % every == 0]:
                    self._evaluate(due)
                if self.writer is not None and self.writer.due:
                    self._tick(self._live())
                    self.writer.save(self.members, self.done)
        finally:
            self.layout.penalties = {}  # they hold this cohort, and the layout is kept

    def _live(self) -> list[Member]:
        return [m for m in self.members if m.open]

    def _advance(self, live: Sequence[Member]) -> None:
        """The steps up to the next one at which something happens to a member, in a tight loop that
        touches none; or a single step with callbacks in it.
        """
        quiet = min(m.quiet() for m in live)
        if quiet == 0:  # a callback is due within this step
            self.update(live)
            return
        if self.layout.penalties:
            quiet = 1  # one that raises ends its training at that step
        taken = self.layout.advance(self.done, quiet, self._rate, self._looks)
        for member in live:
            member.stepped(taken)
        self.done += taken

    def _rate(self, done: int) -> float:
        return self.schedule.lr(self.first + done)

    def _looks(self) -> bool:
        """Whether the tight loop is to be left for a look at the clock."""
        due = self.writer is not None and self.writer.due
        return due or time.perf_counter() - self._clock > LOOK

    def _answer(self, live: Sequence[Member]) -> None:
        """Answer the fits whose training ends here."""
        if wanted := [m for m in live if m.wants_checkpoint]:
            for member, values in zip(wanted, self._snapshots(wanted), strict=True):
                member.checkpoints[member.step] = values
        ending = [(m, asked, stopped) for m in live for asked, stopped in m.ending()]
        if not ending:
            return
        last = {}
        unevaluated = [m for m, _, _ in ending if not m.curve or m.curve[-1].step != m.step]
        if unevaluated:
            totals = self.layout.losses.tolist()
            found = self.layout.evaluate(sorted({m.slot for m in unevaluated}))
            for member in unevaluated:
                with charged_to([asked for m, asked, _ in ending if m is member]):
                    last[member] = member.note(totals[member.slot], *found[member.slot])
        members = list(dict.fromkeys(m for m, _, _ in ending))
        now = dict(zip(members, self._snapshots(members), strict=True))
        best = dict(zip(members, self._best(members), strict=True))
        self._tick(live)  # the device has been waited for
        for member, asked, stopped in ending:
            if not asked.done:
                with charged_to([asked]):
                    member.answer(asked, stopped, last.get(member), now[member], best[member])

    def _snapshots(self, members: Sequence[Member]) -> list[dict[str, Tensor]]:
        if self.layout.parametrize is not None:
            return [m.snapshot() for m in members]
        return self.layout.snapshots([m.slot for m in members])

    def _best(self, members: Sequence[Member]) -> list[dict[str, Tensor]]:
        if self.layout.parametrize is not None:
            return [m.best() for m in members]
        return self.layout.best.of([m.slot for m in members], [m.best_mask for m in members])

    def update(self, live: Sequence[Member]) -> None:
        """One step of all members: batch, forward, backward, callbacks, update, masks."""
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
                            put_back[member] = layout.keep(member.slot)
        layout.update(self._rate(self.done))
        # after the update: what a new mask revives starts at zero, not at the update just made
        for member, change in changes.items():
            with charged_to(member.open):
                if member in put_back:
                    put_back[member]()
                member.apply(change)
        for member in live:
            member.stepped(dense_gradients=member in changes)
        self.done += 1

    def _evaluate(self, due: Sequence[Member]) -> None:
        """A point of the curve for these members."""
        totals = self.layout.losses.tolist()
        found = self.layout.evaluate([m.slot for m in due])
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
        """Share the time since the last look among the members that are still training. What
        their callbacks took is each one's own.
        """
        now = time.perf_counter()
        own = {member: member.own_seconds() for member in self.members}
        share = max(0.0, now - self._clock - sum(own.values())) / max(1, len(live))
        for member in live:
            member.spend(share + own[member])
        self._clock = now

    def _term(self, slot: int, penalty: Penalty) -> Penalty:
        """A member's penalty; nothing once it is done or where it raises."""

        def term(values: Values) -> Tensor:
            member = self.members[slot]
            with charged_to(member.open):
                if member.open:
                    with calling(member.open[0]):
                        found: object = penalty(values)
                    if not isinstance(found, Tensor) or found.numel() != 1:
                        raise ValueError(f"a penalty is one number, but got {_short(found)}")
                    return found.reshape(())
            return next(iter(values.values())).new_zeros(())

        return term


def _short(value: object) -> str:
    return f"a tensor of {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
