"""Discovery of plugins: installed ones by entry-point group, and one-file plugins by path.

Nothing is imported until it is needed. A plugin that fails to import, breaks its contract, or whose
name is claimed by two distributions is listed with the reason; everything else works.
"""

from __future__ import annotations

import importlib.metadata
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lth_bench.errors import UnknownName, UserError, describe_error
from lth_bench.plugins.one_file import Found, classes_of, shipped
from lth_bench.system.blame import ends_the_run

GROUPS = ("strategies", "models", "datasets", "objectives", "observers")
SINGULAR = {group: group.removesuffix("s") for group in GROUPS} | {"strategies": "strategy"}
OWN = "lth-bench"
"""The distribution that remains under `--no-plugins`."""


class ImportFailed(UserError):
    """A plugin that cannot be used, although its hooks are not at fault."""


@dataclass(kw_only=True)
class Entry:
    """One plugin: its origin, and its class once loaded."""

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
    """A class defined in a file, not checked yet."""
    rivals: tuple[Entry, ...] = field(default=(), repr=False)
    """If several distributions claim the name: each one's own entry."""
    _kind: type[UserError] = field(default=ImportFailed, repr=False)
    """What `load` raises where there is an error."""

    def load(self) -> Any:
        """The class. UserError, naming the plugin and the reason, if it cannot be used."""
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
            self.error = f"{describe_error(error)}{_where(error)}"
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
        """Origin and version, for messages."""
        return f"{self.origin} {self.version}".strip()


class Observers(NamedTuple):
    """One instance of every available observer."""

    working: dict[str, object]
    left_out: list[str]
    """Why each of the others is left out: no result depends on an observer, so the run
    continues."""


class Registry:
    """Everything that suites can name, by group."""

    def __init__(
        self, entries: Iterable[Entry] = (), files: Sequence[Path] = (), third_party: bool = True
    ) -> None:
        self.groups: dict[str, dict[str, Entry]] = {group: {} for group in GROUPS}
        self.files = tuple(files)
        self.third_party = third_party
        """Whether other distributions' plugins are included."""
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
        """Add a requested plugin. UserError, naming both, if its name is in use."""
        known = self.groups[entry.group].get(entry.name)
        if known is not None:
            raise UserError(_clash(known, entry))
        self.groups[entry.group][entry.name] = entry

    def get(self, group: str, name: str) -> Any:
        """The class of that name. UnknownName, suggesting the nearest one, if there is none."""
        entries = self.groups[group]
        if name not in entries:
            unknown = UnknownName(SINGULAR[group], name, entries)
            if not entries:  # installed by an older version, which had no such group
                unknown.message += (
                    f"; no {group} are installed: reinstall lth-bench (in a checkout: make install)"
                )
            if not self.third_party:
                unknown.message += "; --no-plugins leaves out what other distributions install"
            unknown.args = (unknown.message,)
            raise unknown
        return entries[name].load()

    def of_file(self, file: Path) -> tuple[str, ...]:
        """Names of the strategies defined in a one-file plugin."""
        origin = str(Path(file).resolve())
        return tuple(name for name, entry in self.strategies.items() if entry.origin == origin)

    def make_observers(self) -> Observers:
        """Instantiate every observer. One that cannot be imported or made is left out, with the
        reason.

        UserError for one whose hooks are wrong, so that its author notices.
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
            except BaseException as error:  # a plugin's constructor may raise anything
                if ends_the_run(error):
                    raise
                made.left_out.append(
                    f"observer {name!r} of {entry.source} is left out because it cannot be "
                    "created: "
                    f"{describe_error(error)}"
                )
        return made


def load_registry(files: Sequence[Path] = (), third_party: bool = True) -> Registry:
    """The installed plugins, and the one-file plugins in `files`.

    Without `third_party` only lth-bench's own installed plugins; files are still loaded, since they
    were requested explicitly.
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
    # the same file given twice, for example by a suite and on the command line
    paths = list(dict.fromkeys(shipped(Path(f)).resolve() for f in files))
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
    """Replaces two entries of the same name: neither is used, in whatever order they were found."""
    both = (*(known.rivals or (known,)), other)
    origin = ", ".join(entry.source for entry in both)
    message = _clash(*both)
    if OWN in {entry.origin for entry in both}:
        message += ", or leave other distributions' plugins out with --no-plugins"
    return Entry(
        name=known.name, group=known.group, origin=origin, version="", error=message, rivals=both
    )


def _where(error: BaseException) -> str:
    """The last line of the plugin's own file in the traceback of a failed import: "
    (mine.py:3)".
    """
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and "importlib" not in frame.filename
    ]
    own = [frame for frame in own if frame.filename != __file__]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
