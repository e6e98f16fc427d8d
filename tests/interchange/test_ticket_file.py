"""Tickets as safetensors files, and networks back from them; the command as it is typed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import lth_bench
from lth_bench import UserError
from lth_bench.cli.export_ticket import FORMS, MOMENTS
from lth_bench.data.info import InputShape, output_shape
from lth_bench.interchange.saved_ticket import Moment
from lth_bench.interchange.ticket_file import Form


def export(home: Any, identity: str, file: Path, *options: str, code: int = 0) -> Any:
    return home("export", "ticket", identity, "--output", file, *options, code=code)


def test_the_command_offers_every_form_and_moment() -> None:
    """It has lists of its own, since `--help` imports nothing that imports torch."""
    assert get_args(Form) == FORMS and get_args(Moment) == MOMENTS


def inputs() -> torch.Tensor:
    return torch.randn(4, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_dense_values_load_into_the_plain_network(
    home: Any, ticket_id: Any, tmp_path: Path
) -> None:
    file = tmp_path / "new" / "ticket.safetensors"
    said = export(home, ticket_id("rigl"), file).stdout
    assert said.startswith(f"wrote {file} (")
    assert said.endswith(" kB): rigl on mlp and digits, seed 3, density 0.2\n")
    ticket = lth_bench.load_ticket(home.results, ticket_id("rigl"))
    plain = ticket.module(ticket.start.values)  # any instance of the class
    plain.load_state_dict(load_file(file))
    torch.testing.assert_close(plain(inputs()), ticket.module()(inputs()))
    torch.testing.assert_close(lth_bench.load_network(file)(inputs()), ticket.module()(inputs()))


def test_the_metadata_is_the_recipe(home: Any, ticket_id: Any, tmp_path: Path) -> None:
    file = tmp_path / "t.safetensors"
    printed = json.loads(export(home, ticket_id("rigl"), file, "--json").stdout)
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    assert metadata["format"] == "pt"  # as others' loaders want it
    recipe = json.loads(metadata["lth_bench"])
    assert recipe["params"] == {"update_every": 5}
    assert recipe["model"] == {"name": "mlp", "params": {"hidden": [16]}}
    assert recipe["recipe"]["steps"] == 30
    assert recipe["seed"] == 3
    assert recipe["metrics"]["test_accuracy"] > 0
    assert (recipe["form"], recipe["moment"]) == ("dense", "final")
    assert printed["recipe"].items() <= recipe.items()
    assert printed["bytes"] == file.stat().st_size


def test_masks_alone(home: Any, ticket_id: Any, tmp_path: Path) -> None:
    file = tmp_path / "masks.safetensors"
    export(home, ticket_id("early_bird"), file, "--form", "masks")
    ticket = lth_bench.load_ticket(home.results, ticket_id("early_bird"))
    assert lth_bench.mask_from(load_file(file)) == ticket.mask
    with pytest.raises(UserError, match="holds masks and no values"):
        lth_bench.load_network(file)


def test_a_start_is_written_masked(home: Any, ticket_id: Any, tmp_path: Path) -> None:
    file = tmp_path / "start.safetensors"
    export(home, ticket_id("late_rewind"), file, "--values", "start")
    ticket = lth_bench.load_ticket(home.results, ticket_id("late_rewind"))
    assert lth_bench.mask_from(load_file(file)) == ticket.mask


def test_a_shrunk_network_is_smaller_and_computes_the_same(
    home: Any, ticket_id: Any, tmp_path: Path
) -> None:
    dense, small = tmp_path / "dense.safetensors", tmp_path / "small.safetensors"
    export(home, ticket_id("early_bird"), dense)
    export(home, ticket_id("early_bird"), small, "--form", "shrunk")
    assert small.stat().st_size < dense.stat().st_size
    net = lth_bench.load_network(small)
    torch.testing.assert_close(net(inputs()), lth_bench.load_network(dense)(inputs()))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--form", "sparse"), "--form must be dense, masks, shrunk, but got 'sparse'"),
        (("--values", "last"), "--values must be final, best, start, but got 'last'"),
        (("--form", "shrunk"), "so there is nothing to cut out"),
        (("--artifacts", "nowhere"), "nowhere is not a folder"),
    ],
)
def test_bad_options_are_refused_in_one_line(
    home: Any, ticket_id: Any, tmp_path: Path, options: tuple[str, ...], error: str
) -> None:
    said = export(home, ticket_id("imp"), tmp_path / "t.safetensors", *options, code=4).stderr
    assert error in said
    assert not list(tmp_path.iterdir())


def test_no_file_is_overwritten_unasked(home: Any, ticket_id: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_text("precious")
    assert "overwrite it with --force" in export(home, ticket_id("imp"), file, code=4).stderr
    assert file.read_text() == "precious"
    export(home, ticket_id("imp"), file, "--force")
    assert lth_bench.load_network(file) is not None
    assert "is a folder" in export(home, ticket_id("imp"), tmp_path, code=4).stderr


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "net.pt"
    file.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(UserError, match=r"not a safetensors file .*pickles are not read"):
        lth_bench.load_network(file)


def test_other_files_are_refused(home: Any, ticket_id: Any, tmp_path: Path) -> None:
    file = tmp_path / "t.safetensors"
    with pytest.raises(UserError, match="there is no file"):
        lth_bench.load_network(file)
    save_file({"a": torch.ones(1)}, file)
    with pytest.raises(UserError, match="no recipe in its metadata"):
        lth_bench.load_network(file)
    export(home, ticket_id("imp"), file, "--force")
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    save_file({**load_file(file), "fc1.bias": torch.ones(3)}, file, metadata)
    with pytest.raises(UserError, match=r"does not fit .*fc1.bias"):
        lth_bench.load_network(file)
    recipe = json.loads(metadata["lth_bench"])
    del recipe["classes"]
    save_file(load_file(file), file, {"lth_bench": json.dumps(recipe)})
    with pytest.raises(UserError, match="its recipe lacks or garbles 'classes'"):
        lth_bench.load_network(file)


@pytest.mark.parametrize("model", ["mlp", "transformer"])
@pytest.mark.parametrize("moment", ["final", "start"])
def test_features_and_tokens_come_back(
    anywhere: Any, ticket_of_model: Any, tmp_path: Path, model: str, moment: str
) -> None:
    """The network is built again from the file's recipe alone."""
    file, masks = tmp_path / "t.safetensors", tmp_path / "m.safetensors"
    identity = ticket_of_model(model, "snip")
    export(anywhere, identity, file, "--values", moment)
    export(anywhere, identity, masks, "--form", "masks")
    ticket = lth_bench.load_ticket(anywhere.results, identity)
    shape = InputShape.of(ticket.input_shape)
    assert (shape.kind, shape.targets) == (
        ("features", "values") if model == "mlp" else ("tokens", "tokens")
    )
    x: torch.Tensor = torch.randn(4, *shape, dtype=torch.float64)
    if model == "transformer":
        x = torch.randint(0, shape.vocabulary, (4, *shape))
    found = lth_bench.load_network(file)(x)
    torch.testing.assert_close(found, ticket.module(ticket.masked(moment))(x))
    assert found.shape == (4, *output_shape(shape, ticket.classes, shape.targets))
    assert lth_bench.mask_from(load_file(masks)) == ticket.mask
    assert ticket.mask.count == round(0.3 * ticket.mask.total)
