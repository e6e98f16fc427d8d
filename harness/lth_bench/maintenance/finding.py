"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UNMEASURED = (
    "lth-bench's CUDA path is tested on a simulated GPU, and has not been measured on hardware yet"
)
Level = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    level: Level
    """`problem`: some command fails because of it. `warning`: something is slower or missing."""
    what: str
    """What was looked at."""
    found: str
    do: str = ""
    """What to do about it; empty where all is well."""
