"""plugins/README.md: its code runs, and it leaves out nothing that an author can use."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
from thoroughness import some

import lth_bench
from lth_bench import Ticket, hookspecs
from lth_bench.testing import Case, ContractResult, check, contracts
from lth_bench.testing.bench import WatchedBench
from lth_bench.testing.checking import judged
from lth_bench.testing.experiment import record
from lth_bench.testing.networks import TinyNetwork

README = Path(__file__).resolve().parents[1] / "plugins" / "README.md"
TEXT = README.read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
LOOP_S_OWN = {"bench", "ledger", "on_eval", "context", "after_selection", "after_rewinding"}
OTHERS = {
    "results", "run",
    "load_network", "load_ticket", "mask_from", "prune_with_torch", "sparsify",
    "SavedTicket", "Sparsifier",
}  # fmt: skip
"""Names for notebooks and own loops, which README.md, reports/README.md, docs/how-to/take-home.md
and docs/how-to/own-loop.md explain."""


def module_of(snippet: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A snippet as a module in a file, where the docstrings of its parameters are found."""
    file = folder / "snippet.py"
    file.write_text(snippet)
    spec = importlib.util.spec_from_file_location("snippet", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "snippet", module)
    spec.loader.exec_module(module)
    return module


def parameters_of(made: type) -> ContractResult:
    """Whether every parameter has its type, range and docstring."""
    (contract,) = [c for c in contracts.CONTRACTS if c.name == "parameters"]
    return judged(contract, Case(made, {}, "batch_norm"))


def classes(snippet: str) -> list[str]:
    return [node.name for node in ast.parse(snippet).body if isinstance(node, ast.ClassDef)]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda s: "-".join(classes(s)) or "lines")
def test_every_snippet_runs(snippet, tmp_path, monkeypatch) -> None:
    """A strategy reaches two densities on a small network with batch norm."""
    module = module_of(snippet, tmp_path, monkeypatch)
    names = classes(snippet)
    assert names, "a snippet is a whole file, so that it can be copied"
    for name in names:
        made = getattr(module, name)
        if hasattr(made, "select_mask"):
            bench = WatchedBench.fresh(TinyNetwork("batch_norm"))
            assert parameters_of(made).status != "broken"
            recording = record(made(), bench, densities=getattr(made, "reaches", (0.5, 0.3)))
            assert recording.fault is None
            assert recording.skipped == {}


@pytest.mark.slow
def test_every_snippet_passes_mypy_strict(tmp_path: Path) -> None:
    """As they are written, so that a copy in a typed project needs no change."""
    pytest.importorskip("mypy")
    for number, snippet in enumerate(SNIPPETS):
        (tmp_path / f"snippet_{number}.py").write_text(snippet)
    root = README.parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", root / "pyproject.toml"]
    done = subprocess.run(
        [*map(str, command), *map(str, sorted(tmp_path.glob("*.py")))],
        capture_output=True, text=True, cwd=root,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("TwoOfFour", {}),
        ("SET", {"update_every": 1}),
        ("Gradual", {"update_every": 1}),
        ("EdgePopup", {}),
    ],
)
def test_published_methods_keep_every_contract(name, params, tmp_path, monkeypatch) -> None:
    """Written from the guide alone: nothing is broken, and nothing is left unjudged."""
    (snippet,) = [s for s in SNIPPETS if name in classes(s)]
    made = getattr(module_of(snippet, tmp_path, monkeypatch), name)
    outcomes = check(made, params)
    odd = {o.contract: o.what for o in outcomes if o.status in ("broken", "not judged")}
    assert odd == {}
    silent = {o.contract for o in outcomes if o.status == "not applicable"}
    assert silent <= {"nested_masks", "parameters", "extreme_densities"}
    assert ("extreme_densities" in silent) == hasattr(made, "reaches")


@pytest.mark.parametrize("name", some(["SET", "Gradual"]))
def test_what_does_nothing_in_six_steps_says_how_it_can_be_judged(
    name, tmp_path, monkeypatch
) -> None:
    (snippet,) = [s for s in SNIPPETS if name in classes(s)]
    made = getattr(module_of(snippet, tmp_path, monkeypatch), name)
    (outcome,) = [judged(c, Case(made)) for c in [contracts.resumes_as_undisturbed]]
    assert outcome.status == "not judged"
    assert outcome.what.endswith("; --set update_every=1 would judge it")


def test_the_first_strategy_has_twelve_lines() -> None:
    lines = [line for line in SNIPPETS[0].splitlines() if line.strip()]
    assert len(lines) <= 12


def test_every_hook_has_signature_and_row() -> None:
    for hook in (*hookspecs.STRATEGY_HOOKS, *hookspecs.OBSERVER_HOOKS):
        arguments = getattr(hookspecs, hook).__code__.co_varnames
        assert f"| `{hook}(self, {', '.join(arguments)})`" in TEXT
        assert any(f"def {hook}(self" in snippet for snippet in SNIPPETS), f"no example of {hook}"


def test_every_field_of_a_ticket_is_explained() -> None:
    fields = {f.name for f in dataclasses.fields(Ticket)} | set(vars(Ticket))
    for name in sorted(n for n in fields if not n.startswith("_")):
        wanted = f"`{name}`" if name in LOOP_S_OWN | {"before"} else f"`ticket.{name}"
        assert wanted in TEXT, name


def test_every_public_name_is_there() -> None:
    words = set(re.findall(r"\w+", TEXT))
    assert set(lth_bench.__all__) - OTHERS <= words


def test_every_contract_has_a_row() -> None:
    table = TEXT[TEXT.index("| contract |") : TEXT.index("## The hooks")]
    assert {c.name for c in contracts.CONTRACTS} <= set(re.findall(r"`(\w+)`", table))
