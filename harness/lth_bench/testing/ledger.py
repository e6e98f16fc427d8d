"""What a strategy was lent, and whether it still is as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor

from lth_bench.training.keys import hash_tensors

Tensors = Mapping[str, Tensor]


class Ledger:
    """Tensors with the digest that they had when they were lent."""

    def __init__(self) -> None:
        self._lent: list[tuple[str, Tensors, dict[str, str]]] = []
        self._seen: list[str] = []

    def lend(self, what: str, tensors: Tensors) -> None:
        """Remember these tensors as they are now, for as long as the experiment lasts."""
        self._lent.append((what, tensors, _digests(tensors)))

    @contextmanager
    def watching(self, *things: tuple[str, Tensors]) -> Iterator[None]:
        """Tensors that are lent for one call only."""
        before = [(what, tensors, _digests(tensors)) for what, tensors in things]
        try:
            yield
        finally:
            for what, tensors, digests in before:
                self._compare(what, tensors, digests)

    def changed(self) -> list[str]:
        """What was changed since it was lent, by name and tensor. Each change is told once."""
        for what, tensors, digests in self._lent:
            self._compare(what, tensors, digests)
        found = list(dict.fromkeys(self._seen))
        if found:
            self._seen.clear()
            self._lent = [(w, t, _digests(t)) for w, t, _ in self._lent]
        return found

    def _compare(self, what: str, tensors: Tensors, digests: dict[str, str]) -> None:
        now = _digests(tensors)
        odd = [key for key in digests if now.get(key) != digests[key]]
        if odd:
            self._seen.append(f"{what}: {', '.join(map(repr, odd[:3]))}" + ", …" * (len(odd) > 3))


def _digests(tensors: Tensors) -> dict[str, str]:
    return {key: hash_tensors({key: tensor}) for key, tensor in tensors.items()}
