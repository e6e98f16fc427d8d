"""Where results lie on disk, and what to tell the user when the disk refuses."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from lth_bench.errors import UserError

DEFAULT_RESULTS = Path("reports/results.duckdb")
"""Where results go when neither `--results` nor LTH_BENCH_RESULTS says otherwise."""


class DiskError(UserError):
    """A refusal of the operating system: no space, no right to write, no such folder."""


def default_results() -> Path:
    """The DuckDB file that LTH_BENCH_RESULTS names, or `reports/results.duckdb`."""
    return Path(os.environ.get("LTH_BENCH_RESULTS") or DEFAULT_RESULTS)


@dataclass(frozen=True)
class Paths:
    """The files of one set of results, all beside the DuckDB file that `--results` names."""

    results: Path
    """The DuckDB file: an index, which `lth-bench db rebuild` makes anew from the journal."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "results", Path(self.results))
        if self.results.is_dir():
            raise UserError(
                f"--results names a folder, {self.results}; name a file in it, "
                f"such as {self.results / 'results.duckdb'}"
            )

    @property
    def journal(self) -> Path:
        """One JSON record a line, append-only: the truth."""
        return self.results.with_suffix(".journal.jsonl")

    @property
    def torn(self) -> Path:
        """Where torn last lines of the journal are set aside."""
        return self.results.with_suffix(".journal.jsonl.torn")

    @property
    def lock(self) -> Path:
        """Locked by the one process that writes the journal; names that process."""
        return self.results.with_suffix(".journal.lock")

    @property
    def artifacts(self) -> Path:
        """Folder of checkpoints and masks."""
        return self.results.with_suffix(".artifacts")

    @property
    def tuning(self) -> Path:
        """Optuna's store of the studies, where a suite names no other."""
        return self.results.with_suffix(".tuning.log")

    def make_folder(self) -> None:
        """Make the folder that holds the results. UserError where that cannot be."""
        try:
            self.results.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.results.parent, "make the folder") from error

    def require(self) -> None:
        """UserError unless there are results to read."""
        if not self.results.exists() and not self.journal.exists():
            raise UserError(
                f"there are no results at {self.results}; run a suite first, as in "
                f"`lth-bench run quickstart --results {self.results}`, or name another file "
                f"with --results"
            )


def looks_like_duckdb(file: Path) -> bool:
    """Whether a file is missing, empty, or begins as DuckDB's files do."""
    try:
        with file.open("rb") as opened:
            head = opened.read(12)
    except FileNotFoundError:
        return True
    return not head or head[8:12] == b"DUCK"


def disk_error(error: OSError, path: Path, doing: str) -> DiskError:
    """A refusal of the operating system in the user's words: what, where, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        do = (
            "What was recorded before is kept. Free some space and run the same command again; "
            "it goes on from there"
        )
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        do = "Make it writable, or name another place with --results or LTH_BENCH_RESULTS"
    elif error.errno in (errno.ENOENT, errno.ENOTDIR):
        do = "Bring the folder back, or name another place with --results or LTH_BENCH_RESULTS"
    else:
        do = "Mend that, or name another place with --results or LTH_BENCH_RESULTS"
    return DiskError(f"cannot {doing} {path}: {error.strerror or error}. {do}")
