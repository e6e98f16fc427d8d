"""What a contributor is told: the map of the code, the targets, the checks that run elsewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from documents import TRACKED

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "harness" / "lth_bench"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def targets(of: str) -> set[str]:
    return set(re.findall(r"\bmake ([a-z][a-z-]*)", of))


def known() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text("Makefile"), re.M))


# the map


def test_every_path_of_the_map_exists() -> None:
    paths = re.findall(r"`([\w./]*[\w/]\.py|[\w./]+/)`", text("ARCHITECTURE.md"))
    assert len(paths) > 30
    assert [p for p in paths if not any((root / p).exists() for root in (ROOT, PACKAGE))] == []


def test_every_room_is_on_the_map() -> None:
    table = text("ARCHITECTURE.md").partition("| room |")[2].partition("## Words")[0]
    rooms = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()}
    assert {r for r in rooms if f"`{r}/" not in table} == set()


def test_five_files_are_named_to_begin_with() -> None:
    part = text("ARCHITECTURE.md").partition("## Read these five files first")[2].partition("##")[0]
    files = re.findall(r"^\d\. `([^`]+)`", part, re.M)
    assert len(files) == 5
    assert [f for f in files if not (ROOT / f).is_file()] == []


def test_what_contributing_names_exists() -> None:
    contributing = text("CONTRIBUTING.md")
    assert targets(contributing) <= known()
    for room in re.findall(r"`((?:harness|plugins|tests)/[\w./]*)`", contributing):
        assert (ROOT / room).exists() or "NAME" in room, room
    groups = tomllib.loads(text("pyproject.toml"))["project"]["entry-points"]
    assert set(re.findall(r"`(lth_bench\.\w+)`", contributing)) == {*groups}


def test_all_code_is_linted_and_no_file_of_a_reader() -> None:
    (folders,) = re.findall(r"^CODE := (.*)$", text("Makefile"), re.M)
    assert {p.relative_to(ROOT).parts[0] for p in TRACKED if p.suffix == ".py"} == {
        *folders.split()
    }
    assert re.findall(r"ruff .*[^)]$", text("Makefile"), re.M) == []


def test_agents_are_sent_to_contributing() -> None:
    agents = text("AGENTS.md")
    assert "(CONTRIBUTING.md)" in agents
    assert len(agents.splitlines()) <= 10
    assert targets(agents) <= known()


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads(text("pyproject.toml"))["project"]
    citation = dict(re.findall(r"^([a-z-]+): (\S+)$", text("CITATION.cff"), re.M))
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]


# checks that run elsewhere


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda p: p.name)
def test_workflows_call_targets_that_exist(workflow: Path) -> None:
    for line in re.findall(r"^\s*- run: (.*)$", workflow.read_text("utf-8"), re.M):
        words = line.split()
        if words[0] == "make":
            assert words[1] in known(), line
        else:
            assert (ROOT / words[0]).is_file(), line


def test_the_workflow_checks_what_ci_checks() -> None:
    """The same targets, on every Python that pyproject.toml names."""
    (workflow,) = (w for w in WORKFLOWS if w.name == "ci.yml")
    lines = re.findall(r"^\s*- run: (.*)$", workflow.read_text("utf-8"), re.M)
    called = targets("\n".join(re.findall(r"^step \S+ (.*)$", text(".ci/run"), re.M)))
    assert targets("\n".join(lines)) == called
    classifiers = tomllib.loads(text("pyproject.toml"))["project"]["classifiers"]
    pythons = re.findall(r"Python :: (3\.\d+)$", "\n".join(classifiers), re.M)
    (matrix,) = re.findall(r"python: \[(.*)\]", workflow.read_text("utf-8"))
    assert re.findall(r"3\.\d+", matrix) == pythons


def test_hooks_before_a_commit_fetch_nothing() -> None:
    hooks = text(".pre-commit-config.yaml")
    assert re.findall(r"repo: (\S+)", hooks) == ["local"]
    for entry in re.findall(r"entry: \.venv/bin/(\S+)", hooks):
        assert re.search(rf"\$\(BIN\)/{entry}\b", text("Makefile"))
    assert "http" not in hooks
