"""Parameters are held against the task before anything trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from lth_bench.errors import UserError
from lth_bench.plugins import load_registry
from lth_bench.running.plan import plan_suite
from lth_bench.suite.load import suite_of

TEXT = """
schema_version = 1
[suite]
name = "demo"
densities = [0.5]
seeds = [0]
[recipes.short]
epochs = 3
batch_size = 50
val_size = VAL
EXTRA
[[tasks]]
model = MODEL
dataset = "digits"
recipe = "short"
[[strategies]]
use = "USE"
label = "mine"
params = { PARAMS }
"""
MODEL = '{ name = "mlp", hidden = [10] }'
FILE = """
from dataclasses import dataclass
from lth_bench import Mask, TaskFacts, Ticket, hookimpl

class Speechless:
    def __str__(self) -> str:
        raise GeneratorExit

@dataclass(frozen=True, eq=False)
class Fussy:
    low: int = 0

    def check_task(self, task: TaskFacts) -> None:
        if self.low == 3:
            raise ValueError(
                f"{task.train_size} {task.input_shape} {task.classes} {task.total_steps} "
                f"{task.steps_per_epoch} {task.layer_counts} {task.layer_kinds}"
            )
        if self.low == 4:
            raise SystemExit("out")
        if self.low == 5:
            raise ValueError(Speechless())
        1 / self.low  # here

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        return ticket.mask
"""


def planned(
    tmp_path: Path,
    use: str,
    params: str,
    val_size: int = 97,
    model: str = MODEL,
    extra: str = "",
) -> None:
    text = TEXT.replace("USE", use).replace("PARAMS", params).replace("VAL", str(val_size))
    text = text.replace("MODEL", model).replace("EXTRA", extra)
    file = tmp_path / "fussy.py"
    file.write_text(FILE)
    suite = suite_of(text, tmp_path / "demo.toml")
    plan_suite(suite, load_registry([file], third_party=False), tmp_path)


def test_snip_s_batch_must_fit_the_training_split(tmp_path: Path) -> None:
    planned(tmp_path, "snip", "batch_size = 110", val_size=1297 - 110)
    with pytest.raises(UserError) as caught:
        planned(tmp_path, "snip", "", val_size=1297 - 110)
    assert str(caught.value) == (
        f"{tmp_path / 'demo.toml'}:19: strategy 'mine' on mlp(hidden=[10])/digits/short: "
        "batch_size must be at most 110, the examples in the training split, but got 128; lower "
        "it, or the recipe's val_size"
    )


def test_the_facts_that_check_task_receives(tmp_path: Path) -> None:
    says = r": 1200 \(1, 8, 8\) 10 72 24 \{'[\w.]+': 640, .*'output'"
    with pytest.raises(UserError, match=says):
        planned(tmp_path, "fussy", "low = 3")


def test_an_exception_in_check_task_names_its_line(tmp_path: Path) -> None:
    line = next(i for i, text in enumerate(FILE.split("\n"), 1) if "# here" in text)
    says = rf"'mine' on mlp.*: check_task raised ZeroDivisionError: .* \(fussy.py:{line}\)"
    with pytest.raises(UserError, match=says):
        planned(tmp_path, "fussy", "low = 0")
    planned(tmp_path, "fussy", "low = 1")


@pytest.mark.parametrize(
    ("low", "says"),
    [(4, "check_task raised SystemExit: out"), (5, "its text raises GeneratorExit")],
)
def test_any_exception_in_check_task_is_one_error(tmp_path: Path, low: int, says: str) -> None:
    with pytest.raises(UserError, match=says):
        planned(tmp_path, "fussy", f"low = {low}")


@pytest.mark.parametrize(
    ("use", "model", "says"),
    [
        ("slimming", MODEL, "by the γ of their batch norm, and this network has none; list the"),
        ("slimming", '"vit"', "support structured pruning: .* choose another model, or an"),
        ("filter_l1", '"vit"', "support structured pruning: .* choose another model, or an"),
        ("early_bird", '"vit"', "support structured pruning: .* choose another model, or an"),
        ("early_bird", '"lstm"', "has no channel or neuron to remove"),
        (
            "n_m",
            '"conv_bn"',
            r"multiples of 4, which conv1 \(1\) do not have; choose another m",
        ),
    ],
)
def test_a_method_that_a_network_does_not_suit_is_refused(
    tmp_path: Path, use: str, model: str, says: str
) -> None:
    with pytest.raises(UserError, match=f"demo.toml:19: strategy 'mine' on .*: .*{says}"):
        planned(tmp_path, use, "", model=model)


@pytest.mark.parametrize(
    ("use", "params", "model"),
    [
        ("slimming", "", '"conv_bn"'),
        ("filter_l1", "", MODEL),
        ("early_bird", "search_bits = 8", MODEL),
        ("n_m", "m = 2, n = 1", MODEL),
        ("n_m", 'unfitting = "dense"', '"conv_bn"'),
    ],
)
def test_and_where_it_suits_it_is_planned(
    tmp_path: Path, use: str, params: str, model: str
) -> None:
    planned(tmp_path, use, params, model=model)


@pytest.mark.parametrize(
    ("use", "params", "model", "extra", "says"),
    [
        (
            "early_bird", "search_bits = 8", MODEL, 'optimizer = "adam"',
            "demo.toml:19: strategy 'mine' on .*: bits = 8 .* but got optimizer 'adam' and dtype",
        ),
        (
            "random", "", '"lstm"', "bits = 8",
            "recipe 'short' on lstm: training in 8 bits .* 'lstm.weight_ih_l0' belongs to LSTM",
        ),
        ("random", "", MODEL, 'bits = 8\noptimizer = "adam"', "bits = 8 is training in block"),
        ("random", "", MODEL, "bits = 1", r"bits must be an integer in \[2, 16\]"),
    ],
)  # fmt: skip
def test_few_bits_where_they_are_not_possible(
    tmp_path: Path, use: str, params: str, model: str, extra: str, says: str
) -> None:
    with pytest.raises(UserError, match=says):
        planned(tmp_path, use, params, model=model, extra=extra)


def test_a_recipe_in_few_bits_is_planned(tmp_path: Path) -> None:
    planned(tmp_path, "random", "", model='"conv_bn"', extra="bits = 8\nmomentum = 0.9")
