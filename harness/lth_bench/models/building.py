"""Shared by the built-in networks: drawing initial values, and checking the image size."""

from __future__ import annotations

from typing import Annotated, Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError
from lth_bench.params import Range

Gamma = Annotated[float, Range(0, 10, open_low=True)]
Init = Literal["glorot_normal", "kaiming_normal", "torch"]


def initialise(module: nn.Module, init: Init, gamma: float | None = 1.0) -> nn.Module:
    """Set a network's initial values from torch's global generator, in place.

    `glorot_normal` (Glorot & Bengio, 2010; the small networks of Frankle & Carbin, 2019) and
    `kaiming_normal` (He et al., 2015, fan-in) draw convolution and linear weights from a normal
    distribution and set their biases to 0; `torch` keeps the layers' own defaults. `gamma` is the
    initial scale of every batch norm, with β at 0; None keeps batch norm's defaults.
    """
    for part in module.modules():
        if isinstance(part, (_ConvNd, nn.Linear)) and init != "torch":
            if init == "glorot_normal":
                nn.init.xavier_normal_(part.weight)
            else:
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, _BatchNorm) and part.affine and gamma is not None:
            nn.init.constant_(part.weight, gamma)
            nn.init.zeros_(part.bias)
    return module


def require_images(model: str, input_shape: tuple[int, ...]) -> None:
    """UserError unless inputs are images [C, H, W]."""
    shape = InputShape.of(input_shape)
    if shape.kind != "images" and len(shape) != 3:
        raise UserError(
            f"{model} takes images [C, H, W], but got {shape.kind} of shape {list(shape)}; choose "
            f"another model, such as {'transformer' if shape.kind == 'tokens' else 'mlp'}"
        )


def require_tokens(model: str, input_shape: tuple[int, ...]) -> InputShape:
    """The shape of a sequence of tokens; UserError for other inputs."""
    shape = InputShape.of(input_shape)
    if shape.kind != "tokens":
        raise UserError(
            f"{model} takes sequences of tokens, but got {shape.kind} of shape {list(shape)}; "
            f"choose another model or dataset"
        )
    return shape


def require_size(model: str, input_shape: tuple[int, ...], least: int, why: str) -> None:
    """UserError unless inputs are images at least `least` pixels high and wide. `why` says what
    needs that size.
    """
    require_images(model, input_shape)
    _, height, width = input_shape
    if min(height, width) < least:
        raise UserError(
            f"{model} needs images of at least {least}×{least} pixels ({why}), but got "
            f"{height}×{width}; choose another model or dataset"
        )
