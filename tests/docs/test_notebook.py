"""The tutorial's notebook runs from its first cell to its last, and is a page of the site."""

from __future__ import annotations

import json
import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT

NOTEBOOK = ROOT / "docs" / "tutorial" / "notebook.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    return found


@pytest.fixture(scope="module")
def pages(site: types.ModuleType) -> types.ModuleType:
    """docs/notebook_pages.py, which the site imports."""
    return sys.modules["notebook_pages"]


def test_its_code_is_python_and_has_been_run(cells: list[dict[str, Any]]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell in code:
        compile("".join(cell["source"]), str(NOTEBOOK), "exec")
    assert [cell["execution_count"] for cell in code] == [*range(1, len(code) + 1)]
    assert not [one for cell in code for one in cell["outputs"] if one["output_type"] == "error"]


ABSOLUTE = re.compile(
    r"""(?:(?<=[\s"'`(=,>;])|^)/[A-Za-z]\w*/[\w.-]|\b[A-Z]:\\\\?\w""", re.MULTILINE
)
"""A path from a root, with two names at least; in HTML a quote ends in a semicolon."""


def test_no_output_holds_a_path_of_a_machine(cells: list[dict[str, Any]]) -> None:
    outputs = [one for cell in cells for one in cell.get("outputs", [])]
    assert outputs
    texts = ["".join(one.get("text", "")) for one in outputs]
    texts += ["".join(text) for one in outputs for text in one.get("data", {}).values()]
    assert [found[0] for text in texts for found in ABSOLUTE.finditer(text)] == []


@pytest.mark.parametrize(
    "text",
    [
        "/tmp/tmpj_4td2er/small.toml", "'lth_bench.run(/tmp/tmpj_4td2er/small.toml)'",
        "--results /home/me/x.duckdb", "run(&#39;/root/x", "<code>/Users/me", r"C:\me\x.toml",
    ],
)  # fmt: skip
def test_a_path_of_a_machine_is_found(text: str) -> None:
    assert ABSOLUTE.search(text)


def test_the_page_has_its_text_code_and_answers(pages: types.ModuleType) -> None:
    page = pages.markdown(json.loads(NOTEBOOK.read_text("utf-8")))
    assert page.startswith("# In a notebook\n")
    assert "```python\nboard = results.leaderboard(" in page
    assert page.count('<div class="lth-bench">') == 3
    assert 'src="data:image/svg+xml;base64,' in page and "Counter(" in page


def test_what_was_printed_to_standard_error_is_left_out(pages: types.ModuleType) -> None:
    outputs = [
        {"output_type": "stream", "name": name, "text": [f"to {name}\n"]}
        for name in ("stdout", "stderr")
    ]
    both = {"text/plain": ["plain"], "text/html": ["<b>\n", "\n", "rich</b>"]}
    outputs.append({"output_type": "execute_result", "data": both})
    cells = [{"cell_type": "code", "source": ["1 + 1"], "outputs": outputs}]
    assert pages.markdown({"cells": cells}) == (
        "```python\n1 + 1\n```\n\n```text\nto stdout\n```\n\n<div>\n<b>\nrich</b>\n</div>\n"
    )


@pytest.mark.slow
# of the kernel, not of lth-bench: sockets that its threads still hold
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::RuntimeWarning")
def test_it_runs(cells: list[dict[str, Any]], tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="the package `nbformat` is not installed")
    nbclient = pytest.importorskip("nbclient", reason="the package `nbclient` is not installed")
    pytest.importorskip("ipykernel", reason="the package `ipykernel` is not installed")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=240, resources=resources).execute()
    for cell, stored in zip(notebook.cells, cells, strict=True):
        shown = [sorted(one.get("data", {})) for one in cell.get("outputs", []) if "data" in one]
        kept = [sorted(one["data"]) for one in stored.get("outputs", []) if "data" in one]
        assert shown == kept
