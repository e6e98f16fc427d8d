"""Storage of studies: Optuna's journal file beside the results, or a database by its URL."""

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
from lth_bench.system.text import redacted

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

LARGEST = 1 << 30
"""Bytes of a study storage at most; a trial takes a few thousand."""


def open_storage(url: str | None, paths: Paths) -> BaseStorage:
    """The storage of a suite's studies. UserError where it cannot be opened or is damaged."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url is not None:
        return _database(url)
    paths.make_folder()
    try:
        _cut_torn_line(paths.tuning)
        return _journal(paths.tuning)
    except OSError as error:
        raise disk_error(error, paths.tuning, "open the study storage") from error


def _journal(file: Path) -> BaseStorage:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        if file.exists() and file.stat().st_size > LARGEST:
            raise ValueError(f"it is longer than {LARGEST:,} bytes")
        storage = JournalStorage(JournalFileBackend(str(file)))
        storage.get_all_studies()
        _require_readable_end(file)  # Optuna notices a bad last line only once another follows it
        return storage
    except OSError:
        raise
    except Exception as error:  # whatever Optuna meets in the lines of a damaged file
        raise UserError(
            f"the study storage {file} is damaged ({type(error).__name__}: {error}); move it"
            " away and rerun the command: the search starts again and reuses finished trainings"
        ) from error


def _require_readable_end(file: Path) -> None:
    """ValueError where the last line is not a record; the file has a few megabytes at most."""
    lines = file.read_bytes().splitlines()
    if lines and not isinstance(json.loads(lines[-1]), dict):
        raise ValueError("the last line is not a record")


def _cut_torn_line(file: Path) -> None:
    """Cut off a last line that a crash left incomplete: the next line would be appended to it."""
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
    """The size up to and including the last newline."""
    from lth_bench.store.journal import end_of_lines

    return end_of_lines(file, file.stat().st_size)


def close_storage(storage: BaseStorage) -> None:
    """Close its connections, of which a server allows only so many; a file has none."""
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
"""The package to install, by the module that SQLAlchemy cannot import."""
MADE_TWICE = re.compile(
    r"already exists|duplicate key|UNIQUE constraint|database is locked|no such table"
    r"|does not exist|version_info|DuplicateTable|UniqueViolation",
    re.IGNORECASE,
)
"""Errors when several processes create the tables of an empty database at the same time."""
UNREACHED = re.compile(
    r"connection refused|could not connect|connection failed|could not translate|unknown host"
    r"|name or service not known|timeout expired|shutting down|starting up",
    re.IGNORECASE,
)
TRIES, PAUSE = 12, 0.25
"""How often an empty database is opened while others create its tables, and seconds in between."""


def _database(url: str) -> BaseStorage:
    if "://" not in url:
        raise _refused(
            f"must be a database's URL, such as postgresql+psycopg://user@host/name or"
            f" sqlite:///studies.db, but got {show(url)}; without it, studies are stored beside the"
            f" results"
        )
    if re.fullmatch(r"sqlite(\+\w+)?://(/(:memory:)?)?(\?.*)?", url):
        raise _refused(
            f"{redacted(url)} is a database in memory, which would be lost at the end; give a"
            f" file (sqlite:///studies.db) or a server, or leave it out"
        )
    for number in range(1, TRIES + 1):
        try:
            return _opened(url)
        except ImportError as error:
            # Optuna's error does not name the missing module; its cause does
            name = getattr(error.__cause__ or error, "name", None) or "of that database"
            raise _refused(
                f"{redacted(url)} needs the driver {name}, which is not installed; run"
                f" pip install '{DRIVERS.get(name, name)}'"
            ) from error
        except Exception as error:  # SQLAlchemy's, the driver's or Optuna's
            reason = redacted(str(error).split("\n")[0])
            if UNREACHED.search(reason):
                raise _refused(
                    f"the study storage {redacted(url)} cannot be reached: {reason}; check that the"
                    f" server is running and the address is right"
                ) from error
            if number == TRIES or not MADE_TWICE.search(reason):
                raise _refused(
                    f"the study storage {redacted(url)} cannot be opened or is damaged"
                    f" ({type(error).__name__}: {reason}); repair it or choose another"
                ) from error
        time.sleep(PAUSE)
    raise AssertionError("the last attempt returns or raises")


def _opened(url: str) -> BaseStorage:
    """Optuna's storage; it creates missing tables.

    They are created over connections that are not pooled: where several processes create them at
    once Optuna's constructor raises, and a pool of its own would stay open and out of reach.
    """
    from optuna.storages import RDBStorage
    from sqlalchemy.pool import NullPool

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        close_storage(RDBStorage(url, engine_kwargs={"poolclass": NullPool}))
        storage = RDBStorage(url)
        try:
            storage.get_all_studies()
        except BaseException:
            close_storage(storage)
            raise
    return storage


def _refused(why: str) -> UserError:
    return UserError(f"tune.storage: {why}", ("tune", "storage"))
