"""The documentation site: every document is on it, its links lead somewhere, it builds strictly."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
import tomllib
import types
from pathlib import Path
from typing import Any

import pytest
import typer
from documents import DOCUMENTS, ROOT

import lth_bench
from lth_bench import testing
from lth_bench.cli.app import app
from lth_bench.store.export import documented
from lth_bench.store.glossary import COLUMNS
from lth_bench.testing import parts


@pytest.fixture(scope="module")
def pages(site: types.ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("docs") / "pages"
    site.stage(folder)
    return folder


def test_every_document_is_on_the_site(site: types.ModuleType) -> None:
    documents = [*DOCUMENTS, *(ROOT / "docs").rglob("*.ipynb")]
    found = {str(p.relative_to(ROOT)) for p in documents if "templates" not in p.parts}
    assert {*site.files()} | {*site.NOT_ON_THE_SITE} == found


def test_no_page_stands_twice(site: types.ModuleType) -> None:
    sources = [source for section in site.SECTIONS.values() for _, source in section.values()]
    assert len(sources) == len({*sources})


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("[a](../ARCHITECTURE.md)", "[a](../explanation/architecture.md)"),
        ("[a](../ARCHITECTURE.md#rooms)", "[a](../explanation/architecture.md#rooms)"),
        ("[`a`](../ARCHITECTURE.md)", "[`a`](../explanation/architecture.md)"),
        ("[a](synflow/)", "[a](synflow.md)"),
        ("[hooks](../harness/lth_bench/hookspecs.py)", "hooks"),
        ("[here](#hooks) [there](https://example.org/a.md)", None),
        ("`[a](b.md)`\n\n```toml\n[[a]](nothing.md)\n```\n", None),
        ("| `auto\\|N` |", "| `auto|N` |"),
    ],
)
def test_links_between_files_become_links_between_pages(
    site: types.ModuleType, text: str, page: str | None
) -> None:
    found = site.relinked(text, "plugins/README.md", "how-to/strategies.md", lambda *_: None)
    assert found == (text if page is None else page)


def test_a_picture_goes_with_its_page(site: types.ModuleType) -> None:
    copied: list[tuple[str, str]] = []
    found = site.relinked(
        "![x](../docs/quickstart.svg)", "plugins/README.md", "how-to/strategies.md",
        lambda *names: copied.append(names),
    )  # fmt: skip
    assert found == "![x](../pictures/quickstart.svg)"
    assert copied == [("docs/quickstart.svg", "pictures/quickstart.svg")]


def test_a_link_to_nothing_is_an_error_that_names_it(site: types.ModuleType) -> None:
    with pytest.raises(site.BrokenLink, match=r"plugins/README\.md: gone\.md"):
        site.relinked("[a](gone.md)", "plugins/README.md", "how-to/strategies.md", lambda *_: None)


def test_links_of_the_pages_lead_to_pages(pages: Path) -> None:
    for page in pages.rglob("*.md"):
        text = re.sub(r"^```.*?^```|`[^`\n]+`", "", page.read_text("utf-8"), flags=re.M | re.S)
        for target in re.findall(r"\]\(([^)#\s]+)", text):
            if "://" not in target:
                assert (page.parent / target).is_file(), f"{page}: {target}"


# the references


def reference(pages: Path, name: str) -> str:
    return (pages / "reference" / name).read_text("utf-8")


def test_the_api_has_every_public_name(pages: Path) -> None:
    named = set(re.findall(r"^::: lth_bench\.\S*?(\w+)$", reference(pages, "api.md"), re.M))
    assert {*lth_bench.__all__} - {"hookimpl"} <= named | {"hookimpl"}
    shown = set(re.findall(r"^::: \S*?(\w+)$", reference(pages, "testing.md"), re.M))
    assert {*testing.__all__} - {"contracts"} == shown
    for contract in itertools.chain(testing.contracts.CONTRACTS, *parts.CONTRACTS.values()):
        assert f"`{contract.name}`**: {contract.statement}" in reference(pages, "testing.md")


def test_the_command_line_has_every_command(pages: Path) -> None:
    text = reference(pages, "cli.md")
    group = typer.main.get_command(app)
    for name in group.commands:  # type: ignore[attr-defined]
        assert f"## `lth-bench {name}`" in text
        assert not re.search(rf"^\* `{name}`: .*\.\.\.$", text, re.M), "a summary is cut short"
    assert "`--cohort-size auto|N`" in text


def test_every_view_and_table_has_its_columns(pages: Path) -> None:
    text = reference(pages, "tables.md")
    assert re.findall(r"^## (\w+)$", text, re.M) == documented()
    for column, meaning in COLUMNS.items():
        assert f"| `{column}` | " in text
        assert meaning.replace("|", "\\|") in text


def test_the_suite_s_keys_are_there(pages: Path) -> None:
    text = reference(pages, "suite.md")
    for heading in ("[suite]", "[[tasks]]", "[recipes.NAME]", "[[strategies]]", "[tune]"):
        assert f"## `{heading}`" in text
    assert "| `lr` | number in (0, ∞) | `0.1` |" in text
    assert "list of any" not in text


def test_every_shipped_plugin_and_parameter_is_there(pages: Path) -> None:
    text = reference(pages, "catalogue.md")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [n for group in project["entry-points"].values() for n in group]
    assert set(re.findall(r"^### `(\w+)`$", text, re.M)) == {*names}
    assert "| `prune_rate` | " in text
    assert "None |" not in text


# the build


@pytest.mark.slow
def test_a_heading_that_does_not_exist_fails_the_build(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "again")
    with (tmp_path / "again" / "pages" / "index.md").open("a") as index:
        index.write("\n[nowhere](#nowhere)\n")
    zensical = Path(sys.executable).with_name("zensical")
    done = subprocess.run(
        [zensical, "build", "--strict", "--config-file", "zensical.toml"],
        cwd=tmp_path / "again", capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode != 0
    assert "anchor does not exist" in done.stderr


def test_what_pages_load_from_elsewhere_is_taken_out(
    site: types.ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    page = tmp_path / "deep" / "a.html"
    page.write_text('<script src="https://x.test/y" type="a"></script><script src="y.js"></script>')
    site.stay_at_home(tmp_path)
    assert page.read_text() == '<script src="y.js"></script>'


SIZES = (390, 1280)
PAGES = ("index", "how-to/run", "reference/api", "reference/cli", "explanation/architecture")


@pytest.mark.slow
def test_its_pages_load_nothing_from_elsewhere(built: Path, browser: Any) -> None:
    """In a browser, opened as files, on a phone and a screen: no request leaves the machine,
    nothing is on the console, every picture shows, and no page is too wide.
    """
    home, complaints = (built / "site").as_uri(), []
    for width in SIZES:
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.set_default_timeout(240_000)
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on(
            "requestfailed",  # "aborted" is what the browser no longer wants, as a left page's icon
            lambda asked: (
                asked.failure == "net::ERR_ABORTED"
                or complaints.append(f"failed: {asked.url}: {asked.failure}")
            ),
        )
        page.on(
            "request",
            lambda asked: asked.url.startswith((home, "data:")) or complaints.append(asked.url),
        )
        for name in PAGES:
            page.goto(f"{home}/{name}.html", wait_until="load")
            assert page.locator("h1").first.is_visible()
            assert page.evaluate("document.documentElement.scrollWidth") <= width, name
            broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth)"
            assert page.evaluate(f"{broken}.map(i => i.src)") == [], name
        page.close()
    assert complaints == []
