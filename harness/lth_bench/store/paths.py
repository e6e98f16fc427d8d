"""Where results are stored, and the messages for disk errors."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lth_bench.errors import UserError
from lth_bench.system.files import open_regular

DEFAULT_RESULTS = Path("reports/results.duckdb")
"""Where results are written without `--results` and LTH_BENCH_RESULTS."""

MISREAD = ("?",) if os.name == "nt" else ("?", "\\")
"""DuckDB reads ? as the start of options, and a backslash as a path separator on any system."""


class DiskError(UserError):
    """An error of the operating system: disk full, no permission, no such folder."""


class Unreadable(DiskError):
    """A file of the results that cannot be read and cannot be replaced."""


def default_results() -> Path:
    """The DuckDB file given by LTH_BENCH_RESULTS, or `reports/results.duckdb`."""
    return Path(os.environ.get("LTH_BENCH_RESULTS") or DEFAULT_RESULTS)


def results_option(results: Path | None) -> str:
    """What a printed command needs to read these results: ` --results x.duckdb`, or nothing where
    they are the default ones, which it reads anyway. None is the default ones.
    """
    if results is None or results == default_results():
        return ""
    return f" --results {shlex.quote(str(results))}"


@dataclass(frozen=True)
class Paths:
    """The files of one set of results, all beside the DuckDB file given by `--results`."""

    results: Path
    """The DuckDB file: an index, which `lth-bench db rebuild` rebuilds from the journal."""

    def __post_init__(self) -> None:
        named = Path(self.results)
        _require_openable(named)
        object.__setattr__(self, "results", _behind_link(named))
        if _kind(self.results) == stat.S_IFDIR:
            raise UserError(
                f"--results names a folder, {self.results}; name a file in it, "
                f"such as {self.results / 'results.duckdb'}"
            )
        for file in (self.results, self.journal, self.torn, self.lock, self.tuning):
            if _kind(file) not in (None, stat.S_IFREG):
                raise UserError(f"{file} is not a regular file; name other results with --results")

    @property
    def quoted(self) -> str:
        """The DuckDB file quoted for a shell, for commands shown to the user."""
        return shlex.quote(str(self.results))

    @property
    def journal(self) -> Path:
        """One JSON record per line, append-only: the source of truth."""
        return self.results.with_suffix(".journal.jsonl")

    @property
    def torn(self) -> Path:
        """Where incomplete last lines of the journal are moved."""
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
        """Optuna's storage of the studies, unless a suite gives another."""
        return self.results.with_suffix(".tuning.log")

    def make_folder(self) -> None:
        """Create the results' folder. UserError if that is impossible."""
        try:
            self.results.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise disk_error(error, self.results.parent, "make the folder") from error

    def require(self) -> None:
        """UserError unless there are results to read."""
        if not self.results.exists() and not self.journal.exists():
            raise UserError(
                f"there are no results at {self.results}; run a suite first, as in "
                f"`lth-bench run quickstart --results {self.quoted}`, or name another file "
                f"with --results"
            )


def open_to_read(file: Path, what: str) -> BinaryIO:
    """Open a file of the results. FileNotFoundError if it does not exist, else Unreadable."""
    try:
        return open_regular(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unreadable(
            f"cannot read the {what} {file}: {error.strerror or error}. Make it readable, or name "
            f"other results with --results"
        ) from error


def looks_like_duckdb(file: Path) -> bool:
    """Whether a file is missing, empty, or starts like a DuckDB file."""
    try:
        with open_to_read(file, "database") as opened:
            head = opened.read(12)
    except FileNotFoundError:
        return True
    return not head or head[8:12] == b"DUCK"


def _require_openable(results: Path) -> None:
    """UserError for a name that DuckDB would misread or reject."""
    name = str(results)
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"--results {name!r} has bytes that are not UTF-8, which DuckDB cannot open; name "
            f"another file"
        ) from None
    if "\0" in name:
        raise UserError(f"--results {name!r} contains a NUL, which is not allowed in file names")
    for sign in MISREAD:
        if sign in name:
            raise UserError(
                f"--results {name!r} contains a {sign}, which DuckDB does not read as part of "
                f"the name; name another file or folder"
            )


def _behind_link(results: Path) -> Path:
    """The file that a link points to: the other files of the results are beside it, not beside the
    link.
    """
    try:
        if not results.is_symlink():
            return results
        target = results.resolve()
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"--results {results} cannot be followed: {reason}; name another"
        ) from error
    # an earlier version wrote the journal beside the link, and the database behind it
    journal = results.with_suffix(".journal.jsonl")
    if journal.exists() and not target.with_suffix(".journal.jsonl").exists():
        raise UserError(
            f"{results} is a link to {target}, but its journal {journal} lies beside the link; "
            f"move {journal.name} and {results.with_suffix('.artifacts').name} to "
            f"{target.parent} under the name {target.stem}, or replace the link by the file"
        )
    return target


def _kind(file: Path) -> int | None:
    """The type of a file as `stat.S_IFMT` returns it; None if it does not exist."""
    try:
        return stat.S_IFMT(file.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DiskError(
            f"cannot access {file}: {error.strerror or error}; name other results with --results"
        ) from error


def is_folder(path: Path) -> bool:
    """Whether there is a folder at a path. DiskError for a name that no file can have."""
    return _kind(path) == stat.S_IFDIR


def disk_error(error: OSError, path: Path, doing: str) -> DiskError:
    """An error of the operating system in the user's terms: what, where, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        do = "Everything recorded before is safe. Free some space, then rerun the command to resume"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        do = "Make it writable, or name another place with --results or LTH_BENCH_RESULTS"
    elif error.errno in (errno.ENOENT, errno.ENOTDIR):
        do = "Restore the folder, or name another place with --results or LTH_BENCH_RESULTS"
    else:
        do = "Fix that, or name another place with --results or LTH_BENCH_RESULTS"
    return DiskError(f"cannot {doing} {path}: {error.strerror or error}. {do}")
