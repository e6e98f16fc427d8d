"""Trainings run as one computation. Everything else arranges what it is given and keeps what it
returns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lth_bench.training.layouts.base import Layout
from lth_bench.training.member import Asked, Member, calling, charged_to
from lth_bench.training.partial import Partial
from lth_bench.training.request import Change, Penalty, Values
from lth_bench.training.saver import Saver
from lth_bench.training.schedule import Schedule

LOOK = 1.0
"""Seconds between looks at the clock, at most: whose time is over stops."""


class Cohort:
    """Up to `layout.width` trainings, step by step together.

    All have the layout's recipe and the same learning rates, step for step. A member that is done
    or has diverged stays in its slot and is ignored, and empty slots repeat the first member: a
    member's numbers depend on the width and on itself, never on its neighbours.
    """

    def __init__(
        self,
        layout: Layout,
        members: Sequence[Sequence[Asked]],
        partials: Sequence[Partial] = (),
        saver: Saver | None = None,
    ) -> None:
        """`partials` are where the members go on from, all after as many steps; all begin at their
        start where there are none, or where one is not of this layout.
        """
        if not 1 <= len(members) <= layout.width:
            raise ValueError(
                f"a cohort of width {layout.width} has 1 to {layout.width} members, but got "
                f"{len(members)}"
            )
        self.layout = layout
        self.schedule = Schedule(layout.recipe, len(layout.data.train))
        firsts = [asked[0].request for asked in members]
        firsts += firsts[:1] * (layout.width - len(firsts))
        layout.begin(
            [r.seed for r in firsts],
            [r.start for r in firsts],
            [r.values for r in firsts],
            [r.mask for r in firsts],
            {i: self._term(i, p) for i, a in enumerate(members) if (p := a[0].request.penalty)},
            firsts[0].parametrize,
        )
        self.members = [Member(layout, slot, asked) for slot, asked in enumerate(members)]
        self.first = firsts[0].start
        self.done = 0
        self.saver = saver
        if partials:
            self._resume(partials)

    def _resume(self, partials: Sequence[Partial]) -> None:
        pairs = list(zip(self.members, partials, strict=True))
        (done,) = {p.head.done for p in partials}
        if not all(self.layout.accepts(m.slot, p.layout) for m, p in pairs):
            return
        for member, partial in pairs:
            with charged_to(member.open):
                member.resume(partial)
        self.done = done
        torch.set_rng_state(partials[0].random)

    def run(self) -> None:
        """Train until everybody who asked has an outcome or an error."""
        self._clock = time.perf_counter()
        while live := self._live():
            self._answer(live)
            if not (live := self._live()):
                break
            self.update(live)
            if time.perf_counter() - self._clock > LOOK:
                self._tick(live)
            every = self.layout.recipe.eval_every
            if any(m.step % every == 0 for m in live):
                self._evaluate([m for m in live if m.step % every == 0])
            if self.saver is not None and self.saver.due:
                self._tick(self._live())
                self.saver.save(self.members, self.done)

    def _live(self) -> list[Member]:
        return [m for m in self.members if m.open]

    def _answer(self, live: Sequence[Member]) -> None:
        """Answer those whose training ends here."""
        ending: list[tuple[Member, Asked, bool]] = []
        for member in live:
            with charged_to(member.open):
                member.keep_checkpoint()
                ending += [(member, asked, stopped) for asked, stopped in member.ending()]
        if not ending:
            return
        last = {}
        unevaluated = [m for m, _, _ in ending if not m.curve or m.curve[-1].step != m.step]
        slots = sorted({m.slot for m in unevaluated})
        totals = self.layout.losses.tolist() if slots else []
        found = self.layout.evaluate(slots) if slots else {}
        self._tick(live)  # now that what was queued on the device is done
        for member in unevaluated:
            with charged_to([asked for m, asked, _ in ending if m is member]):
                last[member] = member.note(totals[member.slot], *found[member.slot])
        for member, asked, stopped in ending:
            if not asked.done:
                with charged_to([asked]):
                    member.answer(asked, stopped, last.get(member))

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
        layout.update(self.schedule.lr(self.first + self.done))
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
        """A point of the curve for these members. One synchronisation."""
        totals = self.layout.losses.tolist()
        found = self.layout.evaluate([m.slot for m in due])
        self._tick(self._live())  # now that what was queued on the device is done
        for member in due:
            with charged_to(member.open):
                total = totals[member.slot]
                member.regular(member.note(total, *found[member.slot]), total)

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
                        found = penalty(values)
                    if found.numel() != 1:
                        raise ValueError(
                            f"a penalty is one number, but got a tensor of {tuple(found.shape)}"
                        )
                    return found.reshape(())
            return next(iter(values.values())).new_zeros(())

        return term
