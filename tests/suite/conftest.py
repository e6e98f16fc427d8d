"""A suite as text, and plugins that need no network and no training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest

from lth_bench.params import Range
from lth_bench.plugins import Entry, Registry

TEXT = """\
schema_version = 1

[suite]
name = "demo"
densities = [0.2, 0.5]
seeds = 2

[recipes.fast]
optimizer = "adam"
lr = 1e-3
steps = 100

[[tasks]]
model = ["conv", { name = "mlp", hidden = [30] }]
dataset = "digits"
recipe = "fast"

[[strategies]]
use = "imp"
[strategies.params]
rate = { conv = 0.1 }
[strategies.per_model.conv]
rate = { output = 0.3 }

[[strategies]]
use = "snip"
label = "snip-big"
params = { batch = 64 }
models = ["mlp"]
"""


@dataclass(frozen=True)
class Rates:
    conv: Annotated[float, Range(0, 1)] = 0.2
    output: Annotated[float, Range(0, 1)] = 0.2

    @classmethod
    def of(cls, number: float) -> Rates:
        return cls(number, number)


@dataclass(frozen=True, eq=False)
class Imp:
    """Iterative magnitude pruning."""

    rate: Rates = Rates(output=0.1)
    """Fraction removed each round."""
    scope: Literal["layer", "global"] = "layer"


@dataclass(frozen=True, eq=False)
class Snip:
    batch: Annotated[int, Range(1)] = 128

    def __post_init__(self) -> None:
        if self.batch % 2:
            raise ValueError(f"batch must be even, but got {self.batch}")


@dataclass(frozen=True)
class Mlp:
    """Fully connected."""

    hidden: tuple[Annotated[int, Range(1)], ...] = (300, 100)
    """Sizes of the hidden layers."""


@dataclass(frozen=True)
class Conv:
    width: int = 16


@dataclass(frozen=True)
class Zoo:
    name: str
    """The model's name in the zoo."""
    pretrained: bool = False


@dataclass(frozen=True)
class Digits:
    """Small digits."""


@dataclass(frozen=True)
class Folder:
    path: str


@pytest.fixture
def registry() -> Registry:
    classes = {
        "strategies": {"imp": Imp, "snip": Snip},
        "models": {"mlp": Mlp, "conv": Conv, "zoo": Zoo},
        "datasets": {"digits": Digits, "folder": Folder},
    }
    entries = [
        Entry(name=name, group=group, origin="test", version="1", _loaded=cls)
        for group, found in classes.items()
        for name, cls in found.items()
    ]
    entries.append(
        Entry(
            name="broken",
            group="strategies",
            origin="test",
            version="1",
            error="ImportError: no such module",
        )
    )
    return Registry(entries)


@pytest.fixture
def text() -> str:
    return TEXT


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write the demo suite, with some of its text replaced, to demo.toml."""

    def written(old: str = "", new: str = "") -> Path:
        assert old in TEXT
        path = tmp_path / "demo.toml"
        path.write_text(TEXT.replace(old, new, 1) if old else TEXT)
        return path

    return written
