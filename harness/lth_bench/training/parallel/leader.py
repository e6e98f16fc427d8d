"""Rank 0 and its followers: started when a training needs them, ended with it where one is lost."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from lth_bench.errors import TrainingError
from lth_bench.system.blame import ends_the_run
from lth_bench.training.input.task_data import Share
from lth_bench.training.parallel.follower import LOST, RAISED, READY
from lth_bench.training.parallel.group import VARIABLE, Ranks, is_lost_contact, rank_seconds
from lth_bench.training.parallel.layout import DataParallel
from lth_bench.training.parallel.refusals import require_parallel

if TYPE_CHECKING:
    from lth_bench.training.dispatch.workbench import Workbench
    from lth_bench.training.recipe import Recipe

CAUSE = 5.0
"""Seconds to find out which rank was lost, once one did not answer."""
LOOK = 1.0
"""Seconds between looks at how long a GPU has waited for the others."""


class RankProcess(Protocol):
    """A follower's process."""

    pipe: Connection
    name: str
    """As in messages: `rank 1 of 8 (cuda:1)`."""

    @property
    def sentinel(self) -> Any:
        """Ready, as `multiprocessing.connection.wait` has it, when the process has ended."""

    def how(self) -> str | None:
        """How it ended, as a clause; None while it lives."""

    def kill(self) -> None:
        """End it at once."""


StartRank = Callable[[Share, Path], RankProcess]
"""Starts a follower, which meets the others at that file."""


class RankLeader:
    """Trainings of this process that are spread over devices, one at a time."""

    def __init__(self, start: StartRank, devices: Sequence[str]) -> None:
        """`devices`: one for each rank, this process's first."""
        self._start, self._devices = start, list(devices)
        self._followers: list[RankProcess] = []
        self._group: Ranks | None = None
        self._layout: tuple[Workbench, Recipe, DataParallel] | None = None
        self._notes: list[str] = []
        self._folder: Path | None = None
        self._seconds = rank_seconds()
        self._closing = threading.Event()
        self._since: float | None = None
        """When this rank began to need the others; None while it does not."""

    def layout(self, task: Any, bench: Workbench, recipe: Recipe) -> DataParallel:
        """The layout of a task under a recipe, in all ranks. `task` is what followers make their
        bench of. TrainingError where it cannot be spread, or a follower is lost.
        """
        if recipe.devices > len(self._devices):
            raise TrainingError(
                f"the recipe has devices = {recipe.devices}, but this worker was given "
                f"{len(self._devices)}; use the same number in every recipe of the suite"
            )
        self._replace()
        if self._layout is not None and self._layout[0] is bench and self._layout[1] == recipe:
            self._note_draws(task.model_label, recipe, self._layout[2])
            return self._layout[2]
        require_parallel(bench.network, bench.data, recipe)
        self.forget()
        if self._group is None or self._group.share.of != recipe.devices:
            self.close()
            self._begin(recipe.devices)
        assert self._group is not None
        with self.together():
            self.tell("layout", task, bench.view, recipe)
            self._hear()
            # an error here must not leave the followers in theirs, which waits for this one
            made = DataParallel(bench.network, bench.data, recipe, group=self._group, crew=self)
        self._layout = (bench, recipe, made)
        bench.network.over_ranks = made.evaluations
        self._note_draws(task.model_label, recipe, made)
        return made

    def _replace(self) -> None:
        """End all followers where one has died since the last training: others start."""
        if not self.whole:
            cause = self._cause(CAUSE) or "a rank was lost"
            self._note(f"between two trainings {cause}; the next one has other processes")
            self.close()

    @property
    def whole(self) -> bool:
        """Whether every follower lives, as far as this process knows."""
        # sentinels are ready before the system tells how a process ended
        return not wait([follower.sentinel for follower in self._followers], 0)

    def take_notes(self) -> list[str]:
        """What a user should know of the trainings since this was asked last."""
        notes, self._notes = self._notes, []
        return notes

    def _note_draws(self, model: str, recipe: Recipe, layout: DataParallel) -> None:
        if not layout.draws_as_one:
            self._note(
                f"{model}: its network draws random numbers in other ways than by nn.Dropout with "
                f"the examples first, so each of the {recipe.devices} devices draws its own: "
                f"trainings are as good as those of one device, but not the same"
            )

    def _note(self, text: str) -> None:
        if text not in self._notes:
            self._notes.append(text)

    def tell(self, *command: object) -> None:
        """Let every follower do the same."""
        for follower in self._followers:
            with contextlib.suppress(OSError):  # dead: what needs it raises
                follower.pipe.send(command)

    @contextlib.contextmanager
    def together(self, limited: bool = True) -> Iterator[None]:
        """Around what needs all ranks. One that is lost within it ends the others. Not `limited`:
        this rank's own part of it, which may take however long.
        """
        began = time.monotonic()
        self._since = began if limited else None
        try:
            yield
        except BaseException as error:
            reason = None
            # once the group was ended, what needs it raises anything
            lost = self._group is not None and self._group.lost
            if not ends_the_run(error) and (lost or isinstance(error, RuntimeError)):
                reason = self._reason(error, time.monotonic() - began, lost)
            self.close()
            if reason is None:
                raise
            raise TrainingError(reason) from None
        finally:
            self._since = None

    def forget(self) -> None:
        """Free the layout; the followers stay, for the next task."""
        if self._layout is not None:
            self._layout[0].network.over_ranks = None
        self._layout = None

    def close(self) -> None:
        """End the followers. The next training starts others."""
        followers, self._followers = self._followers, []
        group, self._group = self._group, None
        folder, self._folder = self._folder, None
        self.forget()
        self._closing.set()
        for follower in followers:
            follower.kill()
            follower.pipe.close()
        if group is not None:
            group.leave()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _begin(self, of: int) -> None:
        # within the run's own temporary folder, which goes with the run if this process is killed
        self._folder = Path(tempfile.mkdtemp(prefix="lth-bench-ranks-", dir=get_temp_dir()))
        place = self._folder / "meet"
        device = torch.device(self._devices[0])
        with self.together():
            for rank in range(1, of):
                self._followers.append(self._start(Share(rank, of), place))
            self._hear()
            self._group = Ranks.join(place, Share(0, of), device, self._seconds)
        self._closing = threading.Event()
        if not self._group.notices_loss:
            about = (self._followers, self._group, self._closing)
            threading.Thread(target=self._watch, args=about, daemon=True).start()

    def _watch(
        self, followers: Sequence[RankProcess], group: Ranks, closing: threading.Event
    ) -> None:
        """In a thread, which runs while this process waits for its GPU: where a rank has died or
        does not answer, NCCL waits on.
        """
        while not wait([follower.sentinel for follower in followers], LOOK):
            if closing.is_set():
                return
            since = self._since
            if since is not None and time.monotonic() - since > self._seconds:
                break
        if not closing.is_set():
            group.abort()

    def _hear(self) -> None:
        """Wait until every follower is ready, however long. RuntimeError where one has ended
        instead.
        """
        self._since = None
        for follower in self._followers:
            wait([follower.pipe, follower.sentinel])
            try:
                what, text = follower.pipe.recv() if follower.pipe.poll() else (LOST, "")
            except (EOFError, OSError):
                what, text = LOST, ""
            if what != READY:
                text = f"{follower.name}: {text}" if what == RAISED else self._cause(CAUSE)
                raise LostRank(text or f"{follower.name} is lost")
        self._since = time.monotonic()

    def _reason(self, error: BaseException, taken: float, lost: bool) -> str | None:
        """Why a rank did not answer; None where the error is this rank's own."""
        if isinstance(error, LostRank):
            return str(error)
        silent = is_lost_contact(error)
        if (found := self._cause(CAUSE if lost or silent else 0.0)) is not None:
            return found
        # the watch ends a group whose ranks all live only when the time is over
        if lost or (silent and taken >= 0.9 * self._seconds):
            names = ", ".join(follower.name for follower in self._followers)
            return (
                f"no answer for {self._seconds:g} s from {names}; if a step or a rank's part of an "
                f"evaluation takes longer, give {VARIABLE} more seconds"
            )
        return None

    def _cause(self, seconds: float) -> str | None:
        """The first rank that raised or died, and why, as soon as one is known."""
        end = time.monotonic() + seconds
        lost: list[str] = []
        while True:
            for follower in self._followers:
                with contextlib.suppress(EOFError, OSError):
                    while follower.pipe.poll():
                        what, text = follower.pipe.recv()
                        if what == RAISED:
                            return f"{follower.name}: {text}"
                        if what == LOST:
                            lost.append(follower.name)
                how = follower.how()
                if how is not None and follower.name not in lost:
                    return f"{follower.name} {how}"
            if time.monotonic() >= end:
                break
            wait([f.sentinel for f in self._followers if f.how() is None], 0.05)
        return f"{lost[0]} lost contact with the others" if lost else None


class LostRank(RuntimeError):
    """A follower ended before it was ready; the message says which and how."""
