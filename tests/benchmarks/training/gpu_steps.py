"""What is measured on a GPU, most wanted first: a run that is cut short has the best of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lth_bench.maintenance.selftest.supervised import Step

SIDE_BY_SIDE = ("lenet_300_100", "resnet20", "conv2", "resnet18")
"""Networks that the conventional loop trains too."""
SUITE = ("conv2_60", "conv4_60", "conv6_60")
"""Those that the hours of `cifar_conv` are estimated from."""
SIZES: dict[str, tuple[int | str, ...]] = {
    "lenet_300_100": (1, 16, 64),
    "resnet20": (1, 8, 32),
    "conv2": (1, 8),
    "resnet18": (1, 2, 8),
}
"""Cohort sizes that are measured; of other networks 1. The engine's own choice comes last."""
WAYS = ("explicit", "branches")
"""Ways of stacking that are measured at every size above 1."""
FIRST = ("lenet_300_100", "resnet20")
"""Networks that come before all floors and all others."""
KERNELS = {"resnet20": (1, 8)}
"""Networks and cohort sizes whose kernels are listed."""
LOADERS: tuple[tuple[int, int | None], ...] = ((0, None), (2, None), (4, None))
"""Loader workers of the conventional loop, and its threads (None: torch's own number)."""


@dataclass(frozen=True)
class Group:
    """Steps that one process does, as long as it lives."""

    name: str
    steps: tuple[Step, ...]


def groups(device: str, nets: Sequence[str], seconds: float, rounds: int) -> list[Group]:
    """Everything that is measured: first whether it works at all, then this package's engine, the
    bare products, and at last the conventional loops.
    """
    first = [n for n in nets if n in FIRST]
    others = [n for n in nets if n not in FIRST]
    how = {"seconds": seconds, "rounds": rounds}
    found = [Group("smoke", _smoke(device))]
    found += [Group(n, _ours(device, n, how)) for n in first]
    found += [Group(f"{n} floor", _floor(device, n, seconds)) for n in first]
    found += [Group(n, (*_ours(device, n, how), *_floor(device, n, seconds))) for n in others]
    found.append(Group("ceilings", (Step("ceilings", "ceilings", {"device": device}, 40),)))
    found += [
        Group(f"{n} conventional", _conventional(device, n, seconds))
        for n in nets
        if n not in SUITE
    ]
    return found


def _smoke(device: str) -> tuple[Step, ...]:
    where = {"device": device}
    return (
        Step("about", "about", where, 30),
        Step("machine", "machine", where, 30),
        Step("capture", "capture", where, 40),
        Step("agreement lenet_300_100", "agreement", {**where, "name": "lenet_300_100"}, 40),
        Step("agreement conv_bn", "agreement", {**where, "name": "conv_bn"}, 40),
        Step("host", "host", where, 40),
    )


def _ours(device: str, net: str, how: dict[str, float]) -> tuple[Step, ...]:
    found = []
    for size in (*SIZES.get(net, (1,)), "auto"):
        for way in WAYS if size not in (1, "auto") else (None,):
            name = f"ours {net} {size}" + (f" {way}" if way else "")
            asked = {"device": device, "net": net, "size": size, "stacks": way, **how}
            found.append(Step(name, "ours", asked, 90 if size == "auto" else 45))
    for size in KERNELS.get(net, ()):
        asked = {"device": device, "net": net, "size": size}
        found.append(Step(f"kernels {net} {size}", "kernels", asked, 45))
    return tuple(found)


def _floor(device: str, net: str, seconds: float) -> tuple[Step, ...]:
    sizes = [s for s in SIZES.get(net, (1,)) if isinstance(s, int)]
    asked = {"device": device, "net": net, "seconds": seconds}
    return tuple(
        Step(f"floor {net} {size}", "floor", {**asked, "size": size}, 40) for size in sizes
    )


def _conventional(device: str, net: str, seconds: float) -> tuple[Step, ...]:
    asked = {"device": device, "net": net, "seconds": seconds}
    return tuple(
        Step(
            f"conventional {net} {workers}", "conventional",
            {**asked, "workers": workers, "threads": threads}, 40,
        )
        for workers, threads in LOADERS
    )  # fmt: skip
