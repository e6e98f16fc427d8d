"""From a ticket of one suite to the start of another, as a user goes."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import lth_bench

SUITE = """
schema_version = 1

[suite]
name = "tuned"
densities = [0.5]
seeds = [0, 1]
controls = ["reinit"]

[[tasks]]
model = MODELS
dataset = "digits"
recipe = "short"

[recipes.short]
optimizer = "sgd"
lr = 0.05
batch_size = 50
steps = 4
val_size = 97
eval_every = 2
dtype = "float64"

[[strategies]]
use = "snip"
"""
SCRATCH = '{ name = "mlp", hidden = [16] }'
FIXED = SCRATCH.replace("}", ', start = "ticket.safetensors" }')
HEAD = SCRATCH.replace("}", ', start = "ticket.safetensors", start_except = ["fc2.*"] }')


def initial(line: Any, ticket: str) -> dict[str, torch.Tensor]:
    return lth_bench.load_ticket(line.results, ticket).start.values


@pytest.fixture(scope="module")
def started(home: Any, ticket_id: Any, tmp_path_factory: Any) -> Any:
    """A folder with an exported ticket and a finished run of a suite that starts from it."""
    line = type(home)(tmp_path_factory.mktemp("started"))
    file = line.folder / "ticket.safetensors"
    home("export", "ticket", ticket_id("imp"), "--output", file)
    suite = line.write("s.toml", SUITE.replace("MODELS", f"[{SCRATCH}, {FIXED}, {HEAD}]"))
    line.outcome = json.loads(line("run", suite, "--cohort-size", "1", "--json").stdout)
    return line


def tickets(line: Any, model: str, label: str, control: str = "none") -> list[str]:
    """Ids by seed, of the model whose label ends so."""
    rows = lth_bench.results(line.results).table("tickets_flat")
    rows = rows[rows.model.str.endswith(model) & (rows.label == label) & (rows.control == control)]
    return list(rows.sort_values("seed").ticket_id)


def test_every_seed_starts_from_the_file(started: Any):
    values = load_file(started.folder / "ticket.safetensors")
    for ticket in tickets(started, "ticket.safetensors)", "snip"):
        for key, value in initial(started, ticket).items():
            assert torch.equal(value, values[key]), key


def test_what_is_excepted_is_drawn_as_without_a_start(started: Any):
    values = load_file(started.folder / "ticket.safetensors")
    both = zip(
        tickets(started, 'start_except=["fc2.*"])', "snip"),
        tickets(started, "mlp(hidden=[16])", "snip"),
        strict=True,
    )
    for ticket, scratch in both:
        found, drawn = initial(started, ticket), initial(started, scratch)
        assert torch.equal(found["fc1.weight"], values["fc1.weight"])
        assert torch.equal(found["fc2.weight"], drawn["fc2.weight"])
        assert not torch.equal(found["fc2.weight"], values["fc2.weight"])


def test_reinit_draws_new_values(started: Any):
    values = load_file(started.folder / "ticket.safetensors")
    found = [initial(started, t) for t in tickets(started, "ticket.safetensors)", "snip", "reinit")]
    assert len(found) == 2
    for start in found:
        assert (start["fc1.weight"] != values["fc1.weight"]).all()
    assert not torch.equal(found[0]["fc1.weight"], found[1]["fc1.weight"])


def test_seeds_still_vary_the_order_of_data(started: Any):
    ends = [
        lth_bench.load_ticket(started.results, ticket).final.values["fc2.bias"]
        for ticket in tickets(started, "ticket.safetensors)", "snip")
    ]
    assert not torch.equal(*ends)


def test_plan_run_tables_and_report_say_what_is_fixed(started: Any):
    sha256 = _sha256(started.folder / "ticket.safetensors")
    says = (
        f"initial values are fixed by ticket.safetensors (sha256 {sha256[:12]}): seeds vary only "
        f"the order of data, augmentation and dropout"
    )
    plan = json.loads(started("plan", "s.toml", "--no-estimate", "--json").stdout)
    for notes in (plan["notes"], started.outcome["notes"]):
        (whole,) = [note for note in notes if says in note]
        (partly,) = [note for note in notes if "draw the initial values of fc2.bias" in note]
        assert "(1,040 of 1,210 parameters)" in partly
        assert whole.startswith("mlp(hidden=[16],start=ticket.safetensors): ")
    assert " ".join(started("leaderboard").stdout.split()).count("are fixed by ticket") == 2
    started("report", "--output", "page.html")
    page = (started.folder / "page.html").read_text()
    assert "The initial values are fixed by ticket.safetensors" in page


def test_the_time_of_a_plan_is_estimated(started: Any):
    plan = json.loads(started("plan", "s.toml", "--seeds", "7,", "--json").stdout)
    assert plan["estimate"]["reason"] is None and plan["estimate"]["seconds"] > 0


def test_it_can_be_queried(started: Any):
    found = started(
        "query",
        "SELECT DISTINCT start ->> 'source', start ->> 'sha256', (start ->> 'fixed')::int "
        "FROM experiments ORDER BY ALL",
        "--format",
        "csv",
    ).stdout.splitlines()[1:]
    sha256 = _sha256(started.folder / "ticket.safetensors")
    assert sorted(found) == sorted([
        ",,", f"ticket.safetensors,{sha256},1040", f"ticket.safetensors,{sha256},1210"
    ])  # fmt: skip
    (one,) = tickets(started, "ticket.safetensors)", "snip")[:1]
    assert f"ticket.safetensors, sha256 {sha256}" in " ".join(started("show", one).stdout.split())


def test_an_experiment_is_known_by_the_files_content(started: Any, tmp_path: Path):
    """Moved, the file gives the same experiments; changed, all from it run again, and no others."""

    def done() -> int:
        return json.loads(started("plan", suite, "--no-estimate", "--json").stdout)["done"]

    suite, file = tmp_path / "s.toml", tmp_path / "ticket.safetensors"
    suite.write_text(SUITE.replace("MODELS", f"[{SCRATCH}, {FIXED}]"))
    shutil.copy(started.folder / file.name, file)
    assert done() == 8
    save_file({k: v + 0.1 for k, v in load_file(file).items()}, file)
    assert done() == 4


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.safetensors", "there is no file"),
        ("model.pt", "is a pickle, and loading one can run any code"),
        ("short.safetensors", "is not a safetensors file, or is damaged"),
        ("masks.safetensors", "holds masks and no values"),
        ("other.safetensors", "fc1.weight has shape [16, 63] in the file and [16, 64]"),
    ],
)
def test_what_is_refused_before_anything_trains(
    started: Any, home: Any, ticket_id: Any, name: str, says: str, tmp_path: Path
):
    whole = (started.folder / "ticket.safetensors").read_bytes()
    torch.save({"a": torch.zeros(1)}, tmp_path / "model.pt")
    (tmp_path / "short.safetensors").write_bytes(whole[:-7])
    masks = tmp_path / "masks.safetensors"
    home("export", "ticket", ticket_id("imp"), "--output", masks, "--form", "masks")
    values = load_file(started.folder / "ticket.safetensors")
    values["fc1.weight"] = values["fc1.weight"][:, :63].clone()
    save_file(values, tmp_path / "other.safetensors")
    line = type(home)(tmp_path)
    text = SUITE.replace("MODELS", FIXED.replace("ticket.safetensors", name))
    suite = line.write("s.toml", text)
    for command in (["validate"], ["plan", "--no-estimate"], ["run"]):
        said = line(command[0], suite, *command[1:], code=4).stderr
        assert says in " ".join(said.split()), command
        assert f"s.toml:{text[: text.index('model')].count(chr(10)) + 1}" in said
    assert not line.results.exists()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
