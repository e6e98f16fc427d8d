"""The command line: one file a command; heavy imports stay inside the commands."""

from __future__ import annotations

from typing import NoReturn

from lth_bench.cli.ctrl_c import quiet_ctrl_c
from lth_bench.system.streams import guard_streams


def main() -> NoReturn:
    """The console script."""
    guard_streams()
    with quiet_ctrl_c():
        from lth_bench.cli.app import main as run_app

        run_app()
