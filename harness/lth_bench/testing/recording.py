"""What an experiment did: each round, each reported ticket, and the first fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lth_bench.masks import Mask
from lth_bench.testing.contract import Fault
from lth_bench.testing.witness import Callbacks
from lth_bench.training.keys import hash_mask, hash_tensors
from lth_bench.training.state import RewindPoint, Trained

TEST_METRICS = ("test_accuracy", "test_loss", "early_stop_accuracy", "pruned_accuracy")
"""The metrics measured on the test split."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """One pass of the hooks."""

    target: float
    before: Mask
    """`ticket.mask` as given to `select_mask`."""
    selected: Mask
    start: RewindPoint
    trained: Trained


@dataclass(frozen=True)
class ReportedTicket:
    """What was reported at a density."""

    target: float
    trained: Trained
    metrics: Mapping[str, float]


@dataclass(kw_only=True)
class Recording:
    """A recorded experiment."""

    rounds: list[Round] = field(default_factory=list)
    tickets: list[ReportedTicket] = field(default_factory=list)
    skipped: dict[float, str] = field(default_factory=dict)
    """Density → why it cannot be reached."""
    fault: Fault | None = None
    callbacks: Callbacks = field(default_factory=Callbacks)

    def facts(self) -> dict[str, str]:
        """Everything that must repeat bit for bit, as text: masks, values, curves, metrics.

        Metrics whose names end in `_seconds` measure the machine and are left out.
        """
        found: dict[str, str] = {}
        for i, r in enumerate(self.rounds):
            where = f"round {i} towards density {r.target:g}"
            found[f"{where}: start step"] = str(r.start.step)
            found |= _masks(f"{where}: selected", r.selected)
            found |= _values(f"{where}: start value", r.start.values)
            found |= _masks(f"{where}: trained", r.trained.mask)
            found |= _values(f"{where}: trained value", r.trained.values)
        for t in self.tickets:
            where = f"density {t.target:g}"
            found[f"{where}: curve"] = repr([tuple(vars(p).values()) for p in t.trained.curve])
            found |= _masks(where, t.trained.mask)
            found |= _values(f"{where}: value", t.trained.values)
            found |= _values(f"{where}: early-stop value", t.trained.best.values)
            for name, number in sorted(t.metrics.items()):
                if not name.endswith("_seconds"):
                    found[f"{where}: metric {name!r}"] = repr(number)
        for density, reason in self.skipped.items():
            found[f"density {density:g}"] = f"skipped: {reason}"
        return found


def differences(
    one: Mapping[str, str], other: Mapping[str, str], without: Iterable[str] = ()
) -> str:
    """The first facts that differ between two recordings, and how many there are; "" for none."""
    leave = tuple(f"metric {name!r}" for name in without)
    keys = [k for k in (*one, *(k for k in other if k not in one)) if not k.endswith(leave or "\0")]
    odd = [k for k in keys if one.get(k) != other.get(k)]
    if not odd:
        return ""
    shown = [f"{k} is {one.get(k, 'absent')} and {other.get(k, 'absent')}" for k in odd[:3]]
    more = f"; {len(odd)} of {len(keys)} facts differ" if len(odd) > 3 else ""
    return "; ".join(shown) + more


def _masks(where: str, mask: Mask) -> dict[str, str]:
    counts = mask.kept_per_layer()
    digest = hash_mask(mask)[:8]
    found = {
        f"{where} mask of {name!r}": f"{counts[name]} kept [{hash_tensors({name: t})[:8]}]"
        for name, t in mask.kept.items()
    }
    return found | {f"{where} mask": f"[{digest}]"}


def _values(where: str, values: Mapping[str, object]) -> dict[str, str]:
    return {
        f"{where} {key!r}": f"[{hash_tensors({key: tensor})[:8]}]"  # type: ignore[dict-item]
        for key, tensor in values.items()
    }
