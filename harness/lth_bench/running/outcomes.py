"""What experiments can end as, and which of them a run does again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

DONE = frozenset({"ok", "skipped", "diverged"})
"""What the method came to."""
RETRIED = ("failed", "oom", "timeout", "diverged")
"""What `--retry` takes."""
ENDED = DONE | set(RETRIED)
"""What a run leaves as it is, unless told otherwise; it does what is planned or interrupted."""


def left_alone(statuses: Iterable[str | None]) -> str | None:
    """What a run says of the outcomes that it leaves, though they are no results; None where
    there are none.
    """
    count = Counter(s for s in statuses if s in ENDED - DONE)
    if not count:
        return None
    found = [s for s in RETRIED if s in count]
    counts = ", ".join(f"{count[s]} {s}" for s in found)
    return f"{counts} in an earlier run; --retry {','.join(found)} reruns them"


def kept(statuses: Mapping[str, str], retry: frozenset[str], rerun: bool) -> set[str]:
    """The experiments, by id, whose outcomes stay."""
    if rerun:
        return set()
    return {identity for identity, status in statuses.items() if status in ENDED - retry}
