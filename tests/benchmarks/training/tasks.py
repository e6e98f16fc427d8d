"""What the measuring processes are asked: steps a second, by each of the three loops."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import torch

from training import ours
from training.conventional import Masked, Trainer, make_loader, prunable
from training.floors import Step, floor_steps, products
from training.images import Images, decoder
from training.machine import flags
from training.nets import net_on
from training.samples import sample

WARM = 10
"""Steps on a GPU before anything is timed: libraries choose their kernels in the first."""


def prepare_conventional() -> None:
    """Torch as it comes."""
    # more workers than cores is one of the settings that are measured
    warnings.filterwarnings("ignore", message="This DataLoader will create")


def prepare_ours(device: str) -> None:
    """The settings of this package's own worker processes."""
    from lth_bench.system.devices import prepare_process

    prepare_process(device)


def described() -> dict[str, Any]:
    """The flags of the process that measures, and its transforms."""
    return {**flags(), "transforms": decoder()}


@lru_cache(maxsize=1)
def _trainer(name: str, device: str) -> tuple[Trainer, Images]:
    net = net_on(name, device)
    arrays = sample(net.shape, 20_000).arrays
    images = Images(arrays.train_x, arrays.train_y, net.recipe.crop, net.recipe.flip)
    torch.manual_seed(0)
    network = net.build()
    masks = {key: _half(network.get_parameter(key).detach()) for key in prunable(network)}
    return Trainer(Masked(network, masks), net.recipe, torch.device(device)), images


def _half(weight: torch.Tensor) -> torch.Tensor:
    return weight.abs() > weight.abs().median()


def conventional_rate(
    name: str, device: str, workers: int, threads: int | None, seconds: float
) -> float:
    """Steps a second of the conventional loop; `threads` None leaves torch's own number."""
    default = torch.get_num_threads()
    trainer, images = _trainer(name, device)
    batch = net_on(name, device).recipe.batch_size
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        loader = make_loader(images, batch, workers, torch.device(device), train=True)
        batches = itertools.chain.from_iterable(itertools.repeat(loader))
        trainer.train(itertools.islice(batches, WARM if device != "cpu" else 1))
        trainer.train(_for(batches, seconds / 4, []))  # workers fill their queues
        taken: list[int] = []
        ours.synchronize(torch.device(device))
        began = time.perf_counter()
        trainer.train(_for(batches, seconds, taken))
        ours.synchronize(torch.device(device))
        return len(taken) / (time.perf_counter() - began)
    finally:
        torch.set_num_threads(default)


def _for(batches: Iterator[Any], seconds: float, taken: list[int]) -> Iterator[Any]:
    """Batches until the time is over, and at least one; `taken` gets an entry for each."""
    until = time.perf_counter() + seconds
    for batch in batches:
        taken.append(1)
        yield batch
        if time.perf_counter() > until:
            return


def ours_prepare(name: str, device: str, width: int | str) -> tuple[int, str]:
    """Have everything ready, so that the processes then measure at the same time. The width that
    the engine took and the layout that computes it.
    """
    return ours.prepare(name, device, width)


def ours_rate(name: str, device: str, width: int | str, seconds: float) -> float:
    """Model-steps a second of this package's engine."""
    return ours.rate(name, device, width, seconds)


@lru_cache(maxsize=4)
def _floor(name: str, device: str, width: int) -> dict[str, Step]:
    net = net_on(name, device)
    dtype = torch.bfloat16 if net.recipe.dtype == "bfloat16" else torch.float32
    found = products(net.build(), net.shape, net.recipe.batch_size)
    ways = floor_steps(found, width, torch.device(device), dtype)
    return {way: _graphed(step) for way, step in ways.items()} if device != "cpu" else ways


def floor_ways(name: str, device: str, width: int) -> list[str]:
    """Ways to do the bare products of `width` members' steps."""
    return list(_floor(name, device, width))


def floor_rate(name: str, device: str, width: int, way: str, seconds: float) -> float:
    """Model-steps a second of the bare products, done one way."""
    step = _floor(name, device, width)[way]
    where = torch.device(device)
    once = _timed(step, 1, where)
    times = max(1, round(seconds / _timed(step, 1, where)) if once < seconds else 1)
    return times * width / _timed(step, times, where)


def _timed(step: Step, times: int, device: torch.device) -> float:
    ours.synchronize(device)
    began = time.perf_counter()
    for _ in range(times):
        step()
    ours.synchronize(device)
    return time.perf_counter() - began


def _graphed(step: Step) -> Step:
    """The step as one CUDA graph, so that launches do not count as arithmetic."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def raced(name: str, device: str) -> dict[str, dict[str, float]]:
    """Model-steps a second of the widths that the engine chose among."""
    found = ours.raced(name, device)
    return {way: {str(size): rate for size, rate in by.items()} for way, by in found.items()}
