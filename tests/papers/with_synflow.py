"""SynFlow from the example package's source, where the package is not installed."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "plugins" / "synflow" / "src"))

from lth_bench_synflow import SynFlow


@dataclass(frozen=True, eq=False)
class Synflow(SynFlow):
    """SynFlow under the name that its package registers."""
