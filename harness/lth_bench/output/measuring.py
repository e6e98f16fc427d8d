"""Progress of `measure` on stderr: a bar on a terminal, one line a ticket elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.text import Text

from lth_bench.output.progress import LiveBars, line
from lth_bench.output.words import counted, duration
from lth_bench.system.text import printable

if TYPE_CHECKING:  # a room above this one
    from lth_bench.interchange.watched import Doing

REDRAW = 0.25
"""Seconds between drawings, at least."""


class MeasureDisplay:
    """Within it, shows what is measured now, and how long the rest will take.

    Nothing is drawn by a thread, which would use the processor, and the process's CPU time, while a
    network is timed: a drawing is made when something is told, between the timed blocks.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.doing: Doing | None = None
        self.bars: LiveBars | None = None
        self._drawn = 0.0

    def __enter__(self) -> MeasureDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bars is not None:
            self.bars.stop()

    def now(self, doing: Doing) -> None:
        """What is done now."""
        if self.doing is None:
            self._begin(doing)
        self.doing = doing
        if self.bars is None or time.monotonic() - self._drawn < REDRAW:
            return
        self.bars.update(
            self.bars.task_ids[0],
            completed=doing.share,
            counts=f"ticket {doing.number} of {doing.tickets}",
            left=_left(doing),
        )
        self.bars.refresh()
        self._drawn = time.monotonic()

    def say(self, text: str) -> None:
        """One line: on a terminal above the bar, elsewhere with the time left."""
        left = "" if self.bars is not None or self.doing is None else _left(self.doing)
        text = printable(f"{text}{left and f', {left}'}")
        self.console.print(text, markup=False, highlight=False, soft_wrap=self.bars is None)

    def _begin(self, doing: Doing) -> None:
        self.say(f"timing {counted(doing.tickets, 'ticket')}; Ctrl-C keeps what is measured")
        if self.console.is_terminal:
            self.bars = LiveBars(
                BarColumn(bar_width=None),
                TextColumn("{task.fields[counts]}"),
                TextColumn("{task.fields[left]}"),
                console=self.console,
                auto_refresh=False,
                transient=True,
            )
            self.bars.add_task("", total=1.0, counts="", left="")
            self.bars.below = self._below
            self.bars.start()

    def _below(self) -> Iterable[Text]:
        if self.doing is not None:
            yield line("now", self.doing.name)
            yield line("", self.doing.what)


def _left(doing: Doing) -> str:
    seconds = doing.seconds_left
    return f"about {duration(seconds)} left" if seconds else ""
