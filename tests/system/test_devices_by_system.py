"""Windows is refused before anything is trained or written; tests/cli/test_spawned.py has what
macOS does otherwise.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.store import Journal, Paths
from lth_bench.system import devices as systems


@pytest.mark.parametrize("system", ["linux", "darwin", "freebsd14"])
def test_where_results_can_be_written(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr(systems, "SYSTEM", system)
    systems.require_system()


def test_nothing_is_written_on_windows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(systems, "SYSTEM", "win32")
    with pytest.raises(UserError, match="this is win32; use WSL 2"):
        Journal(Paths(tmp_path / "new" / "results.duckdb")).open()
    assert list(tmp_path.iterdir()) == []
