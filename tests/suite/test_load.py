from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import UNCHECKED, cases

from lth_bench.errors import UserError
from lth_bench.suite import Suite, load_suite


def test_reads_the_grid(write):
    suite = load_suite(write())
    assert (suite.name, suite.version, suite.baseline) == ("demo", 1, "dense")
    assert suite.densities == (0.5, 0.2)  # from dense to sparse, however written
    assert suite.seeds == (0, 1)
    assert [task.label for task in suite.tasks] == [
        "conv/digits/fast",
        "mlp(hidden=[30])/digits/fast",
    ]
    assert suite.tasks[1].model.params == {"hidden": [30]}
    assert suite.tasks[0].recipe == {"optimizer": "adam", "lr": 1e-3, "steps": 100}
    assert [s.label for s in suite.strategies] == ["imp", "snip-big"]
    assert [(s.label, t.model.name) for s, t in suite.pairs()] == [
        ("imp", "conv"),
        ("imp", "mlp"),
        ("snip-big", "mlp"),
    ]
    assert suite.text.startswith("schema_version")


def test_per_model_overrides_params(write):
    imp = load_suite(write()).strategies[0]
    conv, mlp = (task.model for task in load_suite(write()).tasks)
    assert imp.params_for(conv) == {"rate": {"conv": 0.1, "output": 0.3}}
    assert imp.params_for(mlp) == {"rate": {"conv": 0.1}}


def test_a_sparsity_schedule(write):
    suite = load_suite(write("[0.2, 0.5]", "{ rate = 0.2, rounds = 4 }"))
    assert suite.densities == (0.8, 0.64, 0.512, 0.4096)


def test_a_tasks_own_densities(write):
    suite = load_suite(write('recipe = "fast"', 'recipe = "fast"\ndensities = [0.01, 1]'))
    assert {task.densities for task in suite.tasks} == {(1.0, 0.01)}
    assert suite.densities == (0.5, 0.2)


def test_densities_in_every_task_need_none_in_the_suite(write):
    path = write("densities = [0.2, 0.5]\n", "")
    with pytest.raises(UserError, match=r"demo.toml:12: tasks\[0\] has no densities"):
        load_suite(path)
    path.write_text(path.read_text().replace('"digits"', '"digits"\ndensities = [0.3]'))
    assert load_suite(path).densities == (0.3,)


def test_lists_make_a_grid(write):
    path = write('dataset = "digits"', 'dataset = ["digits", { name = "folder", path = "x" }]')
    path.write_text(
        path.read_text()
        .replace('recipe = "fast"', 'recipe = ["fast", "slow"]')
        .replace("[recipes.fast]", "[recipes.slow]\nsteps = 9\n[recipes.fast]")
    )
    labels = [task.label for task in load_suite(path).tasks]
    assert len(labels) == 8
    assert labels[:4] == [
        "conv/digits/fast",
        "conv/digits/slow",
        "conv/folder(path=x)/fast",
        "conv/folder(path=x)/slow",
    ]


def test_the_text_after_a_colon_is_the_parameter_name(write):
    path = write('"conv", {', '"zoo:resnet50", { name = "zoo:vgg", pretrained = true }, "conv", {')
    one, two = (task.model for task in load_suite(path).tasks[:2])
    assert (one.name, one.params, one.label) == ("zoo", {"name": "resnet50"}, "zoo:resnet50")
    assert two.params == {"name": "vgg", "pretrained": True}
    assert two.label == "zoo:vgg(pretrained=true)"


def test_controls_of_the_suite_and_of_a_strategy(write):
    path = write("seeds = 2", 'seeds = 2\ncontrols = ["reinit", "shuffle"]')
    path.write_text(path.read_text().replace('use = "snip"', 'use = "snip"\ncontrols = []'))
    assert [s.controls for s in load_suite(path).strategies] == [("reinit", "shuffle"), ()]


def test_decide_stands_in_for_seeds(write):
    suite = load_suite(write("seeds = 2", "decide = {}"))
    assert suite.decide is not None
    assert suite.seeds == (0, 1, 2)  # those of its first look


# What is replaced, by what, the line the error names, and parts of its message.
WRONG = [
    ("schema_version = 1", "", 1, ["schema_version is missing", "`schema_version = 1`"]),
    ("schema_version = 1", "schema_version = 2", 1, ["schema_version 2 is newer", "(1)"]),
    ("schema_version = 1", "schema_version = '1'", 1, ["must be 1, but got '1'"]),
    ("[suite]", "[siute]", 3, ["unknown key siute", "'suite'"]),
    ("seeds = 2", "sedes = 2", 6, ["unknown key suite.sedes", "'seeds'"]),
    ("seeds = 2", "", 3, ["missing key suite.seeds", "or decide = {}"]),
    ("seeds = 2", "seeds = 0", 6, ["suite.seeds must be an integer in [1, 10000]", "got 0"]),
    ("seeds = 2", "seeds = [3, 3]", 6, ["seeds lists 3 twice"]),
    ("seeds = 2", "seeds = [-1]", 6, ["suite.seeds[0]", "got -1"]),
    ("seeds = 2", "seeds = []", 6, ["suite.seeds is empty"]),
    ("seeds = 2", "seeds = 1.5", 6, ["an integer", "got 1.5"]),
    ("seeds = 2", "seeds = true", 6, ["an integer", "got true"]),
    ("[0.2, 0.5]", "[\n0.2,\n1.5]", 7, ["suite.densities[1]", "a number in (0, 1]", "got 1.5"]),
    ("[0.2, 0.5]", "[0.2, 0]", 5, ["suite.densities[1]", "(0, 1]", "got 0"]),
    ("[0.2, 0.5]", "[nan]", 5, ["(0, 1]", "got nan"]),
    ("[0.2, 0.5]", "[\n0.2,\n0.2,\n]", 7, ["densities lists 0.2 twice"]),
    ("[0.2, 0.5]", "[]", 5, ["densities is empty"]),
    ("[0.2, 0.5]", '["a"]', 5, ["suite.densities[0] must be a number in (0, 1], but got 'a'"]),
    ("[0.2, 0.5]", "{ rate = 0.2 }", 5, ["missing key suite.densities.rounds"]),
    ("[0.2, 0.5]", "{ rate = 1, rounds = 3 }", 5, ["suite.densities.rate", "(0, 1)"]),
    (
        "[0.2, 0.5]",
        "{ rate = 0.99999, rounds = 99 }",
        5,
        ["at this rate, so many rounds prune every weight"],
    ),
    ("[0.2, 0.5]", "[0.2,", 6, ["not valid TOML"]),
    ('name = "demo"', 'name = "a/b"', 4, ["name must consist of ASCII letters", "'a/b'"]),
    ('name = "demo"', 'name = "demo"\nbaseline = "drop"', 5, ["suite.baseline", "dense, imp"]),
    ('name = "demo"', 'name = "demo"\ncontrols = ["reint"]', 5, ["suite.controls[0]", "'reinit'"]),
    ('name = "demo"', 'name = "demo"\nversion = 0', 5, ["suite.version", ">= 1"]),
    ('recipe = "fast"', 'recipe = "fats"', 16, ["tasks[0].recipe", "'fats'", "'fast'"]),
    ('recipe = "fast"', "recipe = []", 16, ["tasks[0].recipe is an empty list"]),
    ("[recipes.fast]", '[recipes."a/b"]', 8, ["recipes must consist of ASCII letters", "'a/b'"]),
    ("lr = 1e-3", "lr = 1" + "0" * 30, 10, ["recipes.fast.lr", "64 bits"]),
    ("lr = 1e-3", "lr = 1" + "0" * 5000, 10, ["not valid TOML"]),
    ("lr = 1e-3", "lr = = 2", 10, ["not valid TOML", "column 6"]),
    ('["conv", {', "[3, {", 14, ["tasks[0].model[0] must be a string or a table, but got 3"]),
    ('name = "mlp"', 'nam = "mlp"', 14, ["tasks[0].model[1] has no name"]),
    ('"conv", {', '"conv", "conv", {', 13, ["conv/digits/fast is listed twice"]),
    ('"conv", {', '":x", {', 14, ["PLUGIN:NAME", "':x'"]),
    ('dataset = "digits"', "dataset = []", 15, ["tasks[0].dataset is an empty list"]),
    ('use = "snip"', 'uses = "snip"', 26, ["strategies[1].uses", "'use'"]),
    ('use = "imp"', 'use = "a b"', 19, ["use must consist of ASCII letters", "'a b'"]),
    ('"snip-big"', '"imp"', 25, ["the label 'imp' is taken by strategies[0]"]),
    ('"snip-big"', '"../x"', 27, ["label must consist of ASCII letters", "'../x'"]),
    ('"snip-big"', '"dense"', 27, ["'dense' is reserved for the strategy dense"]),
    ('["mlp"]', '["mpl"]', 29, ["strategies[1].models: no task has a model 'mpl'", "'mlp'"]),
    ("per_model.conv]", "per_model.cnv]", 22, ["per_model: no task has a model 'cnv'", "'conv'"]),
    ("params = { batch = 64 }", "params = 3", 28, ["strategies[1].params must be a table"]),
]


@pytest.mark.parametrize(("old", "new", "line", "parts"), WRONG)
def test_one_message_with_file_line_and_key(write, old, new, line, parts):
    path = write(old, new)
    with pytest.raises(UserError) as caught:
        load_suite(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: "), message
    for part in parts:
        assert part in message
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("key", ["tasks", "strategies"])
def test_tables_that_may_not_be_empty(tmp_path, key):
    path = tmp_path / "demo.toml"
    other = {"tasks": "strategies = [{use = 'imp'}]", "strategies": "tasks = []"}[key]
    path.write_text(f"schema_version = 1\n{other}\n{key} = []\nsuite = {{name = 'a', seeds = 1}}")
    with pytest.raises(UserError, match="is empty; a suite needs at least one"):
        load_suite(path)


def test_unknown_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "empty.toml").write_text(" \n")
    (tmp_path / "latin.toml").write_bytes(b"a = 1\nb = '\xe9'\n")
    (tmp_path / "long.toml").write_bytes(b"#" * 1_000_001)
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000)
    expected = {
        "": "no suite given",
        "quickstrat": "did you mean 'quickstart'",
        "folder": "'folder' is a directory",
        "./folder": "folder is a directory",
        "nowhere.toml": "no suite file 'nowhere.toml'",
        "pipe.toml": "not a regular file",
        "empty.toml": "empty.toml is empty",
        "latin.toml": r"latin.toml:2: not UTF-8 text \(byte 0xe9\)",
        "long.toml": "longer than 1,000,000 bytes",
        "deep.toml": "deep.toml.*nested too deeply",
        "a\0b": "no suite 'a",
        "a/\0b": "'a/.x00b'|no suite file",
        "x" * 5000: "no suite 'xxx",
        "y" * 5000 + ".toml": "File name too long",
    }
    for name, message in expected.items():
        with pytest.raises(UserError, match=message) as caught:
            load_suite(name)
        assert len(str(caught.value)) < 400


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(write):
    path = write()
    path.chmod(0)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        load_suite(path)


def test_a_byte_order_mark_and_windows_line_ends(write, text):
    path = write()
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_suite(path).name == "demo"


def test_reading_imports_nothing_heavy(write):
    script = (
        "import sys; from lth_bench.suite import load_suite; load_suite(sys.argv[1]);"
        "heavy = {'torch', 'duckdb', 'optuna', 'pandas', 'scipy', 'pydantic'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", script, str(write())], check=True)


# ---- whatever the file holds: a suite, or one message ----


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "fuzz.toml"


def load_or_refuse(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        suite = load_suite(path)
    except UserError as error:
        message = str(error)
        assert message.startswith(str(path))
        assert len(message) < 2000
        assert not any(word in message for word in ("pydantic", "function-", "typing.", "Mapping["))
    else:
        assert isinstance(suite, Suite)
        assert suite.pairs()
        assert all(0 < d <= 1 for task in suite.tasks for d in task.densities)


FUZZ = settings(
    max_examples=cases(700),
    deadline=None,
    suppress_health_check=UNCHECKED,
)

KEYS = """
schema_version suite name version densities seeds controls baseline plugins tasks model dataset
recipe recipes fast strategies use label params per_model models rate rounds
claims text source of versus metric density compare at_least within reported published
"""
keys = st.sampled_from(KEYS.split())
scalars = (
    st.booleans()
    | st.integers(-(2**64), 2**64)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["imp", "conv", "mlp", "digits", "fast", "reinit", "dense", "", "a/b", "é"])
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=4)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=8,
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


@FUZZ
@given(content=st.binary(max_size=200))
def test_any_bytes(scratch, content):
    load_or_refuse(scratch, content)


@FUZZ
@given(document=st.dictionaries(keys, values, max_size=7))
def test_any_document(scratch, document):
    document.setdefault("schema_version", 1)
    lines = [f"{json.dumps(key)} = {toml(value)}" for key, value in document.items()]
    load_or_refuse(scratch, "\n".join(lines).encode())


@FUZZ
@given(data=st.data())
def test_a_suite_with_one_value_exchanged(scratch, text, data):
    lines = text.splitlines()
    numbers = [i for i, line in enumerate(lines) if " = " in line]
    i = data.draw(st.sampled_from(numbers))
    key = lines[i].split(" = ")[0]
    if data.draw(st.booleans()):
        key = data.draw(keys)
    lines[i] = f"{key} = {toml(data.draw(values))}"
    load_or_refuse(scratch, "\n".join(lines).encode())


@FUZZ
@given(data=st.data())
def test_a_suite_with_a_piece_cut_or_pasted(scratch, text, data):
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 3)))
    edited = data.draw(
        st.sampled_from([text[:a] + text[b:], text[:c] + text[a:b] + text[c:], text[:a]])
    )
    load_or_refuse(scratch, edited.encode())
