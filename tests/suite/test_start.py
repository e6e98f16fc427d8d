"""A model's start is read from the suite, beside its parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.suite.load import component, suite_of
from lth_bench.suite.source import FOLDER
from lth_bench.suite.spec import Component
from lth_bench.suite.start import with_start

TEXT = """
schema_version = 1
[suite]
name = "demo"
densities = [0.5]
seeds = 1
[recipes.short]
steps = 10
[[tasks]]
model = MODEL
dataset = "digits"
recipe = "short"
[[strategies]]
use = "imp"
"""


def model_of(text: str, folder: Path = Path("/suites")) -> Component:
    return suite_of(TEXT.replace("MODEL", text), folder / "mine.toml").tasks[0].model


def test_it_is_no_parameter_and_is_relative_to_the_suite():
    model = model_of('{ name = "mlp", hidden = [3], start = "in/a.safetensors" }')
    assert dict(model.params) == {"hidden": [3]}
    assert model.start is not None and model.start.weights is None
    assert model.start.file == Path("/suites/in/a.safetensors")
    assert model.label == "mlp(hidden=[3],start=a.safetensors)"
    assert model.answers_to(["mlp"])
    assert model_of('{ name = "mlp", start = "/x/a.safetensors" }').start.file == Path(
        "/x/a.safetensors"
    )


def test_published_weights():
    model = model_of(
        '{ name = "torchvision:resnet18", start = "torchvision:ResNet18_Weights.DEFAULT", '
        'start_except = ["fc.*"] }'
    )
    assert model.start.weights == "ResNet18_Weights.DEFAULT"
    assert model.start.drawn == ("fc.*",)
    assert model.label == (
        'torchvision:resnet18(start=torchvision:ResNet18_Weights.DEFAULT,start_except=["fc.*"])'
    )


def test_a_suite_of_the_package_starts_from_the_working_directory(monkeypatch, tmp_path: Path):
    """Its own folder is not the user's to write in."""
    monkeypatch.chdir(tmp_path)
    text = TEXT.replace("MODEL", '{ name = "mlp", start = "in/a.safetensors" }')
    assert suite_of(text, FOLDER / "mine.toml").tasks[0].model.start.file == (
        tmp_path / "in" / "a.safetensors"
    )
    (link := tmp_path / "linked").symlink_to(FOLDER)
    assert suite_of(text, link / "mine.toml").tasks[0].model.start.folder == tmp_path


def test_the_command_that_makes_it_changes_nothing_else():
    plain = model_of('{ name = "mlp", start = "a.safetensors" }')
    told = model_of('{ name = "mlp", start = "a.safetensors", start_command = " make a " }')
    assert told.start.command == "make a"
    assert told == plain and told.label == plain.label and dict(told.params) == {}


def test_without_one_nothing_changes():
    model = model_of('{ name = "mlp", hidden = [3] }')
    assert model.start is None and model.label == "mlp(hidden=[3])"


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ("start = 3", r"tasks\[0\].model.start must be the path of a .safetensors file or"),
        ('start = ""', "must be the path"),
        ('start = "torchvision:"', "must be the path"),
        ('start = "a.safetensors", start_except = "fc"', "start_except must be a list"),
        ('start = "a.safetensors", start_except = [1]', "start_except must be a list"),
        ('start_except = ["fc.*"]', "start_except needs `start`"),
        ('start_command = "make a"', "start_command needs `start`"),
        ('start = "a.safetensors", start_command = 1', "start_command must be a command in one"),
        ('start = "a.safetensors", start_command = "a\\nb"', "start_command must be a command"),
    ],
)
def test_what_is_refused(keys: str, says: str):
    with pytest.raises(UserError, match=says) as error:
        model_of(f'{{ name = "mlp", {keys} }}')
    assert "mine.toml:10:" in error.value.message


def test_two_starts_of_one_name():
    """The label, which names the task in the results, has no folder in it."""
    both = ", ".join(f'{{ name = "mlp", start = "{f}/a.safetensors" }}' for f in "xy")
    with pytest.raises(UserError, match=r"two starts of mlp.*the same file name.*rename one"):
        model_of(f"[{both}]")


def test_only_models_have_one():
    """A dataset may have a parameter of that name."""
    data = component({"name": "rows", "start": "a"})
    assert data.params == {"start": "a"} and data.start is None
    assert with_start(data, Path()).params == {}
