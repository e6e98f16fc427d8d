"""What methods say of themselves: the docstrings of their strategies, read from their files."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from lth_bench.plugins.registry import Entry, Registry, load_registry
from lth_bench.plugins.source import module_spec

_CITED = re.compile(r"\(([^()]*\b(?:19|20)\d\d[^()]*)\)")
_ARXIV = re.compile(r"\barXiv:\s?(\d{4}\.\d{4,5})\b", re.IGNORECASE)
_DOI = re.compile(r"\b(?:doi:\s?|https://doi\.org/)(10\.\d{4,}/[^\s,;)]+[^\s,;).])", re.IGNORECASE)

SHIPPED = {
    "acdc": ("2106.12379",),
    "aws": ("2504.05357",),
    "bimp": ("2111.00843",),
    "dense_rewind": ("1912.05671",),
    "early_bird": ("1909.11957",),
    "edge_popup": ("1911.13299",),
    "filter_l1": ("1608.08710",),
    "fine_tune": ("1506.02626", "2003.02389"),
    "force": ("2006.09081",),
    "gradual": ("1710.01878",),
    "granet": ("2106.10404",),
    "grasp": ("2002.07376",),
    "imp": ("1803.03635",),
    "iter_snip": ("2006.09081",),
    "late_rewind": ("1912.05671", "1903.01611"),
    "lr_rewind": ("2003.02389",),
    "n_m": ("2305.02299",),
    "one_shot": ("1803.03635",),
    "rigl": ("1911.11134",),
    "sculpt": ("2406.02773",),
    "set": ("1707.04780",),
    "signed_supermask": ("2201.13361",),
    "slimming": ("1708.06519",),
    "snfs": ("1907.04840",),
    "snip": ("1810.02340",),
    "srigl": ("2305.02299",),
    "supermask": ("1905.01067",),
}
"""arXiv numbers of the papers that shipped strategies cite, in their order. They stand here and not
in the docstrings: a strategy's source is hashed, so that a link added there would train its results
again.
"""


@dataclass(frozen=True, kw_only=True)
class MethodPaper:
    """A strategy as it is installed here."""

    strategy: str
    about: tuple[str, ...]
    """Paragraphs of its docstring."""
    cited: str
    """The paper in its first paragraph: `Frankle & Carbin, 2019, section 1`; may be empty."""
    links: tuple[str, ...]
    """Of the papers: by SHIPPED, and where the docstring names an arXiv number or DOI."""
    package: str
    """Distribution or file, and version."""


def papers(strategies: Collection[str], registry: Registry | None = None) -> dict[str, MethodPaper]:
    """Of the strategies in `registry`, by default those that are installed here; others are
    missing.
    """
    known = (registry or load_registry()).strategies
    found = {}
    for name in strategies:
        text = _docstring(known[name]) if name in known else ""
        if text:
            found[name] = paper_of(name, text, _package(known[name]), _shipped(known[name]))
    return found


def paper_of(strategy: str, text: str, package: str, arxiv: Sequence[str] = ()) -> MethodPaper:
    """From a docstring; `arxiv` are numbers of papers that it does not name."""
    about = tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", inspect.cleandoc(text)))
    cited = _CITED.search(about[0])
    links = [f"https://arxiv.org/abs/{number}" for number in [*arxiv, *_ARXIV.findall(text)]]
    links += [f"https://doi.org/{doi}" for doi in _DOI.findall(text)]
    return MethodPaper(
        strategy=strategy, about=about, cited=cited[1] if cited else "",
        links=tuple(dict.fromkeys(links)), package=package,
    )  # fmt: skip


def _shipped(entry: Entry) -> Sequence[str]:
    """Of a plugin of the same name, nothing is known."""
    ours = entry.point is not None and entry.point.module == f"lth_strategies.{entry.name}"
    return SHIPPED.get(entry.name, ()) if ours else ()


def _package(entry: Entry) -> str:
    """Of a one-file plugin without its folder, since sites are published."""
    if entry.point is not None or entry.rivals:
        return entry.source
    return f"{Path(entry.origin).name} {entry.version}"


def _docstring(entry: Entry) -> str:
    """Of the class that an entry point names, or of a one-file plugin; else empty. An entry point's
    file is read and not run, but the packages above it are imported to find it.
    """
    point = entry.point
    origin: str | None
    if point is None:
        named, origin = "" if entry.rivals else entry.load().__name__, entry.origin
    else:
        spec = module_spec(point.module) if point.attr else None
        named, origin = point.attr, spec.origin if spec is not None else None
    if not named or not origin:
        return ""
    try:
        tree = ast.parse(Path(origin).read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError):  # an extension, or not UTF-8: without its text
        return ""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == named:
            return ast.get_docstring(node) or ""
    return ""
