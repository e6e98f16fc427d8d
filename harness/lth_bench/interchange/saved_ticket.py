"""A ticket from results: its network, its mask, and the values at its start and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lth_bench.data.info import recipe_of_shape
from lth_bench.errors import UserError
from lth_bench.interchange.kept import KeptTrainings, final_of, start_of
from lth_bench.interchange.rebuilt import TaskNetwork, load_values, rebuilt
from lth_bench.interchange.recorded import recipe_of, recorded_ticket
from lth_bench.masks import Mask
from lth_bench.store.paths import Paths
from lth_bench.structure import removed_units, shrink_network, unit_groups
from lth_bench.training.state import State

Moment = Literal["final", "best", "start"]
"""`final`: the last step. `best`: the lowest validation loss. `start`: before training."""


@dataclass(frozen=True, kw_only=True)
class SavedTicket:
    """A ticket that was reported, and is trained. All tensors are on the CPU, and one's own."""

    recipe: Mapping[str, Any]
    """What made it and what it scored: ids, strategy with parameters and source, model, dataset,
    training recipe, seed, density, metrics."""
    mask: Mask
    """Which weights it keeps, at the end of its training."""
    final: State
    """Parameters and buffers at the last step, pruned weights zero."""
    best: State
    """The same at the lowest validation loss."""
    _task: TaskNetwork = field(repr=False)
    _start: State | str = field(repr=False)

    @property
    def start(self) -> State:
        """Parameters and buffers that it was trained from, unmasked, and the step.

        UserError where they cannot be had: the record shows which they were, and neither the
        initial values nor a state of a kept training is it.
        """
        if isinstance(self._start, str):
            raise UserError(self._start)
        return self._start

    @property
    def input_shape(self) -> tuple[int, ...]:
        """[C, H, W] of one example."""
        return self._task.input_shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._task.classes

    def module(self, values: Mapping[str, Tensor] | None = None) -> nn.Module:
        """A network of one's own with these values (the final ones), in eval mode.

        Call `.train()` before training it on, and `lth_bench.prune_with_torch(module, mask)` or
        `mask.apply_(module.state_dict())` to hold its mask.
        """
        module = self._task.network("shape")
        return load_values(module, self.final.values if values is None else values, "values").eval()

    def unpruned(self) -> nn.Module:
        """The network before any pruning, with fresh initial values, in eval mode."""
        return self._task.network("unpruned").eval()

    def masked(self, moment: Moment = "final") -> dict[str, Tensor]:
        """The state dict at a moment with every pruned weight zero; the best state is under the
        mask that it was trained with.
        """
        if moment not in ("final", "best", "start"):
            raise UserError(f"a ticket has the moments final, best and start, but got {moment!r}")
        values = {k: v.clone() for k, v in getattr(self, moment).values.items()}
        if moment != "best":
            self.mask.apply_(values)
        return values

    def shrunk(self, moment: Moment = "final") -> nn.Module:
        """The network without the channels and neurons that the mask removes, in eval mode.

        Its outputs equal the masked network's. UserError where the mask removes no whole unit, and
        for a network whose units cannot be removed.
        """
        module = self.module(self.masked(moment))
        groups = unit_groups(module, self.input_shape)
        if not any(bool(gone.any()) for gone in removed_units(groups, self.mask)):
            raise UserError(
                f"ticket {self.recipe['ticket_id']} keeps a weight of every channel and neuron, or "
                f"a bias that nothing holds at zero, so there is nothing to cut out; take the "
                f"dense values or the masks"
            )
        return shrink_network(module, self.input_shape, self.mask, groups)


def load_ticket(
    results: str | Path,
    ticket: str,
    *,
    artifacts: str | Path | Sequence[str | Path] = (),
    plugins: str | Path | Sequence[str | Path] = (),
    no_plugins: bool = False,
) -> SavedTicket:
    """A ticket of a run, by its id or the beginning of it (`tickets_flat` and `lth-bench show`), or
    as SUITE/LABEL where there is one of them.

    `results` is the DuckDB file, a merged or exported one too. The values are in the folder of
    artifacts beside it; `artifacts` names others, such as those of the runs that were merged.
    `plugins` are one-file plugins that the model needs; `no_plugins` ignores those of other
    packages. The id of an experiment serves where it has one ticket.

    What is returned is verified: mask and values give the counts and histograms of the record.
    UserError for an unknown id, a ticket that was skipped, and values that are not there.

        ticket = lth_bench.load_ticket("reports/results.duckdb", "3f2a")
        ticket.mask, ticket.start.values, ticket.final.values
        network = ticket.module()
    """
    own = Paths(Path(results))
    recorded = recorded_ticket(own.results, ticket)
    recipe = recipe_of(recorded)
    task = rebuilt(
        recipe["model"],
        recipe["recipe"],
        recipe["dataset"],
        plugins=_paths(plugins),
        no_plugins=no_plugins,
    )
    kept = KeptTrainings([own.artifacts, *_paths(artifacts)], task)
    for folder in kept.folders[1:]:
        if not folder.is_dir():
            raise UserError(f"artifacts: {folder} is not a folder; name one such as mine.artifacts")
    outcome = final_of(recorded, kept)
    return SavedTicket(
        recipe={**recipe, **recipe_of_shape(task.input_shape), "classes": task.classes},
        mask=outcome.mask,
        final=State(_own(outcome.values), outcome.step, task.layers),
        best=State(_own(outcome.best), outcome.best_step, task.layers),
        _task=task,
        _start=start_of(recorded, kept, outcome.mask),
    )


def _own(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k: v.detach().clone(memory_format=torch.contiguous_format) for k, v in values.items()}


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    several = [given] if isinstance(given, str | Path) else given
    return [Path(one) for one in several]
