"""Tickets are loaded as they were reported: mask, start and final values."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from taken_home import DENSITY

import lth_bench
from lth_bench import UserError
from lth_bench.data.digits import Digits
from lth_bench.interchange.kept import KeptTrainings, final_of, start_of
from lth_bench.interchange.rebuilt import rebuilt
from lth_bench.interchange.recorded import recorded_ticket
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.recipe import Recipe

TICKETS = [
    ("imp", "none"), ("imp", "reinit"), ("imp", "shuffle"), ("late_rewind", "none"),
    ("imp", "reinit_same_signs"), ("imp", "random_signs"), ("late_rewind", "shuffle"),
    ("late_rewind", "reinit_at_rewind"), ("late_rewind", "reinit_same_signs"),
    ("snip", "none"), ("random", "none"), ("early_bird", "none"),
]  # fmt: skip


def loaded(home: Any, identity: str) -> tuple[Any, ResidentData]:
    """A ticket, and the data as its training saw it."""
    data = ResidentData(Digits().load(Path()), 97, torch.device("cpu"))
    return lth_bench.load_ticket(home.results, identity), data


@pytest.mark.parametrize(("label", "control"), [*TICKETS, ("rigl", "none")])
def test_a_ticket_has_its_recorded_accuracy(
    home: Any, ticket_id: Any, label: str, control: str
) -> None:
    ticket, data = loaded(home, ticket_id(label, control))
    assert ticket.recipe["label"] == label
    assert ticket.mask.density == pytest.approx(ticket.recipe["density"])
    assert ticket.final.step == 30
    for key, kept in ticket.mask.items_by_key().items():
        assert not ticket.final.values[key][~kept].any()
    test = Digits().load(Path())
    with torch.no_grad():
        logits = ticket.module()(data.normalise(test.test_x).double())
    right = float((logits.argmax(1) == test.test_y).double().mean())
    assert right == pytest.approx(ticket.recipe["metrics"]["test_accuracy"])


@pytest.mark.parametrize(("label", "control"), TICKETS)
def test_a_ticket_trained_again_from_its_start_gives_its_final_values(
    home: Any, ticket_id: Any, label: str, control: str
) -> None:
    """Which proves the start: other values, or another step, would end elsewhere. RigL's mask
    changes while it trains; `tests/own_loop` trains it again.
    """
    ticket, data = loaded(home, ticket_id(label, control))
    recipe = Recipe(**ticket.recipe["recipe"])
    net = ticket.module(ticket.masked("start")).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-3)
    for step in range(ticket.start.step, 30):
        x, y = data.batch(step, 3, recipe)
        optimizer.zero_grad()
        F.cross_entropy(net(x.double()), y).backward()
        optimizer.step()
        ticket.mask.apply_(net.state_dict())
    for key, value in net.state_dict().items():
        torch.testing.assert_close(value, ticket.final.values[key], rtol=0, atol=1e-10)


def test_starts_are_where_each_method_begins(home: Any, ticket_id: Any) -> None:
    def start(label: str, control: str = "none") -> Any:
        return lth_bench.load_ticket(home.results, ticket_id(label, control)).start

    first = start("imp")
    assert first.step == 0
    assert torch.equal(start("rigl").weights["fc1"], first.weights["fc1"])
    assert not torch.equal(start("imp", "reinit").weights["fc1"], first.weights["fc1"])
    assert start("late_rewind").step == 6
    assert start("early_bird").step > 0


def test_a_round_between_two_densities_has_no_start(home: Any) -> None:
    query = "FROM tickets WHERE NOT reported ORDER BY round"
    between = lth_bench.results(home.results).sql(query).ticket_id[0]
    ticket = lth_bench.load_ticket(home.results, between)
    assert 0.5 < ticket.mask.density < 1
    assert ticket.final.step == 30
    with pytest.raises(UserError, match="only reported tickets record their start"):
        _ = ticket.start


def test_the_dense_run_is_a_ticket_too(home: Any) -> None:
    rows = lth_bench.results(home.results).tickets(label="dense")
    ticket = lth_bench.load_ticket(home.results, rows.ticket_id[0])
    assert ticket.mask.density == 1.0
    assert ticket.start.step == 0


def test_tensors_are_ones_own(home: Any, ticket_id: Any) -> None:
    a, b = (lth_bench.load_ticket(home.results, ticket_id("imp")) for _ in range(2))
    a.final.values["fc1.weight"].fill_(7.0)
    a.module().get_parameter("fc1.weight").data.fill_(8.0)
    assert not b.final.values["fc1.weight"].eq(7.0).any()
    assert not b.module().training


def test_a_structured_ticket_is_cut_out(home: Any, ticket_id: Any) -> None:
    ticket = lth_bench.load_ticket(home.results, ticket_id("early_bird"))
    small, whole = ticket.shrunk(), ticket.module()
    x = torch.randn(5, *ticket.input_shape, dtype=torch.float64)
    torch.testing.assert_close(small(x), whole(x))
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in whole.parameters())
    with pytest.raises(UserError, match="nothing to cut out; take the dense values or the masks"):
        lth_bench.load_ticket(home.results, ticket_id("imp")).shrunk()


# merged and exported databases


@pytest.fixture(scope="module")
def snapshot(home: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("elsewhere") / "sent.duckdb"
    home("export", "snapshot", "--output", file)
    return file


def test_an_exported_database_lacks_the_values_and_says_so(
    snapshot: Path, home: Any, ticket_id: Any
) -> None:
    with pytest.raises(UserError, match=r"are not in .*sent\.artifacts: .* artifacts="):
        lth_bench.load_ticket(snapshot, ticket_id("imp"))
    artifacts = home.results.with_suffix(".artifacts")
    ticket = lth_bench.load_ticket(snapshot, ticket_id("imp"), artifacts=artifacts)
    assert ticket.mask == lth_bench.load_ticket(home.results, ticket_id("imp")).mask


def test_values_that_travel_beside_it_are_found(snapshot: Path, home: Any, ticket_id: Any) -> None:
    there = snapshot.with_name("whole.duckdb")
    shutil.copy(snapshot, there)
    shutil.copytree(home.results.with_suffix(".artifacts"), there.with_suffix(".artifacts"))
    assert lth_bench.load_ticket(there, ticket_id("late_rewind")).start.step == 6


def test_merged_results_take_the_artifacts_of_each(
    snapshot: Path, home: Any, ticket_id: Any
) -> None:
    merged = snapshot.with_name("merged.duckdb")
    home("merge", snapshot, "--results", merged)
    artifacts = [snapshot.parent, home.results.with_suffix(".artifacts")]
    assert lth_bench.load_ticket(merged, ticket_id("rigl"), artifacts=artifacts).start.step == 0


# what is not there


def test_an_experiment_s_id_serves_where_it_has_one_ticket(home: Any, ticket_id: Any) -> None:
    rows = lth_bench.results(home.results).tickets(target_density=DENSITY, control="none")
    ids = dict(zip(rows.label, rows.experiment_id, strict=True))
    assert lth_bench.load_ticket(home.results, ids["snip"]).recipe["label"] == "snip"
    with pytest.raises(UserError, match=r"has \d+ tickets; name one of them: .*density 0\.2"):
        lth_bench.load_ticket(home.results, ids["imp"])


def test_an_unknown_id_is_named(home: Any) -> None:
    with pytest.raises(UserError, match="no experiment and no ticket has an id that begins with"):
        lth_bench.load_ticket(home.results, "nope")


def test_a_damaged_training_counts_as_absent(home: Any, ticket_id: Any, tmp_path: Path) -> None:
    there = tmp_path / "results.duckdb"
    shutil.copy(home.results, there)
    shutil.copy(home.results.with_suffix(".journal.jsonl"), tmp_path)
    shutil.copytree(home.results.with_suffix(".artifacts"), there.with_suffix(".artifacts"))
    for file in there.with_suffix(".artifacts").rglob("final.safetensors"):
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="or run the suite again"):
        lth_bench.load_ticket(there, ticket_id("imp"))


def test_values_of_another_training_are_not_handed_out(
    home: Any, ticket_id: Any, tmp_path: Path
) -> None:
    """A record whose histograms are another ticket's: nothing that is kept is it."""
    recorded = recorded_ticket(home.results, ticket_id("imp"))
    other = recorded_ticket(home.results, ticket_id("imp", "shuffle"))
    config = recorded.experiment["config"]
    task = rebuilt(config["model"], config["recipe"], config["dataset"])
    kept = KeptTrainings([home.results.with_suffix(".artifacts")], task)
    wrong = replace(recorded, weights=other.weights)
    with pytest.raises(UserError, match="its strategy changed what its trainings"):
        final_of(wrong, kept)
    reason = start_of(wrong, kept, final_of(recorded, kept).mask)
    assert isinstance(reason, str)
    assert "are not there" in reason
