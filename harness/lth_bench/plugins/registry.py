"""Discovery: what is installed under the entry-point groups, and one-file plugins by path.

Nothing is imported until it is asked for. A plugin that fails to import, that breaks its contract,
or whose name two distributions claim is listed with the reason, and everything else works.
"""

from __future__ import annotations

import importlib.metadata
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lth_bench.errors import UnknownName, UserError, told
from lth_bench.plugins.one_file import Found, classes_of
from lth_bench.system.blame import ends_the_run

GROUPS = ("strategies", "models", "datasets", "objectives", "observers")
SINGULAR = {group: group.removesuffix("s") for group in GROUPS} | {"strategies": "strategy"}
OWN = "lth-bench"
"""The distribution that `--no-plugins` leaves."""


class ImportFailed(UserError):
    """A plugin that is not there to be used, through no fault in its hooks."""


@dataclass(kw_only=True)
class Entry:
    """One plugin: where it comes from, and the class once it is loaded."""

    name: str
    group: str
    origin: str
    """The distribution, or the file."""
    version: str
    point: importlib.metadata.EntryPoint | None = field(default=None, repr=False)
    error: str | None = None
    """Why it could not be loaded."""
    _loaded: Any = field(default=None, repr=False)
    _found: Any = field(default=None, repr=False)
    """A class that a file defines, not looked at yet."""
    rivals: tuple[Entry, ...] = field(default=(), repr=False)
    """Where several distributions claim the name: each one's own entry."""
    _kind: type[UserError] = field(default=ImportFailed, repr=False)
    """What `load` raises where there is an error."""

    def load(self) -> Any:
        """The class. UserError, naming the plugin and the reason, where it cannot be used."""
        if self._loaded is None and self.error is None:
            cls = self._import()
            self._check(cls)
            self._loaded = cls
        if self._loaded is None:
            raise self._kind((self.error or "") if self.rivals else self._refusal())
        return self._loaded

    def _import(self) -> Any:
        if self.point is None:
            return self._found
        try:
            return self.point.load()
        except BaseException as error:  # whatever a plugin's module raises
            if ends_the_run(error):
                raise
            self.error = f"{told(error)}{_where(error)}"
            raise ImportFailed(self._refusal()) from error

    def _check(self, cls: Any) -> None:
        from lth_bench.plugins.contract import problems

        if isinstance(cls, type):
            found = problems(self.group, cls)
        else:
            found = [f"a plugin is a class, but {self.name!r} is a {type(cls).__name__}"]
        if found:
            self.error, self._kind = "; ".join(found), UserError
            raise UserError(self._refusal())

    def _refusal(self) -> str:
        return (
            f"the {self.group} plugin {self.name!r} of {self.source} cannot be loaded: {self.error}"
        )

    @property
    def source(self) -> str:
        """Origin and version, as messages name them."""
        return f"{self.origin} {self.version}".strip()


class Observers(NamedTuple):
    """One instance of every observer that can be had."""

    working: dict[str, object]
    left_out: list[str]
    """Why each of the others is left out: no result depends on an observer, so a run goes on."""


class Registry:
    """Everything that suites can name, by group."""

    def __init__(
        self, entries: Iterable[Entry] = (), files: Sequence[Path] = (), third_party: bool = True
    ) -> None:
        self.groups: dict[str, dict[str, Entry]] = {group: {} for group in GROUPS}
        self.files = tuple(files)
        self.third_party = third_party
        """Whether other distributions' plugins are among them."""
        for entry in entries:
            known = self.groups[entry.group].get(entry.name)
            self.groups[entry.group][entry.name] = entry if known is None else _rivals(known, entry)

    @property
    def strategies(self) -> dict[str, Entry]:
        return self.groups["strategies"]

    @property
    def models(self) -> dict[str, Entry]:
        return self.groups["models"]

    @property
    def datasets(self) -> dict[str, Entry]:
        return self.groups["datasets"]

    @property
    def objectives(self) -> dict[str, Entry]:
        return self.groups["objectives"]

    @property
    def observers(self) -> dict[str, Entry]:
        return self.groups["observers"]

    def add(self, entry: Entry) -> None:
        """Add a plugin that was asked for; a name that is taken is an error naming both."""
        known = self.groups[entry.group].get(entry.name)
        if known is not None:
            raise UserError(_clash(known, entry))
        self.groups[entry.group][entry.name] = entry

    def get(self, group: str, name: str) -> Any:
        """The class of that name. UnknownName with the nearest one, where there is none."""
        entries = self.groups[group]
        if name not in entries:
            unknown = UnknownName(SINGULAR[group], name, entries)
            if not self.third_party:
                unknown.message += "; --no-plugins leaves out what other distributions install"
                unknown.args = (unknown.message,)
            raise unknown
        return entries[name].load()

    def of_file(self, file: Path) -> tuple[str, ...]:
        """Names of the strategies that a one-file plugin defines."""
        origin = str(Path(file).resolve())
        return tuple(name for name, entry in self.strategies.items() if entry.origin == origin)

    def make_observers(self) -> Observers:
        """Every observer, made. One that cannot be imported or made is left out, with the reason.

        UserError for one whose hooks are wrong: its author is told, not only its users.
        """
        made = Observers({}, [])
        for name, entry in self.observers.items():
            try:
                cls = entry.load()
            except ImportFailed as error:
                made.left_out.append(f"observer {name!r} is left out: {error.message}")
                continue
            try:
                made.working[name] = cls()
            except BaseException as error:  # whatever a plugin's constructor raises
                if ends_the_run(error):
                    raise
                made.left_out.append(
                    f"observer {name!r} of {entry.source} is left out, it cannot be made: "
                    f"{told(error)}"
                )
        return made


def load_registry(files: Sequence[Path] = (), third_party: bool = True) -> Registry:
    """What is installed, and the one-file plugins at `files`.

    Without `third_party` the installed ones are lth-bench's own; files still load, since they
    were asked for by name.
    """
    entries = []
    installed = importlib.metadata.entry_points()  # each call reads them all
    known: dict[int, tuple[str, str]] = {}  # each look at a name or a version parses a whole file
    for group in GROUPS:
        for point in installed.select(group=f"lth_bench.{group}"):
            dist = point.dist
            if id(dist) not in known:
                known[id(dist)] = ("unknown", "") if dist is None else (dist.name, dist.version)
            origin, version = known[id(dist)]
            if third_party or origin == OWN:
                entries.append(
                    Entry(name=point.name, group=group, origin=origin, version=version, point=point)
                )
    # one file named twice, as a suite and a person may spell it, is one file
    paths = list(dict.fromkeys(Path(f).resolve() for f in files))
    registry = Registry(entries, paths, third_party)
    for file in registry.files:
        for found in classes_of(file):
            registry.add(_of_file(file, found))
    return registry


def _of_file(file: Path, found: Found) -> Entry:
    return Entry(
        name=found.name,
        group=found.group,
        origin=str(file),
        version=found.version,
        _found=found.cls,
    )


def _clash(*entries: Entry) -> str:
    first, number = entries[0], {2: "two"}.get(len(entries), len(entries))
    sources = ", ".join(f"one of {entry.source}" for entry in entries)
    return (
        f"{number} plugins are called {first.name!r} among the {first.group}: {sources}; "
        f"uninstall one or rename it"
    )


def _rivals(known: Entry, other: Entry) -> Entry:
    """In the place of two entries of one name: neither is used, whichever came first."""
    both = (*(known.rivals or (known,)), other)
    origin = ", ".join(entry.source for entry in both)
    message = _clash(*both)
    if OWN in {entry.origin for entry in both}:
        message += ", or leave other distributions' plugins out with --no-plugins"
    return Entry(
        name=known.name, group=known.group, origin=origin, version="", error=message, rivals=both
    )


def _where(error: BaseException) -> str:
    """The last line of a file of its own that a failing import came to: " (mine.py:3)"."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and "importlib" not in frame.filename
    ]
    own = [frame for frame in own if frame.filename != __file__]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
