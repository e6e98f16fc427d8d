"""`doctor --device`: test a device in child processes, which may hang or die."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lth_bench.maintenance import UNMEASURED, Diagnosis
from lth_bench.maintenance.selftest.steps import LIMIT, plan
from lth_bench.maintenance.selftest.supervised import StepResult, run

COMMAND = (sys.executable, "-P", "-m", "lth_bench.maintenance.selftest")
SAME, CLOSE = 1e-5, 1e-2
"""Largest allowed difference of results, relative to how far training moves the values: for the
same operations launched in another order, and for kernels that add in another order. A wrong result
differs by about 1.
"""
HEADINGS = (
    "device", "network", "cohort size", "layout", "model-steps/s", "host µs", "step µs",
    "memory MB", "capture s",
)  # fmt: skip


def try_all(names: Sequence[str], limit: float = LIMIT) -> dict[str, list[StepResult]]:
    """Self-test several devices in parallel; the results by device. A step is late after `limit`
    seconds.
    """
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        found = pool.map(lambda name: run(COMMAND, plan(name, limit)), names)
        return dict(zip(names, found, strict=True))


def findings(device: str, results: Sequence[StepResult]) -> Iterator[Diagnosis]:
    """Diagnoses of a device's self-test."""
    if device != "cpu":
        yield Diagnosis("warning", "CUDA", UNMEASURED, "please report the numbers below")
    judge: dict[str, Callable[[Any], tuple[str, list[str]]]] = {
        "about": _about, "capture": _capture, "agreement": _agreement, "halving": _halving,
        "speed": _speed,
    }  # fmt: skip
    for result in results:
        what = f"{device} {result.name}"
        if result.status != "ok":
            first = str(result.error).splitlines()[0] if result.error else result.status
            yield Diagnosis(
                "problem", what, f"{result.status}: {first}", "--json shows the full error"
            )
            continue
        text, bad = judge[result.name.split()[0]](result.value)
        for warning in result.value.get("warnings", ()):
            yield Diagnosis("warning", what, warning.splitlines()[0])
        if bad:
            yield Diagnosis("problem", what, f"{'; '.join(bad)} ({text})", "please report it")
        else:
            yield Diagnosis("ok", what, text)


def _about(value: Any) -> tuple[str, list[str]]:
    if "total" not in value:
        return f"torch {value['torch']} on the CPU", []
    return (
        f"{value['name']}, compute capability {value['capability']}, "
        f"{value['free'] / 1e9:.1f} of {value['total'] / 1e9:.1f} GB free; driver for CUDA "
        f"{value['driver'] or '?'}, torch {value['torch']} built for CUDA {value['runtime']}, "
        f"cuDNN {value['cudnn']}"
    ), []


def _capture(value: Any) -> tuple[str, list[str]]:
    how = "a replayed CUDA graph" if value["captured"] else "a step (not captured on a CPU)"
    return f"{how} changes every parameter; loss {value['loss']:.3f}", []


def _agreement(value: Any) -> tuple[str, list[str]]:
    rows = [("eager", value["eager"], SAME), ("the CPU", value["cpu"], CLOSE)]
    rows += [(f"stacked ({way})", far, CLOSE) for way, far in value["stacked"].items()]
    rows = [row for row in rows if row[1] is not None]
    bad = [f"differs by {far:.1e} from {what}" for what, far, limit in rows if not far <= limit]
    if not value["pruned_zero"]:
        bad.append("a pruned weight is not zero")
    said = ", ".join(f"{what} {far:.0e}" for what, far, _ in rows)
    return f"relative difference after {value['steps']} steps from {said}", bad


def _halving(value: Any) -> tuple[str, list[str]]:
    bad = []
    if not value["halved"] < value["size"]:
        bad.append("the cohort was not halved")
    if not value["apart"] <= CLOSE:
        bad.append(f"its result differs by {value['apart']:.1e}")
    return (
        f"a cohort of {value['size']} needing {value['needed'] / 1e6:,.0f} MB, given half of that: "
        f"trained {value['halved']} at a time; relative difference {value['apart']:.0e}"
    ), bad


def _speed(value: Any) -> tuple[str, list[str]]:
    return f"{value['model_steps_per_second']:,.0f} model-steps/s", []


def speeds(device: str, results: Sequence[StepResult]) -> list[list[str]]:
    """Rows of the table of speeds, with the columns HEADINGS."""
    lines = []
    for result in results:
        if result.status != "ok" or not result.name.startswith("speed"):
            continue
        v = result.value
        memory = "" if v["peak_memory"] is None else f"{v['peak_memory'] / 1e6:,.0f}"
        lines.append([
            device, result.name.split()[1], str(v["size"]), v["variant"],
            f"{v['model_steps_per_second']:,.0f}", f"{v['host_micros']:,.0f}",
            f"{v['step_micros']:,.0f}", memory, f"{v['first_seconds']:.1f}",
        ])  # fmt: skip
    return lines


def aligned(headings: Sequence[str], lines: Sequence[Sequence[str]], left: int = 2) -> str:
    """A table as text, with its first `left` columns aligned left and the others right."""
    widths = [max(map(len, column)) for column in zip(headings, *lines, strict=True)]
    ruler = ["─" * width for width in widths]
    shown = []
    for line in (headings, ruler, *lines):
        padded = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        shown.append("  ".join(padded).rstrip())
    return "\n".join(shown)
