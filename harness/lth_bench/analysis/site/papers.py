"""What methods say of themselves: the docstrings of their strategies, read without running them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lth_bench.plugins.registry import Entry, load_registry

_CITED = re.compile(r"\(([^()]*\b(?:19|20)\d\d[^()]*)\)")
_ARXIV = re.compile(r"\barXiv:\s?(\d{4}\.\d{4,5})\b", re.IGNORECASE)
_DOI = re.compile(r"\b(?:doi:\s?|https://doi\.org/)(10\.\d{4,}/[^\s,;)]+[^\s,;).])", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class MethodPaper:
    """A strategy as it is installed here."""

    strategy: str
    about: tuple[str, ...]
    """Paragraphs of its docstring."""
    cited: str
    """The paper in its first paragraph: `Frankle & Carbin, 2019, section 1`; may be empty."""
    links: tuple[str, ...]
    """Of the paper, where the docstring names its arXiv number or DOI."""
    package: str
    """Distribution or file, and version."""


def papers(strategies: Collection[str]) -> dict[str, MethodPaper]:
    """Of the strategies that are installed here; others are missing."""
    known = load_registry().strategies
    found = {}
    for name in strategies:
        text = _docstring(known[name]) if name in known else ""
        if text:
            found[name] = paper_of(name, text, known[name].source)
    return found


def paper_of(strategy: str, text: str, package: str) -> MethodPaper:
    """From a docstring."""
    about = tuple(" ".join(part.split()) for part in re.split(r"\n\s*\n", inspect.cleandoc(text)))
    cited = _CITED.search(about[0])
    links = [f"https://arxiv.org/abs/{number}" for number in _ARXIV.findall(text)]
    links += [f"https://doi.org/{doi}" for doi in _DOI.findall(text)]
    return MethodPaper(
        strategy=strategy, about=about, cited=cited[1] if cited else "", links=tuple(links),
        package=package,
    )  # fmt: skip


def _docstring(entry: Entry) -> str:
    """Of the class that an entry point names: its file is read and not run; else empty."""
    point = entry.point
    if point is None or not point.attr:
        return ""
    try:
        spec = find_spec(point.module)
        if spec is None or not spec.origin:
            return ""
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except (ImportError, OSError, SyntaxError, ValueError):
        return ""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == point.attr:
            return ast.get_docstring(node) or ""
    return ""
