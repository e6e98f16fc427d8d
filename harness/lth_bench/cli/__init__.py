"""The command line: one file a command; heavy imports stay inside the commands."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """The console script."""
    from lth_bench.cli.app import main as run_app

    run_app()
