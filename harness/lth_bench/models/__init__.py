"""Networks of the lottery-ticket literature, each a frozen dataclass with a `build`.

    build(input_shape: tuple[int, ...], classes: int) -> nn.Module

`input_shape` is [C, H, W] of images; that of features and tokens is an `InputShape` too, whose
`kind`, `vocabulary` and `targets` say more. The module maps float [N, C, H, W] to logits
[N, classes], in training mode and in eval mode; there is only one loss, so leave out auxiliary
outputs. The weights of its convolutions and linear layers must be ordinary parameters, neither lazy
nor computed. Initial values come from torch's global generator, which the caller seeds, unless the
suite has a `start`. UserError if the network cannot take such an input.
"""
