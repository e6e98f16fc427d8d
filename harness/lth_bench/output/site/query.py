"""A page on which readers ask the data in SQL, by a copy of DuckDB-WASM that the user has.

Nothing is downloaded, here or by the page. A browser gives a page from a disk neither workers nor
other files, so the page needs a server, as any that shares a folder; from a disk it says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.output.page import security
from lth_bench.output.page.content import Prose
from lth_bench.output.site.pages import PageGroup, SitePage
from lth_bench.output.site.places import QUERY, Links
from lth_bench.output.site.render import SiteFrame
from lth_bench.store.public import SUMS, checksum

KNOWN = {
    "duckdb-browser.cjs": "bf86743bc168edcb6b3dea652a0bb08608ed983473e46f8825aa0762cac5e10b",
    "duckdb-browser-eh.worker.js": (
        "f8ab72b6b90b3ad83077d47426d4a99d5d9a4c7e07cba1a2be37d655adc7c1ab"
    ),
    "duckdb-eh.wasm": "4c221bfa59c11f24dbd750e70c90b9252eca6eec5633936e6a2ec766e55fd879",
    "Arrow.es2015.min.js": "375fb7c891e25677c021e585d4ec51a5752112b182f41d51071b8401e590379e",
}
"""SHA-256 of the files that the page needs: of @duckdb/duckdb-wasm 1.32.0 and apache-arrow 17.0.0,
computed from npm's packages."""

FOLDERS = ("", "node_modules/@duckdb/duckdb-wasm/dist", "node_modules/apache-arrow")
"""Where they may lie below the folder: together, or as `npm install` leaves them."""

SCRIPT = "query.js"

POLICY = (
    "'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'"  # of the page's own server only
)


@dataclass(frozen=True)
class QueryFiles:
    """A copy of DuckDB-WASM whose checksums were right."""

    files: Mapping[str, Path]


def find_query_files(folder: Path) -> QueryFiles:
    """The files of a folder. A SHA256SUMS in it says what they must be; without one they must be of
    the version that KNOWN is of. UserError where one is missing or another.
    """
    if not folder.is_dir():
        raise UserError(
            f"--query names {folder}, which is not a folder; name one with a copy of DuckDB-WASM"
        )
    found = {}
    for name in KNOWN:
        there = [place / name for place in _places(folder) if (place / name).is_file()]
        if not there:
            raise UserError(
                f"--query names {folder}, which lacks {name}; it needs {', '.join(KNOWN)}, as "
                f"`npm install @duckdb/duckdb-wasm@1.32.0` in that folder brings them"
            )
        found[name] = there[0]
    sums = folder / SUMS
    wanted = _sums(sums) if sums.is_file() else KNOWN
    whose = str(sums) if sums.is_file() else "version 1.32.0, and there is no SHA256SUMS there"
    for name, file in found.items():
        if name not in wanted:
            raise UserError(f"{sums} has no line for {name}; add it, or remove that file")
        own = checksum(file)
        if own != wanted[name]:
            raise UserError(
                f"{file} has the SHA-256 {own}, but {wanted[name]} is expected by {whose}; take a "
                f"fresh copy, or write the checksums that you trust to {sums}"
            )
    return QueryFiles(found)


def query_page(frame: SiteFrame, links: Links, databases: Sequence[str], folder: Path) -> str:
    """The page's HTML; its script is written beside the others."""
    code = files("lth_bench.output.site").joinpath("templates", SCRIPT).read_text(encoding="utf-8")
    (folder / "assets" / SCRIPT).write_text(code, encoding="utf-8", newline="\n")
    page = SitePage(
        path=QUERY,
        title="Query the data",
        kicker="Data",
        facts=["SQL in this browser; nothing leaves it"],
        groups=[
            PageGroup(key="ask", title="In SQL", parts=[
                Prose(["The views and tables are those of the database, which stays as it is."]),
            ]),
        ],
        record=json.dumps({"databases": [f"data/{name}.duckdb" for name in databases]}),
    )  # fmt: skip
    policy = re.sub(r"(script-src [^;]*)", rf"\1 {POLICY}", security.site_policy(), count=1)
    return frame.page(
        page, links, "query.html", policy=policy,
        scripts=["duckdb/Arrow.es2015.min.js", f"assets/{SCRIPT}"],
    )  # fmt: skip


def _places(folder: Path) -> Iterator[Path]:
    yield from (folder / name if name else folder for name in FOLDERS)


def _sums(file: Path) -> dict[str, str]:
    """As `sha256sum` writes them: digits, two spaces or an asterisk, a name."""
    found = {}
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        digits, _, name = line.partition(" ")
        if re.fullmatch(r"[0-9a-fA-F]{64}", digits):
            found[Path(name.strip().lstrip("*")).name] = digits.lower()
    return found
