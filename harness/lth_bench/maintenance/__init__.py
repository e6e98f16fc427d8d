"""Maintenance of results and machine: `doctor`, `gc` and `why`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UNMEASURED = "lth-bench's CUDA path is tested on a simulated GPU and not yet measured on hardware"
Severity = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Diagnosis:
    """One line of `lth-bench doctor`."""

    level: Severity
    """`problem`: some command will fail. `warning`: something is slower or missing."""
    what: str
    """What was checked."""
    found: str
    do: str = ""
    """How to fix it; empty where nothing is wrong."""
