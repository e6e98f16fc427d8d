from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from lth_bench.analysis.site import papers
from lth_bench.analysis.site.papers import SHIPPED, paper_of
from lth_bench.plugins.registry import Entry, load_registry

TEXT = """A method (Doe et al., 2021, section 2; arXiv:2101.01234).

    It does something
    with weights (doi:10.1000/xyz.1).
    """


def test_a_docstring_is_read_by_paragraph() -> None:
    found = paper_of("mine", TEXT, "mine 1.0")
    assert found.about[1] == "It does something with weights (doi:10.1000/xyz.1)."
    assert found.cited == "Doe et al., 2021, section 2; arXiv:2101.01234"
    assert found.links == ("https://arxiv.org/abs/2101.01234", "https://doi.org/10.1000/xyz.1")


def test_shipped_strategies_cite_their_papers() -> None:
    found = papers(["imp", "snip", "not_there"])
    assert set(found) == {"imp", "snip"}
    assert "Frankle & Carbin, 2019" in found["imp"].cited
    assert found["snip"].package.startswith("lth-bench ")


def test_every_paper_that_a_shipped_strategy_cites_has_a_link() -> None:
    strategies = load_registry().strategies
    ours = {name for name, one in strategies.items() if one.source.startswith("lth-bench ")}
    found = papers(ours)
    assert {name for name, one in found.items() if one.cited} == set(SHIPPED)
    assert found["late_rewind"].links == (
        "https://arxiv.org/abs/1912.05671", "https://arxiv.org/abs/1903.01611",
    )  # fmt: skip
    for name, numbers in SHIPPED.items():
        years = [int(f"20{number[:2]}") for number in numbers]
        cited = [int(year) for year in re.findall(r"\b20\d\d\b", found[name].cited)]
        assert all(any(0 <= y - year <= 2 for y in cited) for year in years), name


@pytest.mark.parametrize("broken", ["raise RuntimeError(3)", "raise SystemExit(3)", "print 'old'"])
def test_a_strategy_of_a_broken_package_has_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    (tmp_path / "strangers").mkdir()
    (tmp_path / "strangers" / "__init__.py").write_text(broken + "\n")
    (tmp_path / "strangers" / "method.py").write_text('class Mine:\n    """Text."""\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "strangers", raising=False)
    point = EntryPoint("mine", "strangers.method:Mine", "lth_bench.strategies")
    entry = Entry(
        name="mine", group="lth_bench.strategies", origin="strangers", version="1.0", point=point
    )
    registry = SimpleNamespace(strategies={"mine": entry})
    module = sys.modules["lth_bench.analysis.site.papers"]  # the room has its function of this name
    monkeypatch.setattr(module, "load_registry", lambda: registry)
    assert papers(["mine"]) == {}


def test_a_strategy_in_a_file_is_described_without_its_folder(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\n\nfrom lth_bench import hookimpl\n\n\n"
        f'@dataclass(frozen=True)\nclass Mine:\n    """{TEXT}"""\n\n'
        "    @hookimpl\n    def select_mask(self, ticket):\n        return ticket.mask\n\n\n"
        "@dataclass(frozen=True)\nclass Silent:\n    rate: float = 0.5\n\n"
        "    @hookimpl\n    def select_mask(self, ticket):\n        return ticket.mask\n"
    )
    found = papers(["mine", "silent", "imp"], load_registry([file]))
    assert set(found) == {"mine", "imp"}
    assert found["mine"].about[0].startswith("A method (Doe et al., 2021")
    assert found["mine"].package.startswith("mine.py ") and "/" not in found["mine"].package


def test_nothing_of_a_strategy_is_run() -> None:
    code = (
        "import sys; from lth_bench.analysis.site import papers; papers(['imp']);"
        "assert 'torch' not in sys.modules and 'lth_strategies.imp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
