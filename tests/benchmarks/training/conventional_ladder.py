"""Iterative magnitude pruning by the conventional loop, as a process of its own.

    python -m training.conventional_ladder --seeds 5 --rounds 10 --epochs 2 --workers 0 OUT.json

from `tests/benchmarks`, with this package on the path for its network and recipe. Evaluations are
open_lth's: the test set at the start of every epoch and at the end. A model is saved at the start
and at the end of every training.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from training.conventional import Loader, Masked, Trainer, make_loader, prunable, prune
from training.images import Images, decoder
from training.machine import flags
from training.nets import NETS, Net
from training.samples import sample


@dataclass(frozen=True)
class Ladder:
    """Which trainings: at every seed the dense network, then `rounds` prunings by `rate`."""

    net: Net
    seeds: int = 5
    rounds: int = 10
    epochs: int = 2
    rate: float = 0.2
    val_size: int = 5000
    """Training images left out, as this package holds them out for validation."""

    @property
    def trainings(self) -> int:
        """All of them."""
        return self.seeds * (self.rounds + 1)


def trainings(
    ladder: Ladder, train: Dataset[Any], test: Dataset[Any], workers: int, folder: Path
) -> Iterator[dict[str, Any]]:
    """Train one ticket after the other; each one's facts once it is done."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batch = ladder.net.recipe.batch_size
    for seed in range(ladder.seeds):
        torch.manual_seed(seed)
        network = ladder.net.build()
        start = {key: value.clone() for key, value in network.state_dict().items()}
        masks = {n: torch.ones_like(network.get_parameter(n)) for n in prunable(network)}
        for number in range(ladder.rounds + 1):
            began = time.perf_counter()
            if number:
                masks = prune(network, masks, ladder.rate)
                network.load_state_dict(start)
            trainer = Trainer(Masked(network, masks), ladder.net.recipe, device)
            loaders = [
                make_loader(images, batch, workers, device, train=images is train)
                for images in (train, test)
            ]
            accuracy, steps = _train(trainer, loaders, ladder.epochs, folder)
            yield {
                "seed": seed,
                "round": number,
                "density": _density(masks),
                "test_accuracy": accuracy,
                "steps": steps,
                "images_evaluated": (ladder.epochs + 1) * len(test),  # type: ignore[arg-type]
                "seconds": time.perf_counter() - began,
            }


def _train(trainer: Trainer, loaders: list[Loader], epochs: int, folder: Path) -> tuple[float, int]:
    train, test = loaders
    torch.save(trainer.model.state_dict(), folder / "start.pth")
    for epoch in range(epochs):
        loss, accuracy = trainer.evaluate(test)
        print(f"test\tep {epoch:03d}\tloss {loss:.3f}\tacc {100 * accuracy:.2f}%", flush=True)
        trainer.train(train)
    loss, accuracy = trainer.evaluate(test)
    print(f"test\tep {epochs:03d}\tloss {loss:.3f}\tacc {100 * accuracy:.2f}%", flush=True)
    torch.save(trainer.model.state_dict(), folder / "end.pth")
    return accuracy, epochs * len(train)


def _density(masks: dict[str, Tensor]) -> float:
    kept = sum(float(mask.sum()) for mask in masks.values())
    return kept / sum(mask.numel() for mask in masks.values())


def main() -> None:
    """Train as many of the ladder's trainings as are asked for and write what was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("output", type=Path)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--rounds", type=int, default=10)
    asked.add_argument("--epochs", type=int, default=2)
    asked.add_argument("--trainings", type=int, help="stop after so many")
    asked.add_argument("--workers", type=int, default=0, help="of the loaders")
    asked.add_argument("--threads", type=int, help="of torch; its own number by default")
    given = asked.parse_args()
    warnings.filterwarnings("ignore", message="This DataLoader will create")
    if given.threads:
        torch.set_num_threads(given.threads)
    ladder = Ladder(NETS["lenet_300_100"], given.seeds, given.rounds, given.epochs)
    found = sample(ladder.net.shape)
    size = len(found.arrays.train_y) - ladder.val_size
    train = Images(found.arrays.train_x[:size], found.arrays.train_y[:size])
    test = Images(found.arrays.test_x, found.arrays.test_y)
    done: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for one in trainings(ladder, train, test, given.workers, Path(folder)):
            done.append(one)
            if len(done) == given.trainings:
                break
    facts = {"data": found.title, "transforms": decoder(), "flags": flags(), "trainings": done}
    given.output.write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
