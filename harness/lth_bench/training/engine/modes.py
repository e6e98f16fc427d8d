"""The modes that a network's parts train in, and what hangs on them unseen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

MODULE_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)
TENSOR_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside. Afterwards every part is in the mode that it was in, so that a part that
    its author holds in eval mode (a frozen batch norm, say) stays there.
    """
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        module.train(before[0][1])  # a network may do more in its own `train`
        for part, training in before:
            part.training = training


def hooked(module: nn.Module) -> bool:
    """Whether a part or a parameter has hooks, or a part's `forward` was replaced: then something
    sees or changes what flows that is not in the network's layers.
    """
    return any(
        "forward" in vars(part) or any(getattr(part, hooks, None) for hooks in MODULE_HOOKS)
        for part in module.modules()
    ) or any(getattr(p, hooks, None) for p in module.parameters() for hooks in TENSOR_HOOKS)
