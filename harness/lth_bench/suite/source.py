"""A suite's file: finding it, reading it, and the line of a key."""

from __future__ import annotations

import os
import re
import tomllib
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError, suggest
from lth_bench.params import show
from lth_bench.params.build import Keys

FOLDER = (Path(__file__).parents[1] / "suites").resolve()


def shipped() -> dict[str, Path]:
    """Name → file, sorted by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def papers() -> dict[str, Path]:
    """Name → file of the suites that reproduce papers, sorted by name."""
    return {path.stem: path for path in sorted((FOLDER / "papers").glob("*.toml"))}


def studies() -> dict[str, Path]:
    """`studies/NAME` → file of the suites that study the lottery ticket effect, sorted by name."""
    found = sorted((FOLDER / "studies").glob("*.toml"))
    return {f"studies/{path.stem}": path for path in found}


def find(suite: str | os.PathLike[str]) -> Path:
    """The file of a suite, given as a path or as the name of a shipped suite.

    A text that ends in .toml, contains a separator or is a file here is taken as a path, but for
    the names of studies, `studies/NAME`.
    """
    text = os.fspath(suite)
    if not text:
        raise UserError(f"no suite given; give a .toml file or one of {', '.join(shipped())}")
    path = Path(text)
    if text in studies() and not _is_file(path):
        return studies()[text]
    separators = [s for s in (os.sep, os.altsep) if s]
    if path.suffix == ".toml" or any(s in text for s in separators) or _is_file(path):
        return path
    known = shipped() | papers() | studies()
    if text in known:
        return known[text]
    if _is_dir(path):
        raise UserError(f"{show(text)} is a directory, not a suite; give a .toml file")
    raise UserError(
        f"no suite {show(text)}{suggest(text, known)} (or give the path of a .toml file)"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


MAX_BYTES = 1_000_000
"""A longer file is not a suite but another file given by mistake."""
MAX_DOTS = 2_000
"""Maximum number of dots in one line: a key with more parts would take the TOML parser minutes."""
MAX_DEPTH = 60
"""Maximum depth of nested tables: a deeper suite would exceed Python's recursion limit."""
SEARCHED = 3_000_000
"""Maximum number of characters parsed to find a key's line: a few seconds."""


@dataclass(frozen=True)
class SuiteSource:
    """A suite's file, its text, and what `--set` changed in it."""

    path: Path
    text: str
    overrides: Mapping[Keys, str] = field(default_factory=dict)
    """Where a value was set on the command line → the text after --set."""
    added: Mapping[Keys, str] = field(default_factory=dict)
    """Where a strategy was added on the command line → the option that did it."""

    def locate(self, error: UserError) -> UserError:
        """The same error; its message starts with the file and line, or the --set, of its path."""
        for place, text in self.overrides.items():
            within = error.path[: len(place)] == place
            # The option created this table, so the file has no line for it.
            made = place[: len(error.path)] == error.path and not self._says(error.path)
            if within or made:
                error.message = f"--set {text}: {error.message}"
                break
        else:
            option = self.added.get(error.path[:2])
            line = None if option else line_of(self.text, error.path)
            where = option or (str(self.path) if line is None else f"{self.path}:{line}")
            error.message = f"{where}: {error.message}"
        error.args = (error.message,)
        return error

    def _says(self, path: Keys) -> bool:
        document = _document(self.text)
        return document is not None and holds(document, path)


def read(path: Path) -> str:
    """A file's text. UserError if it does not exist or is not text."""
    try:
        if path.is_dir():
            raise UserError(f"{path} is a directory, not a suite; give a .toml file")
        if not path.exists():
            raise UserError(
                f"no suite file {show(str(path))}; `lth-bench ls suites` lists the shipped suites"
            )
        if not path.is_file():
            raise UserError(f"{path} is not a regular file; give a .toml file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"suite file {show(str(path))} cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise UserError(
            f"{path} is longer than {MAX_BYTES:,} bytes, so it is not a suite; give a .toml file"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}:{line}: not UTF-8 text (byte 0x{content[error.start]:02x}); save it as UTF-8"
        ) from error
    if not text.strip():
        raise UserError(f"{path} is empty; a suite starts with `schema_version = 1`")
    return text


def parse(text: str, path: Path) -> dict[str, Any]:
    """The document. UserError with the line of the first mistake in its TOML."""
    for number, content in enumerate(text.split("\n"), 1):
        if content.count(".") > MAX_DOTS:
            raise UserError(f"{path}:{number}: a line of a suite has at most {MAX_DOTS:,} dots")
    try:
        document = tomllib.loads(text)
    except RecursionError as error:
        raise UserError(
            f"{path}: nested too deeply; at most {MAX_DEPTH} tables or lists are allowed"
        ) from error
    except ValueError as error:  # TOMLDecodeError, or an integer of thousands of digits
        found = re.search(r"\s*\(at line (\d+), column (\d+)\)$", str(error))
        line = int(found[1]) if found else _first_bad_line(text, str(error))
        reason = str(error)[: found.start()] if found else str(error)
        column = f", column {found[2]}" if found else ""
        raise UserError(f"{path}:{line}: not valid TOML: {reason}{column}") from error
    if depth(document) > MAX_DEPTH:
        raise UserError(
            f"{path}: nested too deeply; at most {MAX_DEPTH} tables or lists are allowed"
        )
    return document


def _first_bad_line(text: str, message: str) -> int:
    lines = text.split("\n")
    if message.endswith("(at end of document)"):
        return len(text.rstrip().split("\n"))

    def bad(number: int) -> bool:
        try:
            tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:
            return False  # a value that continues on the next line
        except ValueError:
            return True
        return False

    # the parser stops at the first mistake, so every longer prefix has it too
    numbers = range(1, len(lines) + 1)
    return numbers[min(bisect_left(numbers, True, key=bad), len(lines) - 1)]


class _LongSearch(Exception):
    """A key's line was not found within SEARCHED characters."""


def line_of(text: str, path: Keys) -> int | None:
    """The line, counted from 1, of the key at `path`, or of the nearest table around it.

    Parses growing prefixes of the text until the path appears. Within a list over several lines,
    the prefix is first closed with brackets, so that each element has its own line. None where this
    takes too long, as in a text of thousands of lines without the key.
    """
    lines = text.split("\n")
    budget = SEARCHED

    def present(number: int, path: Keys) -> bool:
        nonlocal budget
        # A prefix that ends within a value cannot be parsed; a shorter one can.
        for last in range(number, 0, -1):
            prefix = "\n".join(lines[:last])
            budget -= len(prefix)
            if budget < 0:
                raise _LongSearch
            document = _document(prefix)
            if document is not None:
                return holds(document, path)
        return False

    numbers = range(1, len(lines) + 1)
    try:
        for length in range(len(path), 0, -1):
            if present(len(lines), path[:length]):
                # Documents only grow with their prefix, so the first line can be bisected.
                return numbers[bisect_left(numbers, True, key=lambda n: present(n, path[:length]))]
    except _LongSearch:
        return None
    return 1


def depth(document: object) -> int:
    """Depth of nested tables and lists; a dotted key of n parts makes n tables."""
    found, level = 0, [document]
    while level := [item for item in level if isinstance(item, Mapping | list)]:
        found += 1
        level = [x for y in level for x in (y.values() if isinstance(y, Mapping) else y)]
    return found


def _document(prefix: str) -> dict[str, Any] | None:
    for text in (prefix, prefix + "\n]", prefix + "\n]]", prefix + "\n}]"):
        try:
            return tomllib.loads(text)
        except (ValueError, RecursionError):
            continue
    return None


def holds(document: Any, path: Keys) -> bool:
    """Whether these tables and lists have something at `path`."""
    for key in path:
        try:
            document = document[key]
        except (KeyError, IndexError, TypeError):
            return False
    return True
