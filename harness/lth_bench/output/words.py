"""Numbers and lists in words, as every section and figure writes them."""

from __future__ import annotations

from collections.abc import Sequence


def remaining(density: float) -> str:
    """A density in percent, as short as it can be: 60, 21.6, 4.67."""
    return f"{100 * density:.3g}" if density < 0.9995 else "100"


def counted(number: int, one: str, many: str = "") -> str:
    """1 seed, 3 seeds, 1,200 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def listed(words: Sequence[str], most: int = 6) -> str:
    """a, b and c; a, b and 5 more."""
    words = list(words)
    if len(words) > most:
        words = [*words[: most - 1], f"{len(words) - most + 1} more"]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def spans(numbers: Sequence[int]) -> str:
    """0 to 4, 7: whole numbers, runs of three or more as their ends."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(parts)
