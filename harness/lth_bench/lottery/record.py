"""Journal records of finished rounds."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from lth_bench.data.info import InputShape
from lth_bench.errors import Diverged
from lth_bench.lottery.boundary import Drawn, boundary_of
from lth_bench.lottery.experiment import Experiment
from lth_bench.lottery.generalisation import generalisation
from lth_bench.lottery.histograms import histograms
from lth_bench.lottery.survivors import Fate, fates
from lth_bench.lottery.survivors import metrics as metrics_of
from lth_bench.lottery.survivors import records as records_of
from lth_bench.lottery.units import units_kept
from lth_bench.masks import Mask
from lth_bench.plugins.dispatch import Hooks
from lth_bench.ticket import CostLedger, DenseRun, Ticket
from lth_bench.ticket_view import TicketView
from lth_bench.training.dispatch.variant import without_variants
from lth_bench.training.dispatch.workbench import Workbench
from lth_bench.training.randomness import seeded
from lth_bench.training.state import Cost, CurvePoint, Trained


class Reporter:
    """Writes the records of one experiment."""

    def __init__(
        self,
        *,
        experiment: Experiment,
        bench: Workbench,
        hooks: Hooks,
        emit: Callable[[dict[str, Any]], None],
        structured: bool,
    ) -> None:
        self.experiment, self.bench, self.hooks, self.emit = experiment, bench, hooks, emit
        self.structured = structured
        self._accounted: set[str] = set()
        """Keys of trainings already counted by an earlier record."""
        self._beside: dict[str, Cost] = {}
        """Dense runs that had to be trained to be compared with, by key."""

    def ticket(
        self, ticket: Ticket, trained: Trained, control: str, ledger: CostLedger, note: str = ""
    ) -> None:
        """Record a reported ticket with all its metrics. `note`: what a reader of the row must
        know.
        """
        drawn = Drawn()
        if self.experiment.decision_boundary:
            drawn = boundary_of(without_variants(self.bench), ticket, trained)
        # scored under the trained mask, which differs from the selected one with RigL
        with seeded("score", ticket.seed, ticket.round):
            scored = ticket.after_selection(trained.mask)
            metrics = self.hooks.score(scored, trained) | drawn.metrics
            right = {name: packed(which) for name, which in self.hooks.right.items()}
            view = TicketView(scored, self.experiment, control)
            more, missing = self.hooks.observers_score(view, trained, metrics)
        lost = [*self.hooks.lost, *missing, *drawn.missing]
        if control == "none" and isinstance(self.bench.connections, str):
            lost.append(self.bench.connections)
        record = self._base(ticket, trained.mask, control, reported=True)
        metrics |= generalisation(
            trained.curve, self.experiment.generalises_at, self.bench.objective.primary
        )
        origin: list[Fate] = []
        if control == "none" and self.experiment.beside_dense:
            try:
                origin = self._fates(ticket, trained)
            except Diverged as reason:  # the dense run's; this ticket has been trained
                lost.append(f"no metrics of survivors: in the dense run {reason}")
        metrics |= metrics_of(origin)
        record |= {
            "status": "ok",
            # still a result; the reason says which metrics are missing, an observer's included
            "reason": "; ".join([note, *lost] if note else lost) or None,
            "metrics": metrics | more,
            **self._score(metrics),
            **({"right": right} if right else {}),
            "cost": self._cost(ledger.search, ledger.train),
            "trainings": _trainings(ledger),
            "curve": [_row(p) for p in trained.curve],
            "weights": histograms(
                self.bench.layers,
                trained.mask,
                (ticket.start or ticket.initial).values,
                trained.values,
            ),
            "fates": records_of(origin),
            "matrices": [
                {"name": name, "steps": list(m.steps), "values": m.values}
                for name, m in ticket.matrices.items()
            ],
            **({"outlines": drawn.outlines} if drawn.outlines else {}),
        }
        self.emit(record)

    def _fates(self, ticket: Ticket, trained: Trained) -> list[Fate]:
        """Of the weights that the ticket keeps, and of those that it lacks, in the dense run.

        That is the task's, in the seed's own data order and by its own recipe, whatever an ablation
        has changed: every plan has it, so it is found. It counts for no method.
        """
        if trained.mask.count == trained.mask.total:
            return []
        bench = without_variants(self.bench)
        dense = DenseRun(bench, ticket.seed, CostLedger(), context=ticket.context).trained
        if not dense.reused:
            self._beside[dense.key] = dense.cost
        return fates(bench.layers, trained.mask, bench.initial(ticket.seed).values, dense.values)

    def _score(self, metrics: Mapping[str, float]) -> dict[str, float | None]:
        """The primary metric on the test split, where it is no accuracy."""
        name = self.bench.objective.primary.name
        return {} if name == "accuracy" else {"score": metrics.get(f"test_{name}")}

    def intermediate(self, ticket: Ticket, trained: Trained, ledger: CostLedger) -> None:
        """Record a round above its target density, without test metrics."""
        record = self._base(ticket, trained.mask, "none", reported=False)
        record |= {
            "status": "ok",
            "reason": None,
            "metrics": {
                f"val_{trained.curve[-1].metric}": trained.curve[-1].val_score,
                "early_stop_step": float(trained.early_stop_step),
            },
            "cost": self._cost(ledger.search, ledger.train),
            "trainings": _trainings(ledger),
            "curve": [],
        }
        self.emit(record)

    def skipped(self, density: float, round_: int, control: str, reason: str) -> None:
        """Record a density that the strategy cannot reach, or a control that would equal its
        ticket.
        """
        self.emit(
            {
                "record": "ticket",
                "experiment_id": self.experiment.experiment_id,
                "ticket_id": self._id(round_, control, density),
                "round": round_,
                "control": control,
                "reported": True,
                "target_density": density,
                "density": None,
                "effective_density": None,
                "unit_density": None,
                "rewind_step": None,
                "status": "skipped",
                "reason": reason,
                "metrics": {},
                "layers": [],
                "cost": self._cost([], []),
                "trainings": [],
                "curve": [],
            }
        )

    def _cost(self, search: Sequence[Trained], train: Sequence[Trained]) -> dict[str, float]:
        """Costs without sharing. `spent_*` is what this experiment added since its previous record,
        without trainings that another experiment pays for.
        """
        own = sum((t.cost for t in train), Cost())
        found = sum((t.cost for t in search), Cost())
        new = {t.key: t.cost for t in (*search, *train) if not t.reused} | self._beside
        spent = sum((cost for key, cost in new.items() if key not in self._accounted), Cost())
        self._accounted |= new.keys()
        return {
            "steps": own.steps,
            "examples": own.examples,
            "flops_dense": own.flops_dense,
            "flops_masked_theoretical": own.flops_masked_theoretical,
            "seconds": own.seconds,
            "search_steps": found.steps,
            "search_examples": found.examples,
            "search_flops_dense": found.flops_dense,
            "search_flops_masked_theoretical": found.flops_masked_theoretical,
            "search_seconds": found.seconds,
            "spent_steps": spent.steps,
            "spent_seconds": spent.seconds,
            "bit_operations": sum((t.bit_operations for t in train), 0.0),
            "search_bit_operations": sum((t.bit_operations for t in search), 0.0),
        }

    def _base(self, ticket: Ticket, mask: Mask, control: str, reported: bool) -> dict[str, Any]:
        kept = mask.kept_per_layer()
        frozen = {name for name, values in mask.frozen.items() if bool((values != 0).any())}
        return {
            "record": "ticket",
            "experiment_id": self.experiment.experiment_id,
            "ticket_id": self._id(ticket.round, control, ticket.target),
            "round": ticket.round,
            "control": control,
            "reported": reported,
            "target_density": ticket.target,
            "density": mask.density,
            "effective_density": self.bench.effective_density(mask),
            "unit_density": unit_density(mask) if self.structured else None,
            "rewind_step": ticket.start.step if ticket.start is not None else 0,
            "layers": [
                {"layer": x.name, "kind": x.kind, "total": x.numel, "kept": kept[x.name]}
                | ({"frozen": True} if x.name in frozen else {})
                for x in self.bench.layers
            ],
            # a control's mask is its ticket's, or that at random
            "units": units_kept(self.bench.layers, mask, self._image) if control == "none" else [],
        }

    @property
    def _image(self) -> tuple[int, ...] | None:
        """[C, H, W] of an example, where the task's are images."""
        shape = InputShape.of(self.bench.data.input_shape)
        return tuple(shape) if shape.kind == "images" else None

    def _id(self, round_: int, control: str, density: float) -> str:
        text = f"{self.experiment.experiment_id}|{round_}|{control}|{density!r}"
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _row(point: CurvePoint) -> list[float | None]:
    """[step, train_loss, val_loss, val_accuracy], and after it `val_score` where the task's primary
    metric is no accuracy, which then is null.
    """
    begun = [point.step, point.train_loss, point.val_loss]
    if point.metric == "accuracy":
        return [*begun, point.val_score]
    return [*begun, None, point.val_score]


def unit_density(mask: Mask) -> float:
    """Fraction of channels and neurons kept, not counting the output layer."""
    units = [
        mask.kept[x.name].flatten(1).any(dim=1) for x in mask.layers or () if x.kind != "output"
    ]
    total = sum(u.numel() for u in units)
    return sum(int(u.sum()) for u in units) / total if total else 1.0


def packed(which: Tensor) -> str:
    """Booleans [N] as base64 of ⌈N / 8⌉ bytes: the first is the highest bit of the first byte, and
    what is left of the last byte is 0.
    """
    bits = np.packbits(which.cpu().numpy())
    return base64.b64encode(bits.tobytes()).decode("ascii")


def _trainings(ledger: CostLedger) -> list[dict[str, Any]]:
    found = [_training(t, "search") for t in ledger.search]
    return found + [_training(t, "train") for t in ledger.train]


def _training(trained: Trained, role: str) -> dict[str, Any]:
    return {
        "key": trained.key,
        "role": role,
        "start": trained.start,
        "end": trained.step,
        "steps": trained.cost.steps,
        "flops_dense": trained.cost.flops_dense,
        "flops_masked_theoretical": trained.cost.flops_masked_theoretical,
        "seconds": trained.cost.seconds,
        "device": trained.device,
        "device_name": trained.device_name,
        "peak_memory": trained.peak_memory,
        "cohort_size": trained.cohort_size,
        "variant": trained.variant,
        "reused": trained.reused,
    }
