"""The results that come with the package, seed by seed: `suites/reference/`.

`make reference` made them; `suites/reference/README.md` says what is there and on what it was made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError, some_of
from lth_bench.store.rows_file import about, restored

FOLDER = (Path(__file__).parents[1] / "suites" / "reference").resolve()


def references() -> dict[str, Path]:
    """Suite → file of its rows, sorted by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.parquet"))}


@contextlib.contextmanager
def reference(suite: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A database of a suite's reference results, until the block ends, and what is said of them.

    UserError, naming those that there are, for a suite that has none.
    """
    known = references()
    if suite not in known:
        raise UserError(
            f"there are no reference results of suite {suite!r}; there are those of "
            f"{some_of(list(known)) or 'none'}"
        )
    with restored(known[suite]) as database:
        yield database, about(known[suite])
