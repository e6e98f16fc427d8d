"""Where studies lie: Optuna's journal file beside the results, or a database by URL."""

from __future__ import annotations

import json
import re
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.params import show
from lth_bench.store.paths import Paths, disk_error
from lth_bench.system.redact import redacted

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

LARGEST = 1 << 30
"""Bytes of a store of studies; a trial takes some thousands."""


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
        if file.exists() and file.stat().st_size > LARGEST:
            raise ValueError(f"it is longer than {LARGEST:,} bytes")
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


def close_storage(storage: BaseStorage) -> None:
    """End its connections, of which a server allows so many; a file needs none of this."""
    engine = getattr(storage, "engine", None)
    if engine is not None:
        storage.remove_session()
        engine.dispose()


DRIVERS = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "MySQLdb": "mysqlclient",
    "pymysql": "pymysql",
    "mariadb": "mariadb",
    "oracledb": "oracledb",
}
"""Packages by the module that SQLAlchemy misses."""
MADE_TWICE = re.compile(
    r"already exists|duplicate key|UNIQUE constraint|database is locked|no such table"
    r"|does not exist|version_info|DuplicateTable|UniqueViolation",
    re.IGNORECASE,
)
"""What processes meet that make the tables of an empty database at the same time."""
UNREACHED = re.compile(
    r"connection refused|could not connect|connection failed|could not translate|unknown host"
    r"|name or service not known|timeout expired|shutting down|starting up",
    re.IGNORECASE,
)
TRIES, PAUSE = 12, 0.25
"""How often, and how long apart in seconds, an empty database is opened while others fill it."""


def _database(url: str) -> BaseStorage:
    if "://" not in url:
        raise _refused(
            f"must be a database's URL, such as postgresql+psycopg://user@host/name or"
            f" sqlite:///studies.db, but got {show(url)}; without it they lie beside the results"
        )
    if re.fullmatch(r"sqlite(\+\w+)?://(/(:memory:)?)?(\?.*)?", url):
        raise _refused(
            f"{redacted(url)} is a database in this process's memory, which ends with it; name a"
            f" file (sqlite:///studies.db) or a server, or leave it out"
        )
    for number in range(1, TRIES + 1):
        try:
            return _opened(url)
        except ImportError as error:
            # Optuna says only that something is missing; what, the error that it met says
            name = getattr(error.__cause__ or error, "name", None) or "of that database"
            raise _refused(
                f"{redacted(url)} needs the driver {name}, which is not installed:"
                f" pip install '{DRIVERS.get(name, name)}'"
            ) from error
        except Exception as error:  # SQLAlchemy's, the driver's or Optuna's
            reason = redacted(str(error).split("\n")[0])
            if UNREACHED.search(reason):
                raise _refused(
                    f"the store of studies {redacted(url)} cannot be reached: {reason}. Is its"
                    f" server running, and its address right?"
                ) from error
            if number == TRIES or not MADE_TWICE.search(reason):
                raise _refused(
                    f"the store of studies {redacted(url)} cannot be opened, or is damaged"
                    f" ({type(error).__name__}: {reason}); repair it, or name another one"
                ) from error
        time.sleep(PAUSE)
    raise AssertionError("the last try returns or raises")


def _opened(url: str) -> BaseStorage:
    """Optuna's storage; its tables are made where there are none yet."""
    from optuna.storages import RDBStorage

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        storage = RDBStorage(url)
        storage.get_all_studies()
    return storage


def _refused(why: str) -> UserError:
    return UserError(f"tune.storage: {why}", ("tune", "storage"))
