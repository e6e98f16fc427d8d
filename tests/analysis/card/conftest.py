"""Databases with chosen numbers, as for the boards."""

from __future__ import annotations

import runpy
from pathlib import Path

_BOARDS = runpy.run_path(str(Path(__file__).parents[1] / "boards" / "conftest.py"))
made, chosen = _BOARDS["made"], _BOARDS["chosen"]
