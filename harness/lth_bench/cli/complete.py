"""Completion in the shell, which `lth-bench --install-completion` sets up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

Complete = Callable[[str], list[str]]


def one_of(*choices: str) -> Complete:
    """Choices of a fixed list that start with the typed text."""

    def complete(incomplete: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(incomplete)]

    return complete


def suite(incomplete: str) -> list[str]:
    """Shipped suites, and the folders and .toml files that match the typed path."""
    from lth_bench.suite.source import papers, shipped, studies

    folder, slash, start = incomplete.rpartition("/")
    found = one_of(*studies(), *([] if slash else [*shipped(), *papers()]))(incomplete)
    with contextlib.suppress(OSError):
        for path in sorted(Path(folder + slash or ".").iterdir()):
            if path.name.startswith(start) and (start or not path.name.startswith(".")):
                if path.is_dir():
                    found.append(f"{folder}{slash}{path.name}/")
                elif path.suffix == ".toml":
                    found.append(f"{folder}{slash}{path.name}")
    return found


def named(group: str) -> Complete:
    """Installed strategies, models or datasets, without importing them."""

    def complete(incomplete: str) -> list[str]:
        from lth_bench.plugins import load_registry

        return one_of(*sorted(load_registry().groups[group]))(incomplete)

    return complete
