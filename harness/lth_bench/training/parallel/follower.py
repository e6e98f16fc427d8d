"""What a follower does: as the leader says, until it hears nothing more."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from lth_bench.errors import describe_error
from lth_bench.system.blame import training_error
from lth_bench.training.parallel.group import Ranks, is_lost_contact
from lth_bench.training.parallel.layout import DataParallel

if TYPE_CHECKING:
    from lth_bench.training.dispatch.workbench import Workbench
    from lth_bench.training.input.ablated import AblatedView
    from lth_bench.training.input.task_data import Examples

READY, RAISED, LOST = "ready", "raised", "lost"
"""What a follower says: that it is where it was told to be; or why it ends: an error of its own, or
that another rank did not answer.
"""


class NoCrew:
    """A follower has no followers."""

    whole = True

    def tell(self, *_: object) -> None:
        """It has none to tell."""

    def together(self, limited: bool = True) -> AbstractContextManager[None]:
        """An error ends the process, which is how the leader learns of it."""
        return contextlib.nullcontext()


def follow(
    pipe: Connection,
    join: Callable[[], Ranks],
    bench_of: Callable[[Any, AblatedView | None], tuple[Workbench, Examples]],
) -> None:
    """Say that the process is there, meet the others, and do what the leader says. `bench_of` makes
    a task's bench on this rank's device, and gives its test split too.
    """
    group: Ranks | None = None
    try:
        pipe.send((READY, ""))
        group = join()
        layout: DataParallel | None = None
        while True:
            what, *about = pipe.recv()
            if what == "layout":
                layout = None
                task, view, recipe = about
                bench, test = bench_of(task, view)
                pipe.send((READY, ""))
                layout = DataParallel(bench.network, bench.data, recipe, group=group, crew=NoCrew())
                layout.evaluations.test = test
                continue
            assert layout is not None
            match what:
                case "state":
                    layout.take(*about)
                case "step":
                    layout.forward_backward(*about)
                case "update":
                    layout.update(*about)
                case "evaluate":
                    layout.evaluations.follow(*about)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the leader is gone
    except BaseException as error:  # the leader tells whose experiment it was
        kind = LOST if is_lost_contact(error) else RAISED
        found = training_error(error)
        with contextlib.suppress(OSError):
            pipe.send((kind, getattr(found, "message", None) or describe_error(found)))
    finally:
        if group is not None:
            group.abort()  # or a GPU that waits for a rank keeps this process from ending
