"""What lies in `/data`: the databases, their tables as files, checksums, and how to cite them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lth_bench.analysis.site import SiteSuite
from lth_bench.analysis.table import Cell
from lth_bench.output.page.content import (
    Code,
    Column,
    Grid,
    GridRow,
    LinksCell,
    PageLink,
    Part,
    Prose,
    clean,
)
from lth_bench.output.site.pages import PageGroup, SitePage
from lth_bench.output.site.places import DATA, Links
from lth_bench.output.words import counted

SUMS, CFF, BIBTEX = "SHA256SUMS", "CITATION.cff", "citation.bib"

JOURNAL = "A database holds its journal, so that it can be merged into other results."

KINDS = {"parquet": "Parquet", "csv": "CSV"}


@dataclass(frozen=True, kw_only=True)
class Citation:
    """How the results are to be cited."""

    title: str
    authors: Sequence[str] = ()
    released: str = ""
    """Day of the newest run, as 2026-11-30; empty where none was recorded."""
    version: str
    """Of lth-bench."""

    @property
    def cff(self) -> str:
        """A CITATION.cff, https://citation-file-format.github.io, version 1.2.0."""
        names = self.authors or ("The authors of these results",)
        lines = [
            "cff-version: 1.2.0",
            'message: "If you use these results, please cite them, and the papers of the methods."',
            "type: dataset",
            f"title: {_quoted(self.title)}",
            "authors:",
            *(f"  - name: {_quoted(name)}" for name in names),
        ]
        if self.released:
            lines.append(f"date-released: {self.released}")
        lines += [
            "references:",
            "  - type: software",
            "    title: lth-bench",
            f"    version: {_quoted(self.version)}",
            "    authors:",
            "      - name: The lth-bench authors",
        ]
        return "\n".join(lines) + "\n"

    @property
    def bibtex(self) -> str:
        """The same as BibTeX."""
        names = self.authors or ("{The authors of these results}",)
        year = self.released[:4]
        fields = {
            "title": f"{{{_tex(self.title)}}}",
            "author": " and ".join(name if name.startswith("{") else _tex(name) for name in names),
            "year": year,
            "note": f"Results of lth-bench {_tex(self.version)}",
        }
        body = "".join(f"  {key} = {{{value}}},\n" for key, value in fields.items() if value)
        key = re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")[:40] or "results"
        return f"@misc{{{key},\n{body}}}\n"


def write_citation(folder: Path, citation: Citation) -> None:
    """Both forms."""
    (folder / CFF).write_text(citation.cff, encoding="utf-8", newline="\n")
    (folder / BIBTEX).write_text(citation.bibtex, encoding="utf-8", newline="\n")


def data_page(
    folder: Path,
    suites: Sequence[SiteSuite],
    links: Links,
    citation: Citation,
    sums: Mapping[str, str],
    *,
    hosts: bool,
) -> SitePage:
    """`folder` is that of the data as it was written; `sums` are checksums by relative name."""
    databases = list(dict.fromkeys(one.database for one in suites))
    left = (
        "Host names and paths are as they were recorded."
        if hosts
        else "Host names are numbered and paths are cut to their last part, in all of these files."
    )
    first = databases[0]
    code = [
        Code("In Python", f'import lth_bench\n\nlth_bench.results("{first}.duckdb").leaderboard()'),
        Code("In SQL", f'lth-bench query --results {first}.duckdb "FROM leaderboard"'),
        Code("Check the files", f"sha256sum --check {SUMS}"),
        Code("Into your own results", f"lth-bench merge {first}.duckdb"),
    ]  # fmt: skip
    parts: list[Part] = [
        Prose([f"{left} {JOURNAL} Checksums of all files are in ",
               PageLink(SUMS, links.to(f"data/{SUMS}")), "."]),
        _databases(folder, databases, links, sums),
    ]  # fmt: skip
    tables = [
        PageGroup(
            key=f"tables-{name}", title=f"Tables of {name}", parts=[_tables(folder, name, links)]
        )
        for name in databases
    ]
    files = [PageLink(name, links.to(f"data/{name}")) for name in (CFF, BIBTEX)]
    return SitePage(
        path=DATA,
        title="Data and citation",
        kicker="Data",
        facts=[counted(len(databases), "database")],
        groups=[
            PageGroup(key="databases", title="Databases", parts=parts),
            *tables,
            PageGroup(key="use", title="Use them", parts=code),
            PageGroup(key="cite", title="Cite them", parts=[
                Prose(["As ", files[0], " or ", files[1], "; cite the methods' papers too."]),
                Code("BibTeX", citation.bibtex),
            ]),
        ],
    )  # fmt: skip


def _databases(folder: Path, names: Sequence[str], links: Links, sums: Mapping[str, str]) -> Grid:
    rows = [
        GridRow([
            LinksCell(text="", links=[PageLink(file, links.to(f"data/{file}"))]),
            Cell(_size(folder / file)), Cell(sums[file]),
        ])
        for file in (f"{name}.duckdb" for name in names)
    ]  # fmt: skip
    columns = (Column("file", numeric=False), Column("size"), Column("SHA-256", numeric=False))
    return Grid(caption="Databases, for DuckDB and lth-bench", columns=columns, rows=rows,
                cards=True)  # fmt: skip


def _tables(folder: Path, name: str, links: Links) -> Grid:
    found = sorted(file.stem for file in (folder / name / "parquet").iterdir())
    rows = []
    for table in found:
        cells: list[Cell] = [Cell(clean(table))]
        for kind in KINDS:
            file = f"{name}/{kind}/{table}.{kind}"
            link = PageLink(_size(folder / file), links.to(f"data/{file}"))
            cells.append(LinksCell(text="", links=[link]))
        rows.append(GridRow(cells))
    columns = (Column("view or table", numeric=False), *(Column(kind) for kind in KINDS.values()))
    return Grid(caption="Every documented view and table", columns=columns, rows=rows)


def _size(file: Path) -> str:
    size = float(file.stat().st_size)
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _quoted(text: str) -> str:
    """As a double-quoted YAML scalar."""
    plain = clean(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def _tex(text: str) -> str:
    """With TeX's own characters as they are printed."""
    return re.sub(r"([&%$#_{}])", r"\\\1", clean(text).replace("\\", " "))
