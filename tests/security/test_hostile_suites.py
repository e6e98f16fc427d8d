"""A suite from a stranger: no code, no file and no host of its choosing."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest
from thoroughness import some

from lth_bench.errors import UserError
from lth_bench.running.request import Execution, RunRequest, SuiteSelection
from lth_bench.suite.check import require_plugins, require_storage
from lth_bench.suite.load import suite_of
from lth_bench.tuning.run import tune_suite

TEXT = """
schema_version = 1
plugins = PLUGINS
[suite]
name = NAME
densities = [0.5]
seeds = 1
[recipes.fast]
steps = 10
batch_size = 50
val_size = 97
[[tasks]]
model = "mlp"
dataset = "digits"
recipe = "fast"
[[strategies]]
use = "imp"
label = LABEL
TUNE
"""


def suite(folder: Path, changes: tuple[str, ...] = (), **values: object):  # type: ignore[no-untyped-def]
    defaults = {"PLUGINS": [], "NAME": "mine", "LABEL": "imp"}
    text = TEXT
    for key, value in {**defaults, **values}.items():
        text = text.replace(key, json.dumps(value) if key != "TUNE" else str(value))
    return suite_of(text.replace("TUNE", ""), folder / "suite.toml", changes)


NAMES = ["../x", "/etc/passwd", "..", ".", "a/b", "a\\b", "x\0y", "x" * 65, "", " ", ".hidden",
         "a b", "é", "-x", "a\n"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["NAME", "LABEL"])
def test_names_that_could_lead_elsewhere_are_refused(tmp_path: Path, key: str, name: str) -> None:
    with pytest.raises(UserError, match=r"letters, digits and _ \. \+ -|not valid TOML"):
        suite(tmp_path, **{key: name})


def test_code_loads_only_if_the_same_file_is_named(tmp_path: Path) -> None:
    """However it is spelt: relative, through .., through a link."""
    (tmp_path / "sub").mkdir()
    real, other = tmp_path / "idea.py", tmp_path / "other.py"
    for file in (real, other):
        file.write_text("")
    (tmp_path / "link.py").symlink_to(real)
    for spelt in ("idea.py", "./idea.py", "sub/../idea.py", str(real), "link.py"):
        wanted = suite(tmp_path, PLUGINS=[spelt])
        require_plugins(wanted, [real], "lth-bench run suite.toml")
        require_plugins(wanted, [tmp_path / "sub" / ".." / "idea.py"], "lth-bench run suite.toml")
        for given in ([], [other]):
            with pytest.raises(UserError, match="needs its own code"):
                require_plugins(wanted, given, "lth-bench run suite.toml")


def test_a_link_that_now_leads_elsewhere_is_another_file(tmp_path: Path) -> None:
    read, link = tmp_path / "read.py", tmp_path / "link.py"
    read.write_text("")
    link.symlink_to(read)
    wanted = suite(tmp_path, PLUGINS=["link.py"])
    link.unlink()
    link.symlink_to(tmp_path / "evil.py")
    with pytest.raises(UserError, match=r"needs its own code: .*evil\.py"):
        require_plugins(wanted, [read], "lth-bench run suite.toml")


STORED = """
[tune]
budget = { trials = 1 }
seeds = 1
storage = "URL"
"""


def test_no_store_is_opened_because_a_suite_says_so(tmp_path: Path) -> None:
    """Neither a file that would be made nor a host that would be asked."""
    file = tmp_path / "elsewhere.db"
    wanted = suite(tmp_path, TUNE=STORED.replace("URL", f"sqlite:///{file}"))
    execution = Execution(results=tmp_path / "r.duckdb")
    selection = SuiteSelection(suite=tmp_path / "suite.toml")
    request = RunRequest(
        selection=selection, execution=execution, command="lth-bench tune suite.toml"
    )
    with pytest.raises(UserError) as caught:
        tune_suite(wanted, None, request, emit=None)  # type: ignore[arg-type]
    assert f"lth-bench tune suite.toml --storage sqlite:///{file}" in caught.value.message
    assert os.listdir(tmp_path) == []
    with sqlite3.connect(":memory:"):
        secret = suite(tmp_path, TUNE=STORED.replace("URL", "mysql://me:secret@host/x"))
    with pytest.raises(UserError) as caught:
        require_storage(secret, "lth-bench tune suite.toml")
    assert "secret" not in caught.value.message


def test_a_store_that_the_command_line_names_is_taken(tmp_path: Path) -> None:
    changes = (f"tune.storage={json.dumps('sqlite:///mine.db')}",)
    wanted = suite(tmp_path, changes, TUNE=STORED.replace("URL", "sqlite:///theirs.db"))
    require_storage(wanted, "lth-bench tune suite.toml")
    assert wanted.tune is not None
    assert wanted.tune.storage == "sqlite:///mine.db"
    require_storage(suite(tmp_path), "lth-bench tune suite.toml")


def bombs() -> list[tuple[str, str]]:
    """Text, and what is said of it. Each took minutes, or ended in a traceback."""
    base = TEXT.replace("PLUGINS", "[]").replace("NAME", '"a"').replace("LABEL", '"b"')
    base = base.replace("TUNE", "")
    lists = ",".join(f'"m{i}"' for i in range(40))
    return [
        ("a" + ".a" * 1500 + " = 1\n" + base, "nested too deeply"),
        ("a" + ".a" * 50_000 + " = 1\n" + base, "a line of a suite has at most 2,000 dots"),
        ("a = " + "[" * 5000, "nested too deeply"),
        (base + 'x = """' + "\n" * 5000 + '"""', "unknown key"),
        ("\n".join(f"k{i} = 1" for i in range(5000)) + "\nx = " + "9" * 5000, "not valid TOML"),
        (base.replace('"mlp"', f"[{lists}]").replace('"digits"', f"[{lists}]"), "1,600 tasks"),
    ]


@pytest.mark.parametrize("number", some([0, 1, 2, 4, 5, 3], 5))
def test_what_would_take_minutes_is_refused_soon(tmp_path: Path, number: int) -> None:
    import time

    text, said = bombs()[number]
    began = time.process_time()
    with pytest.raises(UserError, match=said):
        suite_of(text, tmp_path / "suite.toml")
    assert time.process_time() - began < 20


def test_a_key_is_set_deeply_only_so_far(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nested too deeply; at most 60 tables or lists"):
        suite(tmp_path, ("strategies.imp.params.x" + ".a" * 1500 + "=1",))


def test_two_changes_of_one_key_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"suite\.seeds"):
        suite(tmp_path, ("suite.seeds=2", "suite.seeds=3"))
