"""Stateless randomness: every draw is a pure function of what it is for.

Order and augmentation depend on (seed, epoch), initial values on (model, seed), and neither on
strategy, round or recipe. So strategies are compared on the same data in the same order, and
stacking trainings cannot change what one of them sees.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Collection, Iterator

import numpy as np
import torch


def seed_of(*purpose: object) -> int:
    """A 63-bit seed from names and numbers, the same on every machine."""
    text = "\x1f".join(map(repr, purpose)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(*purpose: object) -> torch.Generator:
    """A CPU generator for one purpose. Drawing on the CPU gives a GPU run the same numbers."""
    return torch.Generator().manual_seed(seed_of(*purpose))


@contextlib.contextmanager
def seeded(*purpose: object) -> Iterator[None]:
    """All global generators seeded for one purpose, and put back afterwards: torch's, numpy's and
    `random`'s.

    For code that draws from the global state: module constructors, dropout.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    states = np.random.get_state(), random.getstate()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of(*purpose))
        seed_global(seed_of(*purpose), torch.device("cpu"), ("numpy", "random"))
        try:
            yield
        finally:
            np.random.set_state(states[0])
            random.setstate(states[1])


KINDS = ("torch", "numpy", "random")
"""Whose global generators code may draw from."""


def seed_global(seed: int, device: torch.device, kinds: Collection[str] = KINDS) -> None:
    """Seed the global generators of these kinds: torch's on the CPU and on the device (5 µs each),
    numpy's (30 µs), `random`'s (12 µs).
    """
    if "torch" in kinds:
        for where in {torch.device("cpu"), device}:
            device_generator(where).manual_seed(seed)
    if "numpy" in kinds:
        np.random.seed(seed % 2**32)
    if "random" in kinds:
        random.seed(seed)


def global_states() -> dict[str, object]:
    """The state of each kind's global generator on the CPU, to be compared."""
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": repr(np.random.get_state(legacy=False)),
        "random": random.getstate(),
    }


def device_generator(device: torch.device) -> torch.Generator:
    """The generator that modules on a device draw from.

    Seeding it alone takes 5 µs; `torch.manual_seed` seeds every backend and takes 116.
    """
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or 0]
    return torch.default_generator
