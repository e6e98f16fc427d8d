from __future__ import annotations

from dataclasses import dataclass

import pytest

from lth_bench.errors import UserError
from lth_bench.plugins import Entry
from lth_bench.suite import load_suite
from lth_bench.suite.check import check, require_plugins, unpruned_only
from lth_bench.suite.spec import summary


def test_a_valid_suite_passes(write, registry):
    check(load_suite(write()), registry)


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [
        ('use = "imp"', 'use = "ipm"', 19, ["strategies[0].use", "strategy 'ipm'", "'imp'"]),
        ('use = "imp"', 'use = "broken"', 19, ["strategies[0].use", "ImportError", "'broken'"]),
        ('["conv", {', '["cnov", "conv", {', 14, ["tasks[0].model[0]", "model 'cnov'", "'conv'"]),
        ('"digits"', '"digit"', 15, ["tasks[0].dataset", "dataset 'digit'", "'digits'"]),
        ("hidden = [30]", "hiden = [30]", 14, ["model 'mlp': unknown key hiden", "'hidden'"]),
        ("hidden = [30]", "hidden = [30, 0]", 14, ["model 'mlp': hidden[1]", ">= 1", "got 0"]),
        ('"conv", {', '"zoo", "conv", {', 14, ["model 'zoo': missing key name", "a string"]),
        ('"digits"', '{ name = "folder" }', 15, ["dataset 'folder': missing key path"]),
        ("lr = 1e-3", "lr = 0", 10, ["recipe 'fast': lr must be a number > 0", "got 0"]),
        ("lr = 1e-3", "rl = 1e-3", 10, ["recipe 'fast': unknown key rl"]),
        ("steps = 100", "", 8, ["recipe 'fast'", "exactly one of steps and epochs"]),
        ('"adam"', '"adma"', 9, ["recipe 'fast': optimizer must be one of", "'adam'"]),
        ("{ conv = 0.1 }", "{ cov = 0.1 }", 21, ["strategy 'imp'", "unknown key rate.cov"]),
        ("{ conv = 0.1 }", "1.5", 21, ["strategy 'imp'", "rate must be a number in [0, 1]"]),
        ("output = 0.3", "output = 3", 23, ["strategy 'imp' on conv: rate.output", "got 3"]),
        ("batch = 64", "batch = 63", 28, ["strategy 'snip-big': batch must be even", "63"]),
        ("batch = 64", "batch = 'x'", 28, ["strategy 'snip-big': batch must be an integer"]),
        ("[0.2, 0.5]", "[1.0]", 5, ["no task has a density below 1", "nothing of imp, snip-big"]),
    ],
)
def test_one_message_with_file_line_and_key(write, registry, old, new, line, parts):
    suite = load_suite(write(old, new))
    with pytest.raises(UserError) as caught:
        check(suite, registry)
    message = str(caught.value)
    assert message.startswith(f"{suite.path}:{line}: "), message
    for part in parts:
        assert part in message
    assert len(message.splitlines()) == 1


def test_a_task_with_a_density_below_1_is_enough(write, registry):
    check(load_suite(write('recipe = "fast"', 'recipe = "fast"\ndensities = [0.5]'),
                     overrides=["suite.densities=[1.0]"]), registry)  # fmt: skip


CLAIM = """
[[claims]]
name = "stable"
text = "stable"
source = "here"
of = "{of}"
model = "mlp"
density = {density}
at_most = 0.02
"""


@dataclass(frozen=True, eq=False)
class Unpruned:
    """Reports the network as it is."""

    dense_only = True


@pytest.mark.parametrize(
    ("of", "density", "said"),
    [
        ("unpruned", "1.0", None),
        ("imp", "0.5", None),
        ("unpruned", "0.5", "'unpruned' reports the unpruned network only; write density = 1.0"),
        ("imp", "1.0", "'imp' reports no unpruned network; name one of the task's densities"),
    ],
)
def test_a_claim_about_the_unpruned_network_is_at_density_1(write, registry, of, density, said):
    registry.groups["strategies"]["unpruned"] = Entry(
        name="unpruned", group="strategies", origin="test", version="1", _loaded=Unpruned
    )
    path = write()
    named = '[[strategies]]\nuse = "unpruned"\n'
    path.write_text(path.read_text() + named + CLAIM.format(of=of, density=density))
    suite = load_suite(path)
    # two networks at two densities and two seeds: the dense runs, three labels on them
    assert summary(suite, unpruned_only(suite, registry))["tickets"] == 2 * (2 + 4 + 2 + 2)
    if said is None:
        check(suite, registry)
        assert suite.claims[0].of.densities == (float(density),)
        return
    with pytest.raises(UserError) as caught:
        check(suite, registry)
    assert f"claims[0].density: {said}" in str(caught.value)


def test_an_error_in_an_override_names_the_option(write, registry):
    suite = load_suite(write(), ["strategies.imp.params.rat=0.5"])
    with pytest.raises(UserError, match=r"--set strategies.imp.params.rat=0.5: .*'rate'"):
        check(suite, registry)


def test_any_exception_of_a_plugin_is_one_message(write, registry):
    @dataclass(frozen=True)
    class Rude:
        def __post_init__(self) -> None:
            raise KeyError("oh")

    registry.add(Entry(name="rude", group="datasets", origin="test", version="1", _loaded=Rude))
    suite = load_suite(write('"digits"', '"rude"'))
    with pytest.raises(UserError, match="15: dataset 'rude': KeyError: 'oh'"):
        check(suite, registry)


def test_a_suite_cannot_load_code_by_itself(write, tmp_path, monkeypatch):
    path = write("schema_version = 1", 'schema_version = 1\nplugins = ["my idea.py"]')
    suite = load_suite(path)
    assert suite.plugins == ("my idea.py",)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        require_plugins(suite, [], "lth-bench run demo.toml")
    assert "lth-bench run demo.toml --plugin 'my idea.py'" in str(caught.value)
    require_plugins(suite, [tmp_path / "sub" / ".." / "my idea.py"], "lth-bench run demo.toml")


def test_plugins_already_given_stay_in_the_printed_command(write, tmp_path, monkeypatch):
    suite = load_suite(write("schema_version = 1", 'schema_version = 1\nplugins = ["a.py"]'))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"run x --plugin b.py --plugin a.py$"):
        require_plugins(suite, [tmp_path / "b.py"], "run x")
