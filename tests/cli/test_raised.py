"""Whatever a hook raises, sets or says: its row names hook and line, and the others go on."""

from __future__ import annotations

import json
from typing import Any

import pytest

PLUGIN = """
from dataclasses import dataclass
import torch
from lth_bench import RewindPoint, Unreachable, hookimpl


def text(raised):
    class Nasty(RuntimeError):
        def __str__(self):
            raise raised
    return Nasty


class OfItsOwn(BaseException):
    pass


class NoText(Exception):
    def __str__(self):
        return 5


def bf16():
    torch.backends.mkldnn.matmul.fp32_precision = "bf16"


def mixed():
    torch.backends.fp32_precision = "tf32"
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.conv.fp32_precision = "ieee"


RAISES = {
    "interrupt": KeyboardInterrupt, "exit": SystemExit, "generator": GeneratorExit,
    "own": OfItsOwn, "stop": StopIteration, "no_text": NoText,
    "text_interrupt": text(KeyboardInterrupt), "text_exit": text(SystemExit(3)),
    "text_generator": text(GeneratorExit), "text_own": text(OfItsOwn),
    "long": lambda: ValueError("x" * 5_000_000),
    "unreachable": lambda: Unreachable("y" * 5_000_000),
}
SETS = {"bf16": bf16, "mixed": mixed}


@dataclass(frozen=True, eq=False)
class Bad:
    kind: str = "exit"
    place: str = "select_mask"

    def misbehave(self, place):
        if place == self.place:
            if self.kind in SETS:
                SETS[self.kind]()
            else:
                raise RAISES[self.kind]()  # here

    @hookimpl
    def select_mask(self, ticket):
        self.misbehave("select_mask")
        return ticket.mask.shrink(abs(ticket.trained.weights), 0.9, ticket.target)

    @hookimpl
    def rewind_point(self, ticket):
        self.misbehave("rewind_point")
        return RewindPoint(ticket.initial.values, 0)

    @hookimpl
    def train(self, ticket):
        self.misbehave("train")

        def on_step(view):
            self.misbehave("on_step")

        return ticket.fit(on_step=on_step, every=1)
"""
LINE = PLUGIN[: PLUGIN.index("# here")].count("\n") + 1
SUITE = """
schema_version = 1
plugins = ["bad.py"]
[suite]
name = "bad"
densities = [0.5]
seeds = 1
[recipes.short]
optimizer = "adam"
lr = 1e-3
batch_size = 50
steps = 4
val_size = 97
eval_every = 4
[[tasks]]
model = { name = "mlp", hidden = [4] }
dataset = "digits"
recipe = "short"
[[strategies]]
use = "one_shot"
"""
RAISED = [
    "interrupt", "exit", "generator", "own", "stop", "no_text", "text_interrupt", "text_exit",
    "text_generator", "text_own", "long",
]  # fmt: skip
PLACES = ["select_mask", "rewind_point", "train", "on_step"]
CASES = [
    *((kind, place) for kind in RAISED for place in PLACES),
    *((kind, place) for kind in ("bf16", "mixed") for place in PLACES),
    ("unreachable", "select_mask"),
]


def strategy(kind: str, place: str) -> str:
    params = f'params = {{ kind = "{kind}", place = "{place}" }}'
    return f'[[strategies]]\nuse = "bad"\nlabel = "{kind}-{place}"\n{params}\n'


def reasons(lth: Any) -> dict[str, tuple[str, str]]:
    sql = "SELECT label, status, reason FROM experiments"
    rows = json.loads(lth("query", sql, "--json").stdout)["rows"]
    return {r["label"]: (r["status"], r["reason"] or "") for r in rows}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    import runpy
    from pathlib import Path

    started = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["CommandLine"]
    lth = started(tmp_path_factory.mktemp("raised"))
    lth.write("bad.py", PLUGIN)
    lth.write("bad.toml", SUITE + "".join(strategy(*case) for case in CASES))
    done = lth("run", "bad.toml", "--plugin", "bad.py", "--workers", "1", code=1)
    assert "retry" not in done.stderr, "a worker died"
    journal = lth.folder / "results.journal.jsonl"
    assert max(map(len, journal.read_bytes().splitlines())) < 100_000
    return reasons(lth)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", RAISED)
def test_an_exception_is_reported_with_hook_and_line(outcomes: Any, kind: str, place: str) -> None:
    status, reason = outcomes[f"{kind}-{place}"]
    assert status == "failed"
    hook = "train" if place == "on_step" else place
    assert f"{kind}-{place}.{hook}: raised " in reason or "on_step" in reason, reason
    assert f"(bad.py:{LINE})" in reason
    assert "worker" not in reason
    assert len(reason) < 5000


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["bf16", "mixed"])
def test_torch_settings_changed_by_a_hook_are_restored(
    outcomes: Any, kind: str, place: str
) -> None:
    assert outcomes[f"{kind}-{place}"] == ("ok", "")
    assert outcomes["one_shot"] == ("ok", "")


def test_an_unreachable_density_is_skipped(outcomes: Any) -> None:
    assert outcomes["unreachable-select_mask"][0] == "skipped"
