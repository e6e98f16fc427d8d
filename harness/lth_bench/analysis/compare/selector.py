"""What A and B may be on the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.params import show

FORMS = "LABEL, LABEL/CONTROL, LABEL@REV, PATH.duckdb or PATH.duckdb:LABEL"

_NAMED = re.compile(
    r"(?P<label>[A-Za-z0-9][A-Za-z0-9_.+-]*)(/(?P<control>[A-Za-z0-9_]+))?(@(?P<revision>[\w.+-]+))?"
)


@dataclass(frozen=True)
class Selector:
    """One side of a comparison, as the user names it."""

    text: str
    path: Path | None
    """Its database; None is that of --results."""
    label: str | None
    """None: every label that both databases have."""
    control: str = "none"
    revision: str | None = None
    """Beginning of a run id, source hash, plugin version, configuration id or git commit."""

    @property
    def name(self) -> str:
        """The text without the folders of its path."""
        return self.text if self.path is None else self.text.replace(str(self.path), self.path.name)


def parse(text: str) -> Selector:
    """A file wins over a label of its name. UserError for anything else."""
    path, rest = _split(text)
    if path is not None and rest is None:
        return Selector(text, path, None)
    found = _NAMED.fullmatch(rest or "")
    if found is None:
        raise UserError(f"a side is {FORMS}, but got {show(text)}")
    return Selector(text, path, found["label"], found["control"] or "none", found["revision"])


def _split(text: str) -> tuple[Path | None, str | None]:
    """Database and the rest; either may be absent."""
    if _is_database(text):
        return Path(text), None
    head, colon, tail = text.rpartition(":")
    if colon and _is_database(head):
        return Path(head), tail
    return None, text


def _is_database(text: str) -> bool:
    try:
        return text.endswith(".duckdb") or Path(text).is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False
