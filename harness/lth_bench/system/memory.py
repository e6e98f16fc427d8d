"""How much memory this process may use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def host_memory() -> int:
    """Bytes: the machine's, or less where a control group says so."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # no such limit, or "max"
            total = min(total, int(Path(limit).read_text()))
    return total
