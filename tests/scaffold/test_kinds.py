"""Models, datasets and objectives that `plugin new` writes keep their contracts as they stand."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from lth_bench import scaffold
from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.testing.checking import PartGroup, check_part

KINDS: list[tuple[str, PartGroup]] = [
    ("model", "models"), ("dataset", "datasets"), ("objective", "objectives"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "group"), KINDS)
def test_a_single_file_keeps_every_contract_and_has_a_suite(kind, group, tmp_path: Path) -> None:
    scaffold.write_files(tmp_path, scaffold.single_file("my_idea", kind))
    registry = load_registry([tmp_path / "my_idea.py"])
    outcomes = check_part(group, "my_idea", {}, registry)
    assert {o.contract: o.what for o in outcomes if o.status in ("broken", "not judged")} == {}
    suite = tomllib.loads((tmp_path / "my_idea.toml").read_text())
    assert suite["tasks"][0][kind] == "my_idea" and suite["plugins"] == ["my_idea.py"]


@pytest.mark.parametrize(("kind", "group"), KINDS)
def test_a_package_names_its_entry_point_and_its_conformance(kind, group) -> None:
    texts = scaffold.package("my_idea", kind)
    project = tomllib.loads(texts["pyproject.toml"])["project"]
    assert project["entry-points"] == {f"lth_bench.{group}": {"my_idea": "lth_my_idea:MyIdea"}}
    compile(texts["src/lth_my_idea/__init__.py"], "plugin", "exec")
    test = texts["tests/test_my_idea.py"]
    compile(test, "test", "exec")
    assert f'{kind} = "my_idea"' in test and f"{kind.capitalize()}Conformance" in test
    assert "$" not in "".join(texts.values())


def test_a_name_is_taken_within_its_kind_alone() -> None:
    registry = load_registry()
    with pytest.raises(UserError, match="is used by the model 'lenet5'"):
        scaffold.require_name("lenet5", registry, True, "model")
    scaffold.require_name("lenet5", registry, True, "dataset")
