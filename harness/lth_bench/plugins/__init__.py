"""Plugins: how they are found, and how an experiment calls their hooks."""

from lth_bench.plugins.registry import GROUPS, Entry, Registry, load_registry

__all__ = ["GROUPS", "Entry", "Registry", "load_registry"]
