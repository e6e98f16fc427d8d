"""Networks of the lottery-ticket literature, each a frozen dataclass with a `build`.

    build(input_shape: tuple[int, ...], classes: int) -> nn.Module

`input_shape` is [C, H, W]. The module maps float [N, C, H, W] to logits [N, classes], in training
mode and in eval mode: there is one loss, so auxiliary outputs are to be left out. The weights of
its convolutions and linear layers are parameters of their own, neither lazy nor computed. Initial
values come from torch's global generator, which the caller seeds. UserError where the network
cannot take such an input.
"""
