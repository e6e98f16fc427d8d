"""The error that names the plugin and the hook."""

from __future__ import annotations


class StrategyError(Exception):
    """A plugin broke its contract, or raised; names the plugin and the hook.

    `contract` is the one of `lth_bench.testing` that was broken, "" where the plugin raised.
    """

    def __init__(self, plugin: str, hook: str, message: str, contract: str = "hooks") -> None:
        super().__init__(f"{plugin}.{hook}: {message}")
        self.plugin, self.hook, self.contract = plugin, hook, contract


def short(value: object) -> str:
    """What a hook answered, in a word."""
    return "None" if value is None else f"a {type(value).__name__}"
