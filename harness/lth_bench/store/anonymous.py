"""A journal without host names and paths, for results that are made public.

Results are what they were: names that come from a path keep its last part, and ids stay. Whatever
else is made of the journal, database and pages, then has neither host names nor paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lth_bench.errors import UserError
from lth_bench.store.journal import decode, encode, whole_lines

HOST_KEYS = frozenset({"host", "hostname", "node", "address"})
"""Fields that name a machine."""

TEXTS = frozenset(
    {"command", "reason", "worker", "environment", "overrides", "origin", "argv", "message"}
)
"""Fields in which the name of a machine may stand somewhere. In others it is a coincidence, as of a
machine that is called as a layer is."""

NAMES = ("suite", "model", "dataset", "recipe", "label")
"""What tells the rows of results apart."""

_HOME = re.compile(r"(?:/home|/Users)/[^/\s'\"]+|(?<![\w.])/root(?=/|\b)")
_QUOTED = re.compile(
    r"(?P<quote>['\"])(?:[/~]|[A-Za-z]:\\)[^'\"\n]*[/\\](?P<last>[^'\"\n/\\]*)(?P=quote)"
)
_PATH = re.compile(
    r"(?<![\w.:/~])"  # no part of a URL, a relative path or a task
    r"(?:[A-Za-z]:\\|~?/|~)(?:[^\s/\\'\":,;()\[\]{}<>=|]+[/\\])+(?P<last>[^\s/\\'\":,;()\[\]{}<>=|]*)"
)
_SERVER = re.compile(
    r"(?P<scheme>\b(?!https?:)[A-Za-z][A-Za-z0-9+.-]*://)(?:[^\s/@'\"]*@)?[^\s/'\"]+"
)
_ADDRESS = re.compile(r"(?P<option>--address[= ])\S+")
_IP = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")


def anonymise(journal: Path, target: Path) -> None:
    """Copy the complete records of a journal without host names and paths.

    Machines become `host-1`, `host-2` and so on; of a path its last part is left; addresses of
    servers go. UserError where two tasks or labels would then have one name, as those of two
    folders whose last parts are the same.
    """
    clean = Cleaner(_hosts(journal))
    with target.open("wb") as file:
        for offset, line in whole_lines(journal):
            text = line.decode("utf-8", "replace")
            file.write(
                clean.record(decode(line, journal, offset)) if clean.concerns(text) else line
            )


class Cleaner:
    """Takes host names and paths out of texts and records."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = {host: f"host-{number}" for number, host in enumerate(hosts, 1)}
        words = "|".join(re.escape(host) for host in sorted(self._hosts, key=len, reverse=True))
        self._host = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])") if words else None
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def concerns(self, line: str) -> bool:
        """Whether a line of a journal may have something to take out: few tickets' do."""
        if any(sign in line for sign in ("/", "\\", "--address", '"reason":"', '"worker":"')):
            return True
        return self._host is not None and self._host.search(line) is not None

    def record(self, record: Mapping[str, Any]) -> bytes:
        """A line of the journal."""
        made = {key: self._value(key, value) for key, value in record.items()}
        for before, after in zip(
            record.get("experiments") or (), made.get("experiments") or (), strict=True
        ):
            self._keep_apart(before, after)
        return encode(made)

    def text(self, text: str) -> str:
        """Without paths and addresses of servers."""
        text = _SERVER.sub(lambda found: f"{found['scheme']}…", text)
        text = _QUOTED.sub(lambda found: f"{found['quote']}{found['last']}{found['quote']}", text)
        return _PATH.sub(lambda found: found["last"], _HOME.sub("~", text))

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, dict):
            inner = key if key in TEXTS else ""
            return {self.text(k): self._value(k if k in HOST_KEYS else inner or k, v)
                    for k, v in value.items()}  # fmt: skip
        if isinstance(value, list):
            return [self._value(key, one) for one in value]
        if not isinstance(value, str):
            return value
        if key in HOST_KEYS:
            return self._hosts.get(value, "") if value else value
        found = self.text(value)
        if key not in TEXTS:
            return found
        found = _IP.sub("…", _ADDRESS.sub(lambda match: f"{match['option']}…", found))
        return self._without_hosts(found)

    def _without_hosts(self, text: str) -> str:
        if self._host is None:
            return text
        return self._host.sub(lambda found: self._hosts[found[0]], text)

    def _keep_apart(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        own, made = (tuple(str(one.get(name)) for name in NAMES) for one in (before, after))
        if self._known.setdefault(made, own) != own:
            other = self._known[made]
            name = next(n for n, a, b in zip(NAMES, own, other, strict=True) if a != b)
            raise UserError(
                f"two {name}s would have one name without their paths, {after[name]!r}: "
                f"{before[name]} and another; show paths with --show-hosts, or rename one"
            )


def _hosts(journal: Path) -> Iterator[str]:
    """Machines named in the journal, each once, in the order of their first run."""
    found: dict[str, None] = {}
    for offset, line in whole_lines(journal):
        if line.startswith(b'{"record":"run"') or b'"hostname"' in line:
            found |= dict.fromkeys(_named(decode(line, journal, offset)))
    yield from found


def _named(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in HOST_KEYS and isinstance(inner, str) and inner:
                yield inner
            else:
                yield from _named(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _named(inner)
