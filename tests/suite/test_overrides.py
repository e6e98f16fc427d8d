"""What the command line changes in a suite: --add, --plugin and --set."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import UNCHECKED, cases

from lth_bench.errors import NothingSelected, UserError
from lth_bench.plugins import Entry, Registry
from lth_bench.running.request import RunRequest, prepare
from lth_bench.suite import Suite, load_suite
from lth_bench.suite.overrides import add_to, additions

IDEA = """
from dataclasses import dataclass
from lth_bench import hookimpl

@dataclass(frozen=True, eq=False)
class First:
    rate: float = 0.2
    @hookimpl
    def select_mask(self, ticket): ...

class Second(First): ...
"""
DOCUMENT = {"strategies": [{"use": "imp"}, {"use": "snip", "label": "snip-big"}]}


def registry(*names, files=None):
    entries = [Entry(name=name, group="strategies", origin="theirs", version="1") for name in names]
    for path, found in (files or {}).items():
        entries += [
            Entry(name=name, group="strategies", origin=str(path), version="1") for name in found
        ]
    return Registry(entries)


def test_add_by_name():
    known = registry("imp", "snip", "mine")
    assert additions(DOCUMENT, ["mine"], (), (), known) == {"mine": "--add mine"}
    with pytest.raises(UserError, match=r"--add: unknown strategy 'mien'.*'mine'"):
        additions(DOCUMENT, ["mien"], (), (), known)
    for name in ("imp", "snip", "snip-big"):
        with pytest.raises(UserError, match=rf"--add {name}: the suite already has it.*--set"):
            additions(DOCUMENT, [name], (), (), known)


def test_a_file_adds_its_strategies_where_the_suite_uses_none_of_them(tmp_path):
    file = tmp_path / "idea.py"
    known = registry("imp", "snip", files={file: ["first", "second"]})
    assert list(additions(DOCUMENT, (), (), [file], known)) == ["first", "second"]
    uses = {"strategies": [{"use": "first"}]}
    assert additions(uses, (), (), [file], known) == {}
    assert list(additions(uses, (), ["second"], [file], known)) == ["second"]


def test_a_filter_for_an_installed_strategy_says_how_to_add_it():
    known = registry("imp", "snip", "mine")
    with pytest.raises(NothingSelected, match=r"no strategy 'mine', but it is.* --add mine"):
        additions(DOCUMENT, (), ["mine"], (), known)
    assert additions(DOCUMENT, ["mine"], ["mine"], (), known) == {"mine": "--add mine"}
    assert additions(DOCUMENT, (), ["snip-big", "snip", "nobody"], (), known) == {}


@pytest.mark.parametrize("document", [{}, {"strategies": 3}, {"strategies": [3, {"label": 4}]}])
def test_an_invalid_document_is_left_to_load(document):
    assert additions(document, ["mine"], (), (), registry("mine")) == {"mine": "--add mine"}
    add_to(document, {"mine": "--add mine"})


def test_an_added_strategy_is_like_a_listed_one(write):
    added = {"first": "--add first"}
    suite = load_suite(write(), ["strategies.first.params.rate=0.3"], added=added)
    assert [s.label for s in suite.strategies][-1] == "first"
    assert suite.strategies[-1].params == {"rate": 0.3}
    assert suite.strategies[-1].controls == suite.controls
    # so what is recorded of the run says nothing of a changed suite
    assert load_suite(write(), added=added).overrides == ()
    only = load_suite(write(), strategies=["first"], added=added)
    assert [s.label for s in only.strategies] == ["first"]


def test_prepare_adds_a_strategy_from_a_file(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "idea.py"
    file.write_text(IDEA)
    request = RunRequest.from_arguments(suite=write(), plugins=[file])
    suite, known = prepare(request)
    assert [s.use for s in suite.strategies][-2:] == ["first", "second"]
    assert known.get("strategies", "first")().rate == 0.2
    # a suite's own code still needs to be named
    named = write("schema_version = 1", 'schema_version = 1\nplugins = ["other.py"]')
    with pytest.raises(UserError, match=r"(?s)needs its own code: other.py.*idea.py"):
        prepare(RunRequest.from_arguments(suite=named, plugins=[file]))


def test_an_error_in_an_added_strategy_names_the_option(tmp_path):
    from lth_bench.suite.check import check

    file = tmp_path / "idea.py"
    file.write_text(IDEA.replace("rate: float = 0.2", "rate: float"))
    suite, known = prepare(RunRequest.from_arguments(suite="quickstart", plugins=[file]))
    with pytest.raises(UserError) as caught:
        check(suite, known)
    assert str(caught.value).startswith(f"--plugin {file}: strategy first: ")
    assert "rate" in str(caught.value)


def load(write, *overrides):
    return load_suite(write(), overrides)


def test_values_are_toml(write):
    suite = load(
        write,
        "suite.seeds=[4, 5]",
        "recipes.fast.lr = 0.05",
        "recipes.fast.optimizer=sgd",
        "recipes.fast.schedule='step'",
        "tasks.0.densities={rate = 0.5, rounds = 2}",
        "strategies.imp.params.rate=0.3",
        "strategies.snip-big.params.batch=32",
        "strategies.1.label=other",
    )
    assert suite.seeds == (4, 5)
    assert suite.tasks[0].recipe == {
        "optimizer": "sgd",
        "lr": 0.05,
        "steps": 100,
        "schedule": "step",
    }
    assert suite.tasks[0].densities == (0.5, 0.25)
    assert suite.strategies[0].params == {"rate": 0.3}
    assert (suite.strategies[1].label, suite.strategies[1].params) == ("other", {"batch": 32})
    assert suite.overrides[0] == "suite.seeds=[4, 5]"


def test_missing_tables_are_created(write):
    suite = load(write, "strategies.snip-big.per_model.mlp.batch=8")
    assert suite.strategies[1].per_model == {"mlp": {"batch": 8}}


def test_the_text_of_the_file_is_kept(write, text):
    assert load(write, "suite.seeds=7").text == text


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("suite.seeds", ["KEY=VALUE", "--set recipes.paper.lr=0.05"]),
        ("=3", ["KEY=VALUE"]),
        ("suite.seeds=", ["not a TOML value"]),
        ("suite.seeds=3 4", ["'3 4' is not a TOML value"]),
        ("suite.seeds=3\nname='x'", ["more than one TOML value"]),
        ("suite..seeds=3", ["not a dotted key"]),
        ("suite.sedes=3", ["unknown key suite.sedes", "'seeds'"]),
        ("siute.seeds=3", ["unknown key siute", "'suite'"]),
        ("suite.seeds=0", ["suite.seeds must be an integer in [1, 10000]", "got 0"]),
        ("suite.seeds=3.5", ["got 3.5"]),
        ("suite.densities=[2]", ["suite.densities[0]", "(0, 1]"]),
        ("recipes.fats.lr=1", ["no recipe 'fats'", "'fast'"]),
        ("strategies.ipm.params.rate=1", ["no element 'ipm'", "'imp'"]),
        ("tasks.1.model=conv", ["tasks has no element '1' (0 to 0)"]),
        ("tasks.0.model.1.hidden.x=1", ["tasks[0].model[1].hidden", "no element 'x'"]),
        ("suite.name.x=1", ["suite.name is 'demo', not a table"]),
        ("schema_version=9", ["schema_version 9 is newer"]),
    ],
)
def test_errors_name_the_option(write, override, parts):
    with pytest.raises(UserError) as caught:
        load(write, override)
    assert str(caught.value).startswith(("--set ", "--set takes"))
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("word", ["李明", "Đorđe", "_x", "a.b:c+d-e", "हिन्दी", "δοκιμή"])
def test_a_bare_word_in_any_script_is_a_string(write, word):
    suite = load(write, f"suite.description={word}", f"strategies.imp.params.note={word}")
    assert suite.description == suite.strategies[0].params["note"] == word


@pytest.mark.parametrize(
    "word", ["李 明", "李\u3000明", "-明", "1明", "明=1", "明#", "明\x1b[0m", "明\udcff"]
)
def test_other_values_need_quotes(write, word):
    with pytest.raises(UserError, match="is not a TOML value"):
        load(write, f"suite.description={word}")


def test_a_key_in_any_script(write):
    suite = load(write, "strategies.imp.params.学习率=0.5", "strategies.imp.params.'a b'=1")
    assert {"学习率": 0.5, "a b": 1}.items() <= suite.strategies[0].params.items()


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("suite.seeds=3", "suite.seeds=4", "--set suite.seeds=3 sets the same key"),
        ("suite.seeds=3", "suite.'seeds'=3", "sets the same key"),
        ("strategies.imp.label=a", "strategies.0.label=b", "sets the same key"),
        ("recipes.fast.lr=1", "recipes.fast={lr = 1}", "--set recipes.fast.lr=1 would be undone"),
    ],
)
def test_an_override_must_not_undo_another(write, first, second, why):
    with pytest.raises(UserError, match=f"--set {second}".split("=")[0]) as caught:
        load(write, first, second)
    assert why in str(caught.value)


def test_an_override_may_change_a_part_of_an_earlier_one(write):
    suite = load(write, "strategies.imp.params={rate = 0.1}", "strategies.imp.params.more=2")
    assert suite.strategies[0].params == {"rate": 0.1, "more": 2}


@settings(
    max_examples=cases(300),
    deadline=None,
    suppress_health_check=UNCHECKED,
)
@given(
    key=st.sampled_from(["suite", "suite.seeds", "tasks.0.model", "strategies.imp", "a", "recipes"])
    | st.text(max_size=6),
    value=st.sampled_from(["1", "[]", "{}", "x", "'y'", "[1]", "nan"]) | st.text(max_size=6),
)
def test_any_override(write, key, value):
    try:
        suite = load_suite(write(), [f"{key}={value}"])
    except UserError as error:
        message = str(error)
    else:
        assert isinstance(suite, Suite)
        return
    assert "--set" in message or "demo.toml" in message
