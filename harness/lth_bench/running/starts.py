"""The starts of a plan: found before anything trains, and kept beside the trainings from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lth_bench.analysis.boards.notes import fixed_by
from lth_bench.errors import UserError
from lth_bench.running.published import published_file, write_whole
from lth_bench.training.start import Start, check_start, hash_file, kept_start

if TYPE_CHECKING:
    from lth_bench.running.plan import Planned
    from lth_bench.running.task_plan import TaskPlan
    from lth_bench.suite.start import StartSpec


def find_start(spec: StartSpec, module: nn.Module, label: str, dtype: str) -> Start:
    """The start of a network, whose own values do not matter. UserError for one that does not
    fit it.
    """
    what = f"start {spec.name!r} of model {label!r}"
    path = spec.file if spec.weights is None else published_file(spec.weights, what)
    return check_start(
        path,
        what,
        module.state_dict(),
        parameters=[name for name, _ in module.named_parameters()],
        patterns=spec.drawn,
        dtype=torch.float64 if dtype == "float64" else torch.float32,
        command=spec.command,
    )


def keep_starts(planned: Iterable[Planned], artifacts: Path) -> None:
    """Copy the files that experiments start from beside the trainings.

    So a file that is changed or removed later changes no result, and a ticket's initial values can
    be loaded as long as its trainings can. UserError for a file that has changed since the plan.
    """
    starts = {p.start.sha256: p.start for p in planned if p.start is not None}
    for sha256, start in starts.items():
        target = kept_start(artifacts, sha256)
        if target.exists() and hash_file(target) == sha256:
            continue
        write_whole(target, start.path)
        if hash_file(target) != sha256:
            target.unlink()
            raise UserError(
                f"{start.path} was changed while the run began; start it again when the file is "
                f"complete"
            )


def starts(tasks: Sequence[TaskPlan]) -> tuple[str, ...]:
    """What is said of networks whose initial values are fixed; each once."""
    recorded = ((task.model_label, recorded_start(task)) for task in tasks)
    return tuple(dict.fromkeys(f"{label}: {fixed_by(s)}" for label, s in recorded if s is not None))


def recorded_start(task: TaskPlan) -> dict[str, Any] | None:
    """What the results say of a task's start."""
    start, named = task.start, task.spec.model.start
    if start is None or named is None:
        return None
    return {
        "source": named.name,
        **start.identity,
        "fixed": start.fixed,
        "parameters": task.parameters,
    }
