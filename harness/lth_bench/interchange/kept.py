"""A ticket's values among the kept trainings, each recognised by what the record says of it.

The record names the trainings that a ticket used, and has histograms of its surviving weights at
the start and at the end. Whatever is taken for one of the two must give the recorded histograms, so
that no values are handed out that are not the ticket's: a strategy may train several times, change
what a training gave, or start from anywhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from lth_bench.errors import UserError
from lth_bench.helpers import with_random_signs, with_signs_of
from lth_bench.helpers.survivors import orders_of, with_moved_weights
from lth_bench.interchange.rebuilt import TaskNetwork
from lth_bench.interchange.recorded import RecordedTicket
from lth_bench.lottery.histograms import histograms
from lth_bench.masks import Mask
from lth_bench.suite.ablations import FROM_SCRATCH
from lth_bench.training.checkpoints.cache import TrainingCache
from lth_bench.training.start import start_values
from lth_bench.training.state import Outcome, State


class KeptTrainings:
    """The finished trainings in some folders of artifacts."""

    def __init__(self, folders: Sequence[Path], task: TaskNetwork) -> None:
        self.folders, self.task = folders, task
        self._caches = [TrainingCache(folder / "trainings") for folder in folders]

    def start(self) -> dict[str, Tensor]:
        """The values that the task's model starts from; none where all are drawn, and where the
        file is not kept here.
        """
        for folder in self.folders:
            with contextlib.suppress(UserError):
                return start_values(folder, self.task.config)
        return {}

    def find(self, key: str) -> Outcome | None:
        """A training with all of its checkpoints, on the CPU; None where it is not kept here."""
        for cache in self._caches:
            found = cache.get(key, self.task.layers, self.task.shapes, cache.kept(key))
            if found is not None:
                return found
        return None


def final_of(recorded: RecordedTicket, kept: KeptTrainings) -> Outcome:
    """The training that gave the ticket. UserError where its values are not there."""
    counts = {row["layer"]: row["kept"] for row in recorded.ticket["layers"]}
    missing = []
    for key in recorded.trained_by:
        outcome = kept.find(key)
        if outcome is None:
            missing.append(key)
        elif outcome.mask.kept_per_layer() == counts and _shows(
            recorded, kept.task, outcome.mask, outcome.values, "end"
        ):
            return outcome
    folders = ", ".join(map(str, kept.folders))
    if missing:
        where = f" on {recorded.host}" if recorded.host else ""
        raise UserError(
            f"the values of {recorded.name} are not in {folders}: its training "
            f"{missing[0][:12]} was done{where}, and only the folder of artifacts has its values. "
            f"Merging and exporting results leaves them where they are: bring that folder here and "
            f"name it with artifacts= (--artifacts FOLDER), or run the suite again"
        )
    raise UserError(
        f"the values of {recorded.name} were not kept: its strategy changed what its trainings in "
        f"{folders} gave, and only what trainings give is kept"
    )


def start_of(recorded: RecordedTicket, kept: KeptTrainings, mask: Mask) -> State | str:
    """The state that the ticket was trained from, or why it is not known."""
    if not recorded.weights:
        return f"{recorded.name} was not reported, and only reported tickets record their start"
    step = int(recorded.ticket["rewind_step"] or 0)
    for state in _states_at(step, recorded, kept):
        if _shows(recorded, kept.task, mask, state.values, "start"):
            return state
    return (
        f"the values at step {step}, from which {recorded.name} was trained, are not there: "
        f"neither the initial values as this machine draws them nor a kept training's state at "
        f"that step are those of its record. Name the artifacts of the run that trained it with "
        f"artifacts= (--artifacts FOLDER)"
    )


def _states_at(step: int, recorded: RecordedTicket, kept: KeptTrainings) -> Iterator[State]:
    """What a ticket may have been rewound to, the likeliest first."""
    task, seed = kept.task, int(recorded.experiment["seed"])
    control = recorded.ticket["control"]
    ablation = (recorded.experiment["config"].get("ablation") or {}).get("name", "")
    if ablation in FROM_SCRATCH:
        control = "reinit"
    if control.startswith("reinit"):
        fresh = task.initial(seed, "reinit").values
        if control != "reinit_same_signs":
            yield State(fresh, step, task.layers)
            return
        for state in _states(recorded, kept):  # at whatever step its ticket began
            yield State(with_signs_of(fresh, state.values, task.layers), step, task.layers)
        return
    for state in _states(recorded, kept):
        if state.step == step and control == "random_signs":
            signed = with_random_signs(state.values, task.layers, seed)
            yield State(signed, step, task.layers)
        elif state.step == step and control == "moved_values":
            orders = orders_of(task.layers, seed)
            yield State(with_moved_weights(state.values, task.layers, orders), step, task.layers)
        elif state.step == step:
            yield state


def _states(recorded: RecordedTicket, kept: KeptTrainings) -> Iterator[State]:
    """The initial values, and every state of the experiment's trainings that is kept."""
    task = kept.task
    yield task.initial(int(recorded.experiment["seed"]), "init", kept.start())
    for key in recorded.related:
        outcome = kept.find(key)
        if outcome is not None:
            for step, values in outcome.checkpoints.items():
                yield State(values, step, task.layers)
            yield State(outcome.values, outcome.step, task.layers)


def _shows(
    recorded: RecordedTicket,
    task: TaskNetwork,
    mask: Mask,
    values: Mapping[str, Tensor],
    moment: str,
) -> bool:
    """Whether values under the ticket's mask have the histograms that its record has."""

    def of(rows: Sequence[dict[str, Any]]) -> dict[str, tuple[float, list[int]]]:
        return {r["layer"]: (r["reach"], r["counts"]) for r in rows if r["moment"] == moment}

    expected = of(recorded.weights)
    return not recorded.weights or of(histograms(task.layers, mask, values, values)) == expected
