"""Durations as people write them: `90`, `45s`, `10m`, `1h30m`."""

from __future__ import annotations

import math
import re

from lth_bench.errors import UserError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PART = r"(\d+(?:\.\d+)?)([smhd])"


def read_duration(option: str, text: str) -> float:
    """Seconds, more than 0. UserError that names the option, for a text that is none."""
    compact = text.strip().lower()
    seconds = 0.0
    if re.fullmatch(r"\d+(?:\.\d+)?", compact, re.ASCII):
        seconds = float(compact)
    elif re.fullmatch(f"(?:{_PART})+", compact, re.ASCII):
        seconds = sum(float(n) * SECONDS[unit] for n, unit in re.findall(_PART, compact, re.ASCII))
    if not 0 < seconds < math.inf:
        raise UserError(
            f"{option} takes a duration above 0, such as 90 (seconds), 45s, 10m, 2h or 1h30m, "
            f"but got {text!r}"
        )
    return seconds
