"""A strategy's hooks, asked once at the beginning of a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist
from torch import Tensor

from lth_bench.errors import StrategyError, Unreachable, UserError, error_text
from lth_bench.lottery.checks import check_mask
from lth_bench.lottery.defaults import Defaults
from lth_bench.masks import Mask
from lth_bench.own_loop.facts import check_task
from lth_bench.own_loop.loop_bench import LoopBench, NoDenseRun
from lth_bench.own_loop.refusal import LoopTraining, Missing, Trains, needs_trainings
from lth_bench.plugins.contract import hooks_of
from lth_bench.plugins.dispatch import Hooks
from lth_bench.ticket import CostLedger, Ticket
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.randomness import seeded
from lth_bench.training.request import OnStep
from lth_bench.training.state import RewindPoint

T = TypeVar("T")

DECLARED = {"search_steps": "a search", "dense_checkpoints": "states of the dense run"}
"""Methods by which a strategy tells the harness of trainings beside its ticket's."""


@dataclass(frozen=True, kw_only=True)
class SparseStart:
    """What a strategy wants of a training."""

    mask: Mask
    """In force at the beginning."""
    values: Mapping[str, Tensor]
    """All parameters and buffers to begin with, unmasked."""
    on_step: OnStep | None
    every: int
    """Steps between its calls."""
    target: int
    """Weights to be kept at the end."""


def select(name: str, strategy: Any, bench: LoopBench, density: float, seed: int) -> SparseStart:
    """Ask `select_mask`, `rewind_point` and `train`, as the round loop does.

    UserError for a strategy that needs trainings of its own or something that was not given, or
    whose `check_task` says no.
    """
    for method, what in DECLARED.items():
        if hasattr(strategy, method):
            raise needs_trainings(name, what)
    check_task(name, strategy, bench)
    hooks = Hooks(label=name, strategy=strategy, defaults=Defaults(None), observers={})
    own = hooks_of(type(strategy))
    dynamic = bool(getattr(strategy, "dynamic", False))
    structured = bool(getattr(strategy, "structured", False))
    ledger, workbench = CostLedger(), cast(Workbench, bench)
    ticket = Ticket(
        bench=workbench,
        seed=seed,
        target=density,
        round=0,
        mask=bench.dense_mask(),
        dense=NoDenseRun(workbench, seed, ledger),
        ledger=ledger,
    )
    k = ticket.target_count
    with seeded("round", seed, 0):
        mask = _asked(
            name,
            bench,
            "to choose its mask",
            lambda: check_mask(
                name,
                hooks.select_mask(ticket),
                ticket,
                k=k,
                dynamic=dynamic,
                structured=structured,
            ),
        )
        if not dynamic and mask.count > k:
            raise needs_trainings(
                name, f"rounds: its first one keeps {mask.count} weights, the density means {k}"
            )
        if mask.frozen:
            raise UserError(
                f"strategy {name!r} freezes pruned weights at other values than zero, which only "
                f"a run does; choose parameters under which they are zero"
            )
        ticket = ticket.after_selection(mask)
        point = RewindPoint.at(ticket.initial)
        if "rewind_point" in own:
            point = _asked(name, bench, "to rewind to", lambda: hooks.rewind_point(ticket))
            if point.step != 0:
                raise needs_trainings(name, f"its tickets start from step {point.step}")
        ticket = ticket.after_rewinding(point)
        if "train" not in own:
            return SparseStart(
                mask=mask, values=point.values, on_step=None, every=1, target=mask.count
            )
        _require_length(name, strategy, bench)
        bench.trains = True
        try:
            _asked(name, bench, "in its own `train`", lambda: hooks.train(ticket))
        except LoopTraining as asked:
            request = asked.request
            target = k if dynamic else request.mask.count
            return SparseStart(
                mask=request.mask,
                values=request.values,
                on_step=request.on_step,
                every=request.every,
                target=target,
            )
        finally:
            bench.trains = False
    raise needs_trainings(name, "its `train` does without ticket.fit")


def _require_length(name: str, strategy: Any, bench: LoopBench) -> None:
    """UserError where the strategy trains for another number of steps than the loop does."""
    declared = getattr(strategy, "train_steps", None)
    if declared is None:
        return
    counted, total = bench.counted, bench.total_steps
    bench.counted = counted  # the training itself says whether it needs the number of steps
    if (asked := declared(total)) != total:
        raise UserError(
            f"strategy {name!r} would train {asked / total:g} times as long as the loop with these "
            f"parameters; make the loop that long, pass its length as steps, and leave out the "
            f"parameter"
        )


def _asked(name: str, bench: LoopBench, purpose: str, hook: Callable[[], T]) -> T:
    try:
        try:
            found = hook()
        except LoopTraining:
            bench.require_steps()
            raise
        bench.require_steps()
        return found
    except Missing as missing:
        raise UserError(f"strategy {name!r}: {missing.message}") from None
    except Trains as training:
        raise needs_trainings(name, f"{training.message}, {purpose}") from None
    except (Unreachable, StrategyError) as error:
        raise UserError(f"strategy {name!r}: {error_text(error)}") from error


def from_first_process(mask: Mask) -> Mask:
    """The mask of the first process, in every process; the same where there is one.

    Gradients that are averaged over the processes give the same masks anyway. A mask that is
    selected from a process's own data does not.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return mask
    for kept in mask.items_by_key().values():
        bits = kept.to(torch.uint8)
        if dist.get_backend() == "nccl":  # which has no tensors on the CPU
            bits = bits.to(torch.device("cuda", torch.cuda.current_device()))
        dist.broadcast(bits, src=0)
        kept.copy_(bits)
    return Mask(mask.kept, mask.held, mask.layers, mask.frozen)
