from __future__ import annotations

import time

import pytest

from lth_bench.plugins import load_registry
from lth_bench.suite import load_suite
from lth_bench.suite.check import check
from lth_bench.suite.source import find, line_of, shipped, studies

SIX = {"imp", "one_shot", "late_rewind", "early_bird", "snip", "rigl"}


def test_names():
    assert {"quickstart", "mnist_lenet", "cifar_conv", "cifar_resnet"} <= set(shipped())


def test_a_name_a_path_and_a_file_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find("quickstart") == shipped()["quickstart"]
    assert str(find("some/quickstart")) == "some/quickstart"
    (tmp_path / "quickstart").mkdir()  # a folder of that name does not hide the suite
    assert find("quickstart") == shipped()["quickstart"]
    (tmp_path / "mnist_lenet").write_text("")
    assert str(find("mnist_lenet")) == "mnist_lenet"


@pytest.mark.parametrize("name", shipped())
def test_shipped_suites_load_and_are_named_after_their_file(name):
    suite = load_suite(name)
    assert suite.name == name
    assert suite.description
    # others are about tuning, or about the methods that their task is known for
    special = {"tune_digits", "char_lm", "grokking", "sparse_training", "pretrained", "pretraining"}
    special |= {"imagenet_resnet50"}
    if name not in special | {"sanity"}:  # whose strategies come with --add
        assert {s.use for s in suite.strategies} >= SIX | {"dense", "random"}


@pytest.mark.parametrize("name", studies())
def test_studies_are_found_by_name_and_have_claims(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suite = load_suite(name)
    assert f"studies/{suite.name}" == name
    assert suite.description
    assert suite.claims
    check(suite, load_registry())
    (tmp_path / "studies").mkdir()
    (tmp_path / name).write_text("")  # a file of that name hides the study, as others do
    assert str(find(name)) == name


@pytest.mark.parametrize("name", shipped())
def test_the_installed_plugins_accept_them(name):
    check(load_suite(name), load_registry())


def test_quickstart_is_what_the_readme_says():
    suite = load_suite("quickstart")
    assert len(suite.seeds) == 5
    assert all(suite.headline in task.densities for task in suite.tasks)
    assert [len(task.densities) for task in suite.tasks] == [5, 5]
    imp = next(s for s in suite.strategies if s.use == "imp")
    assert imp.params["prune_rate"] <= 0.4


def test_mnist_lenet_is_the_published_sparsity_schedule():
    """What 20% a round, and 10% in the output layer, leaves of 784-300-100-10."""
    hidden, output = 784 * 300 + 300 * 100, 1000
    left = [(hidden * 0.8**i + output * 0.9**i) / (hidden + output) for i in range(1, 16)]
    (task,) = load_suite("mnist_lenet").tasks
    assert task.densities == pytest.approx(left, abs=6e-5)
    imp = next(s for s in load_suite("mnist_lenet").strategies if s.use == "imp")
    assert imp.controls == ("reinit", "shuffle")


def test_cifar_conv_densities_are_levels_of_the_papers_schedule():
    convs = {"conv2": 38_592, "conv4": 259_776, "conv6": 1_144_512}
    totals = {"conv2": 4_300_992, "conv4": 2_425_024, "conv6": 2_261_184}
    suite = load_suite("cifar_conv")
    imp = next(s for s in suite.strategies if s.use == "imp")
    for task in suite.tasks:
        name = task.model.name
        rate = imp.params_for(task.model)["prune_rate"]
        sizes = {"conv": convs[name], "output": 2560}
        sizes["linear"] = totals[name] - sum(sizes.values())
        left = [
            sum(n * (1 - rate[kind]) ** i for kind, n in sizes.items()) / totals[name]
            for i in (2, 5, 8, 11, 14, 17)
        ]
        assert task.densities == pytest.approx(left, abs=6e-5)


TEXT = '''\
# a comment
top = 1
[table]
"quoted key" = 2
list = [
  1,
  # between
  2,
  [3,
   4],
]
text = """
[table.not]
"""
inner.deep = { a = 1, b = [ {c = 5} ] }

[[rows]]
x = 1
[[rows]]
x = 2
[rows.sub]
y = 3
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ((), 1),
        (("top",), 2),
        (("table",), 3),
        (("table", "quoted key"), 4),
        (("table", "list"), 5),
        (("table", "list", 0), 6),
        (("table", "list", 1), 8),
        (("table", "list", 2), 9),
        (("table", "list", 2, 1), 10),
        (("table", "inner", "deep", "b", 0, "c"), 15),
        (("rows", 0), 17),
        (("rows", 0, "x"), 18),
        (("rows", 1), 19),
        (("rows", 1, "sub", "y"), 22),
        (("rows", 1, "missing"), 19),
        (("table", "not"), 3),
        (("nowhere", 3), 1),
    ],
)
def test_line_of(path, line):
    assert line_of(TEXT, path) == line


def test_a_list_that_opens_on_the_line_of_its_key():
    assert line_of("a = [\n1,\n2]", ("a",)) == 1


def test_a_long_file_takes_no_noticeable_time():
    text = "\n".join(f"[[rows]]\nx = {i}\ny = [{i}, 2]" for i in range(2000))
    start = time.process_time()
    assert line_of(text, ("rows", 1500, "x")) == 4502
    assert time.process_time() - start < 5
