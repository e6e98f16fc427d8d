"""`lth-bench plugin check`, by the function that the command group mounts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from lth_bench.cli.plugin_check import check
from lth_bench.errors import UnknownName, UserError
from lth_bench.testing.contracts import CONTRACTS

HERE = Path(__file__).parent
GOOD = HERE.parent / "testing" / "good.py"
HEAD = """
from dataclasses import dataclass
from lth_bench import Mask, hookimpl


@dataclass(frozen=True, eq=False)
class Mine:
    @hookimpl
    def select_mask(self, ticket):
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count{extra})
"""


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(check)
    runner = CliRunner()

    def invoke(*arguments):
        result = runner.invoke(app, [str(a) for a in arguments])
        if isinstance(result.exception, UserError):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result.exit_code, result.stdout

    return invoke


def test_every_contract_has_a_row(run):
    code, out = run("good", "--plugin", GOOD, "--set", "power=2")
    assert code == 0
    assert all(c.name in out for c in CONTRACTS)
    assert "how to meet it:" not in out
    assert out.rstrip().endswith("good: 18 ok, 1 not applicable")


def test_a_broken_contract_says_what_to_do_and_exits_with_1(run, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(HEAD.format(extra=" - 1"))
    code, out = run("mine", "--plugin", file)
    text = " ".join(out.split())
    assert code == 1
    assert "what happened: strategy.select_mask: the mask keeps 134 weights, fewer than the" in text
    assert "how to meet it: choose with Mask.top_k(scores, ticket.target_count)" in text
    assert re.search(r"mine: \d+ ok, 1 broken, (\d+ not applicable, )?\d+ not judged", text)


@pytest.mark.slow
def test_the_density_option_and_contracts_not_judged(run):
    code, out = run("rigl", "--density", "0.4")
    text = " ".join(out.split())
    assert code == 0
    hint = "not judged: on_step changed nothing; --set update_every=1 would judge it"
    assert text.endswith(f"rigl: 5 ok, 13 not judged, 1 not applicable {hint}")
    code, out = run("rigl", "--density", "0.4", "--set", "update_every=1")
    assert "rigl: 18 ok, 1 not applicable" in out


def test_json(run):
    code, out = run("dense", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["strategy"] == "dense"
    assert found["ok"] is True
    assert [row["contract"] for row in found["contracts"]] == [c.name for c in CONTRACTS]
    assert set(found["contracts"][0]) == {"contract", "status", "statement", "what", "meet"}


def test_one_mistake_is_said_once_with_names_that_exist(run, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(HEAD.format(extra=" + ticket.dense.weights.numel()"))
    code, out = run("mine", "--plugin", file, "--json")
    rows = json.loads(out)["contracts"]
    (broken,) = (row for row in rows if row["status"] == "broken")
    assert code == 1
    assert "on the networks linear, conv, batch_norm and residual, " in broken["what"]
    assert "'DenseRun' object has no attribute 'weights'; choose from: " in broken["what"]
    assert "trained, values (mine.py:10)" in broken["what"]
    assert "the line that is named" in broken["meet"] and "Unreachable" not in broken["meet"]
    assert "WatchedDense" not in out


def test_an_error_on_some_networks_keeps_the_advice_about_them(run, tmp_path):
    file = tmp_path / "mine.py"
    known = "if len(ticket.layers) != 3 and 'dead' not in str(ticket.layers):"
    wrong = f"        {known}\n            return ticket.trainedd\n        return"
    file.write_text(HEAD.format(extra="").replace("        return", wrong))
    code, out = run("mine", "--plugin", file, "--json")
    rows = [row for row in json.loads(out)["contracts"] if row["status"] == "broken"]
    assert code == 1
    assert [row["contract"] for row in rows] == ["linear"]
    assert "on the networks linear and residual, " in rows[0]["what"]
    assert "did you mean 'trained'?" in rows[0]["what"]
    assert "Unreachable" in rows[0]["meet"]


def test_a_misspelt_hook_is_a_broken_contract(run, tmp_path):
    file = tmp_path / "mine.py"
    extra = ")\n\n    @hookimpl\n    def trian(self, ticket):\n        return (ticket.fit()"
    file.write_text(HEAD.format(extra=extra))
    code, out = run("mine", "--plugin", file, "--json")
    found = {row["contract"]: row for row in json.loads(out)["contracts"]}
    assert code == 1
    assert found["hooks"]["status"] == "broken"
    assert "did you mean train?" in found["hooks"]["what"]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["godo", "--plugin", GOOD], UnknownName, "unknown plugin 'godo'; did you mean 'good'"),
        (["good", "--plugin", GOOD, "--set", "power=9"], UserError, r"power must be .* got 9"),
        (["good", "--plugin", GOOD, "--set", "powr=1"], UserError, "unknown key powr"),
        (["good", "--plugin", GOOD, "--network", "vgg"], UnknownName, "choose from: batch_norm"),
        (
            ["good", "--plugin", GOOD, "--density", "1.5"],
            UserError,
            r"must be in \(0, 1\), but got 1.5",
        ),
    ],
)
def test_wrong_usage_is_one_error(arguments, error, message, run):
    with pytest.raises(error, match=message):
        run(*arguments)


INTERRUPTS = '''
from dataclasses import dataclass
from lth_bench import Mask, Ticket, hookimpl


@dataclass(frozen=True, eq=False)
class Mine:
    """Interrupts itself."""

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        raise KeyboardInterrupt("no")
'''


@pytest.mark.slow
def test_keyboard_interrupt_raised_by_a_hook_is_its_failure(lth):
    """Not Ctrl-C, which comes to the main thread."""
    file = lth.write("mine.py", INTERRUPTS)
    printed = " ".join(lth("plugin", "check", "mine", "--plugin", file, code=1).stdout.split())
    assert "select_mask: raised KeyboardInterrupt: no (mine.py:12)" in printed
