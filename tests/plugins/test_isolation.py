"""Other people's distributions: what is wrong with one of them is nobody else's trouble."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from lth_bench.cli.app import app
from lth_bench.errors import UnknownName, UserError
from lth_bench.plugins import load_registry

MINE = """
    from dataclasses import dataclass
    from lth_bench import Mask, Ticket, hookimpl

    @dataclass(frozen=True, eq=False)
    class Mine:
        '''Mine (Me, 2025).'''

        @hookimpl
        def select_mask(self, ticket: Ticket) -> Mask:
            return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)
"""
LOG = """
    from lth_bench import hookimpl

    class Log:
        @hookimpl
        def on_round(self, ticket, trained): ...
"""


def call(*arguments, error=None):
    """The output of a command; with `error`, the UserError that it ends in."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=True)
    if error is not None:
        assert isinstance(result.exception, error), result.exception
        return str(result.exception)
    assert result.exception is None, result.exception
    return result.stdout


def listed(*arguments):
    rows = json.loads(call("plugin", "list", "--json", *arguments))["plugins"]
    return {(row["name"], row["origin"]): row for row in rows}


# ---- what does not import -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nothing_like_it", "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("x = 1\n1 / 0", "ZeroDivisionError: division by zero (broken_x.py:2)"),
        ("def f(:", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "AttributeError: module 'broken_x' has no attribute 'Broken'"),
        ("def Broken(): ...", "a plugin is a class, but 'broken' is a function"),
    ],
)
def test_one_that_fails_to_import_is_listed_and_everything_else_works(install, source, reason):
    install("lth-bench-broken", {"strategies": {"broken": "broken_x:Broken"}}, broken_x=source)
    row = listed()["broken", "lth-bench-broken"]
    assert reason in row["error"]
    assert (row["version"], row["hooks"], row["class"]) == ("1.0", [], "broken_x:Broken")
    assert reason.partition("\n")[0][:20] in call("ls", "strategies")
    assert '"ok": true' in call("validate", "quickstart", "--json")
    said = call("validate", "quickstart", "--add", "broken", error=UserError)
    assert "the strategies plugin 'broken' of lth-bench-broken 1.0 cannot be loaded" in said
    assert reason in said


def test_a_misspelt_hook_is_found_when_the_plugin_is_loaded(install):
    source = MINE + "\n        @hookimpl\n        def rewind_pont(self, ticket): ...\n"
    install("lth-bench-slip", {"strategies": {"slip": "slip_x:Mine"}}, slip_x=source)
    said = call("validate", "quickstart", "--add", "slip", error=UserError)
    assert "plugin 'slip' of lth-bench-slip 1.0" in said
    assert "rewind_pont is marked @hookimpl" in said
    assert "did you mean rewind_point" in said
    assert "rewind_pont" in call("plugin", "info", "slip")


# ---- two of one name ------------------------------------------------------------------------


def test_a_name_clash_names_both_distributions_where_the_name_is_used(install):
    install("lth-bench-one", {"strategies": {"mine": "one_x:Mine"}}, "1.1", one_x=MINE)
    install("lth-bench-two", {"strategies": {"mine": "two_x:Mine"}}, "2.2", two_x=MINE)
    rows = listed()
    for origin, version in (("lth-bench-one", "1.1"), ("lth-bench-two", "2.2")):
        row = rows["mine", origin]
        assert row["version"] == version
        assert "one of lth-bench-" in row["error"]
    assert call("ls", "strategies").count("two plugins are called 'mine'") == 1
    said = call("validate", "quickstart", "--add", "mine", error=UserError)
    assert "two plugins are called 'mine' among the strategies" in said
    for part in ("lth-bench-one 1.1", "lth-bench-two 2.2"):
        assert part in said
    assert "--no-plugins" not in said
    call("validate", "quickstart")
    call("plugin", "info", "imp")


def test_nobody_takes_a_built_in_name(install):
    install("lth-bench-evil", {"strategies": {"snip": "evil_x:Mine"}}, evil_x=MINE)
    said = call("validate", "quickstart", error=UserError)
    assert "lth-bench 0.1.0" in said
    assert "lth-bench-evil 1.0" in said
    assert "--no-plugins" in said
    call("validate", "quickstart", "--no-plugins")
    call("validate", "quickstart", "-s", "imp")


def test_three_of_one_name():
    from lth_bench.plugins import Entry, Registry

    registry = Registry(
        [Entry(name="x", group="models", origin=origin, version="1") for origin in "abc"]
    )
    assert [entry.origin for entry in registry.models["x"].rivals] == ["a", "b", "c"]
    with pytest.raises(UserError, match=r"3 plugins .* one of a 1, one of b 1, one of c 1"):
        registry.get("models", "x")


# ---- without the others ---------------------------------------------------------------------


def test_no_plugins_leaves_lth_bench_s_own_and_files_that_are_named(install, tmp_path, monkeypatch):
    install("lth-bench-mine", {"strategies": {"mine": "mine_x:Mine"}}, mine_x=MINE)
    assert ("mine", "lth-bench-mine") in listed()
    rows = listed("--no-plugins")
    assert {origin for _, origin in rows} == {"lth-bench"}
    assert {"imp", "mlp", "digits"} <= {name for name, _ in rows}
    said = call("plugin", "info", "mine", "--no-plugins", error=UnknownName)
    assert "unknown plugin 'mine'" in said
    call("validate", "quickstart", "--add", "mine")
    call("validate", "quickstart", "--add", "mine", "--no-plugins", error=UserError)
    # the file may have the name of the distribution that is left out
    import textwrap

    file = tmp_path / "mine.py"
    file.write_text(textwrap.dedent(MINE))
    assert ("mine", str(file)) in listed("--no-plugins", "--plugin", file)
    assert "two plugins are called 'mine'" in call(
        "plugin", "list", "--plugin", file, error=UserError
    )
    monkeypatch.setenv("LTH_BENCH_NO_PLUGINS", "1")
    assert {origin for _, origin in listed()} == {"lth-bench"}
    assert "mine" not in call("ls", "strategies")


def test_an_unknown_name_says_who_is_left_out(install):
    install("lth-bench-mine", {"strategies": {"mine": "mine_x:Mine"}}, mine_x=MINE)
    with pytest.raises(UnknownName, match=r"unknown strategy 'mine'.*--no-plugins leaves out"):
        load_registry(third_party=False).get("strategies", "mine")


# ---- observers ------------------------------------------------------------------------------


def test_an_observer_that_cannot_be_had_is_left_out_and_said(install):
    install("lth-bench-log", {"observers": {"log": "log_x:Log"}}, log_x=LOG)
    install(
        "lth-bench-gone",
        {"observers": {"gone": "gone_x:Log", "shy": "shy_x:Log"}},
        gone_x="import nothing_like_it",
        shy_x=LOG + "\n        def __init__(self):\n            raise OSError('no port')\n",
    )
    made = load_registry().make_observers()
    assert "log" in made.working
    assert {"gone", "shy"}.isdisjoint(made.working)
    said = {text.split("'")[1]: text for text in made.left_out}
    gone, shy = said["gone"], said["shy"]
    assert "observer 'gone' is left out: " in gone
    assert "lth-bench-gone 1.0 cannot be loaded: ModuleNotFoundError" in gone
    assert (
        "'shy' of lth-bench-gone 1.0 is left out because it cannot be created: OSError: no port"
        in shy
    )


def test_an_observer_that_meddles_is_refused(install):
    source = LOG + "\n        @hookimpl\n        def train(self, ticket): ...\n"
    install("lth-bench-log", {"observers": {"log": "log_x:Log"}}, log_x=source)
    registry = load_registry()
    for _ in range(2):  # the second time it is remembered
        with pytest.raises(UserError, match=r"'log' of lth-bench-log 1\.0 .*cannot change a res"):
            registry.make_observers()
    assert "cannot change a result" in listed()["log", "lth-bench-log"]["error"]
