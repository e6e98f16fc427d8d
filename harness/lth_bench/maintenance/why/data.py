"""The data of an experiment as it lies there now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.errors import UserError

if TYPE_CHECKING:
    from lth_bench.plugins import Registry


def looker(registry: Registry, root: Path) -> Callable[[Mapping[str, Any]], str | None]:
    """A function from a dataset's configuration (`{"name": …, "params": …}`) to the fingerprint of
    its content in the data root `root`.

    None where only reading the data would tell, or nothing does. The configuration is from a
    database, perhaps a stranger's: nothing is written because of it, and no path is followed that
    leads out of the data root.
    """

    def look(config: Mapping[str, Any]) -> str | None:
        from lth_bench.params import build
        from lth_bench.plugins.asking import ask

        name, params = str(config.get("name")), config.get("params") or {}
        if not isinstance(params, Mapping) or any(map(_leads_out, params.values())):
            return None
        try:
            dataset = build(registry.get("datasets", name), params, name)
            quick = getattr(dataset, "fingerprint", None)
            found = ask(f"dataset {name!r}", quick, root) if callable(quick) else None
        except UserError:
            return None
        return found if isinstance(found, str) else None

    return look


def _leads_out(value: object) -> bool:
    """Whether a parameter may be a path to somewhere else."""
    if not isinstance(value, str):
        return False
    return value.startswith("~") or Path(value).is_absolute() or ".." in Path(value).parts
