"""Strategies that the command line adds to a suite."""

from __future__ import annotations

import pytest

from lth_bench.errors import NothingSelected, UserError
from lth_bench.plugins import Entry, Registry
from lth_bench.running.request import RunRequest, prepare
from lth_bench.suite import load_suite
from lth_bench.suite.additions import add_to, additions

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
    entries = [Entry(name, "strategies", "theirs", "1") for name in names]
    for path, found in (files or {}).items():
        entries += [Entry(name, "strategies", str(path), "1") for name in found]
    return Registry(entries)


def test_what_is_asked_for_by_name():
    known = registry("imp", "snip", "mine")
    assert additions(DOCUMENT, ["mine"], (), (), known) == {"mine": "--add mine"}
    with pytest.raises(UserError, match=r"--add: unknown strategy 'mien'.*'mine'"):
        additions(DOCUMENT, ["mien"], (), (), known)
    for name in ("imp", "snip", "snip-big"):
        with pytest.raises(UserError, match=rf"--add {name}: the suite lists it already.*--set"):
            additions(DOCUMENT, [name], (), (), known)


def test_a_file_adds_its_strategies_where_the_suite_uses_none_of_them(tmp_path):
    file = tmp_path / "idea.py"
    known = registry("imp", "snip", files={file: ["first", "second"]})
    assert list(additions(DOCUMENT, (), (), [file], known)) == ["first", "second"]
    uses = {"strategies": [{"use": "first"}]}
    assert additions(uses, (), (), [file], known) == {}
    assert list(additions(uses, (), ["second"], [file], known)) == ["second"]


def test_a_filter_for_what_is_installed_says_how_to_add_it():
    known = registry("imp", "snip", "mine")
    with pytest.raises(NothingSelected, match=r"no strategy 'mine', but it is.* --add mine"):
        additions(DOCUMENT, (), ["mine"], (), known)
    assert additions(DOCUMENT, ["mine"], ["mine"], (), known) == {"mine": "--add mine"}
    assert additions(DOCUMENT, (), ["snip-big", "snip", "nobody"], (), known) == {}


@pytest.mark.parametrize("document", [{}, {"strategies": 3}, {"strategies": [3, {"label": 4}]}])
def test_a_document_that_is_no_suite_is_left_to_the_reader(document):
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


def test_the_whole_way(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "idea.py"
    file.write_text(IDEA)
    request = RunRequest.from_arguments(suite=write(), plugins=[file])
    suite, known = prepare(request)
    assert [s.use for s in suite.strategies][-2:] == ["first", "second"]
    assert known.get("strategies", "first")().rate == 0.2
    # a suite's own code still needs to be named
    named = write("schema_version = 1", 'schema_version = 1\nplugins = ["other.py"]')
    with pytest.raises(UserError, match=r"(?s)needs code of its own: other.py.*idea.py"):
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
