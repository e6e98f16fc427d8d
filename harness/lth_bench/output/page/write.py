"""Writing the page to a file: whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.output.page.render import render_page

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def write_page(con: DuckDBPyConnection, output: Path, suites: Sequence[str] = ()) -> Path:
    """Write the report of these suites (none: of all) to `output`, over what was there.

    Whoever has the old page open reads it whole until the new one is. UserError where the file
    cannot be written, UnknownName for a suite that is not there.
    """
    check_output(output)
    text = render_page(con, suites)
    half = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        half.write_text(text, encoding="utf-8", newline="\n")
        half.replace(output)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise _refused(error, output) from error
    return output


def check_output(output: Path) -> None:
    """UserError where the page could not be written, before anything is read."""
    if output.is_dir():
        raise UserError(
            f"--output names a folder, {output}; name a file in it, such as "
            f"{output / 'report.html'}"
        )
    if not output.parent.is_dir():
        raise UserError(
            f"--output names the file {output}, but there is no folder {output.parent}; make it, "
            f"or name another file"
        )
    if not os.access(output.parent, os.W_OK | os.X_OK):
        raise UserError(
            f"--output names the file {output}, but {output.parent} is not writable; make it so, "
            f"or name another file"
        )


def _refused(error: OSError, output: Path) -> UserError:
    return UserError(
        f"cannot write the report to {output}: {error.strerror or error}. Mend that, or name "
        f"another file with --output"
    )
