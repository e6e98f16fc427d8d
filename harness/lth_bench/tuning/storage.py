"""Where studies lie: Optuna's journal file beside the results, or a database by URL."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.params import show
from lth_bench.store.paths import Paths, disk_error
from lth_bench.suite.consent import without_password

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


def open_storage(url: str | None, paths: Paths) -> BaseStorage:
    """The store of a suite's studies. UserError where it cannot be opened, or is damaged."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        return _database(url)
    paths.make_folder()
    try:
        _mend(paths.tuning)
        return _journal(paths.tuning)
    except OSError as error:
        raise disk_error(error, paths.tuning, "open the store of studies") from error


def _journal(file: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        storage = JournalStorage(JournalFileBackend(str(file)))
        storage.get_all_studies()
        _require_readable_end(file)  # Optuna minds a bad last line only when another follows it
        return storage
    except OSError:
        raise
    except Exception as error:  # whatever Optuna meets in the lines of a damaged file
        raise UserError(
            f"the store of studies {file} is damaged ({type(error).__name__}: {error}); move it"
            " away and run the same command again: the search begins anew, and what it has"
            " trained is not trained again"
        ) from error


def _require_readable_end(file: Path) -> None:
    """ValueError where the last line is no record; the store is a few megabytes at most."""
    lines = file.read_bytes().splitlines()
    if lines and not isinstance(json.loads(lines[-1]), dict):
        raise ValueError("the last line is no record")


def _mend(file: Path) -> None:
    """Cut off a last line that a crash has torn: the next one would be written behind it."""
    from optuna.storages.journal import JournalFileSymlinkLock

    if not file.exists() or _end(file) == file.stat().st_size:
        return
    lock = JournalFileSymlinkLock(str(file))
    lock.acquire()
    try:
        with file.open("r+b") as opened:
            opened.truncate(_end(file))
    finally:
        lock.release()


def _end(file: Path) -> int:
    """The size up to the last newline."""
    from lth_bench.store.journal import end_of_lines

    return end_of_lines(file, file.stat().st_size)


def _database(url: str) -> BaseStorage:
    from optuna.storages import RDBStorage

    if "://" not in url:
        raise UserError(
            f"tune.storage must be a database's URL, such as postgresql://user@host/name or"
            f" sqlite:///studies.db, but got {show(url)}; without it they lie beside the results",
            ("tune", "storage"),
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            storage = RDBStorage(url)
            storage.get_all_studies()
        return storage
    except ImportError as error:
        raise UserError(
            f"tune.storage: {without_password(url)} needs a driver that is not installed: {error}",
            ("tune", "storage"),
        ) from error
    except Exception as error:  # SQLAlchemy's, the driver's or Optuna's
        reason = str(error).split("\n")[0]
        raise UserError(
            f"tune.storage: the store of studies {without_password(url)} cannot be opened, or is"
            f" damaged ({type(error).__name__}: {reason}); mend that, or name another one",
            ("tune", "storage"),
        ) from error
