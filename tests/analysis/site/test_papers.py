from __future__ import annotations

import subprocess
import sys

from lth_bench.analysis.site import papers
from lth_bench.analysis.site.papers import paper_of

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


def test_nothing_of_a_strategy_is_run() -> None:
    code = (
        "import sys; from lth_bench.analysis.site import papers; papers(['imp']);"
        "assert 'torch' not in sys.modules and 'lth_strategies.imp' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
