"""The documentation site: every document is on it, its links lead somewhere, it builds strictly."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from documents import DOCUMENTS, ROOT

import lth_bench
from lth_bench import testing
from lth_bench.cli.app import app
from lth_bench.store.export import documented
from lth_bench.store.glossary import COLUMNS


@pytest.fixture(scope="module")
def site() -> Iterator[types.ModuleType]:
    """docs/build_site.py, imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        yield importlib.import_module("build_site")


@pytest.fixture(scope="module")
def pages(site: types.ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("docs") / "pages"
    site.stage(folder)
    return folder


def test_every_document_is_on_the_site(site: types.ModuleType) -> None:
    found = {str(p.relative_to(ROOT)) for p in DOCUMENTS if "templates" not in p.parts}
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
    for contract in testing.contracts.CONTRACTS:
        assert f"`{contract.name}`" in reference(pages, "testing.md")


def test_the_command_line_has_every_command(pages: Path) -> None:
    text = reference(pages, "cli.md")
    group = typer.main.get_command(app)
    for name in group.commands:  # type: ignore[attr-defined]
        assert f"## `lth-bench {name}`" in text
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
def test_it_builds_strictly(site: types.ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("zensical", reason="the extra `docs` is not installed")
    pytest.importorskip("mkdocstrings", reason="the extra `docs` is not installed")
    command = [sys.executable, str(ROOT / "docs" / "build_site.py"), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").is_file()
    # a heading that does not exist, in a page that is otherwise in order
    with (tmp_path / "pages" / "index.md").open("a") as index:
        index.write("\n[nowhere](#nowhere)\n")
    zensical = Path(sys.executable).with_name("zensical")
    again = subprocess.run(
        [zensical, "build", "--strict", "--config-file", "zensical.toml"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert again.returncode != 0
