"""The operating systems that results can be written on."""

from __future__ import annotations

import sys

from lth_bench.errors import UserError

SYSTEM = sys.platform


def require_system() -> None:
    """UserError on Windows, before anything is trained or written.

    There SIGTERM cannot be caught, so no worker could save its trainings; a database that another
    process reads cannot be replaced; and the journal would be opened as text.
    """
    if SYSTEM in ("win32", "cygwin"):
        raise UserError(
            f"lth-bench trains and writes results on Linux and macOS only, and this is {SYSTEM}; "
            f"use WSL 2, which is Linux (`wsl --install`), and run the same command there"
        )
