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
    """`problem`: a command will fail. `warning`: something is slower than usual, or missing."""
    what: str
    """Name of the check."""
    found: str
    """Result of the check, in words."""
    do: str = ""
    """How to fix it; empty where nothing is wrong."""
