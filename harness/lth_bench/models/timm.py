"""Any of timm's classifiers, untrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from lth_bench.errors import UnknownName, UserError, describe_error
from lth_bench.models.building import Gamma, Init, initialise, require_images


@dataclass(frozen=True)
class Timm:
    """A classifier of timm (Wightman, 2019), untrained; in suites `timm:resnet18`.

    They take any number of channels. Convolutional ones take images of many sizes, at lower
    accuracy where they were designed for larger ones; vision transformers take those that their
    patches divide. Needs `pip install 'lth-bench[timm]'`. Nothing is downloaded: trained values
    come from the suite's `start`.
    """

    name: str
    """A name listed by `timm.list_models()`."""
    init: Init = "torch"
    """Distribution of the initial weights; `torch` keeps the network's own."""
    gamma_init: Gamma | None = None
    """Initial scale γ of batch norm; by default the network's own."""

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """The network as timm builds it; takes images [N, C, H, W], gives logits [N, classes]."""
        try:
            import timm
        except ImportError as error:
            raise UserError(
                f"timm:{self.name} needs the package timm: pip install 'lth-bench[timm]'"
            ) from error
        known = timm.list_models()
        if self.name not in known:
            raise UnknownName("timm classifier", self.name, known)
        require_images(f"timm:{self.name}", input_shape)
        channels, height, width = input_shape
        options: dict[str, Any] = {"in_chans": channels, "num_classes": classes}
        try:
            try:
                net = timm.create_model(
                    self.name, pretrained=False, img_size=(height, width), **options
                )
            except TypeError as error:  # of a network that takes any size
                if "img_size" not in str(error):
                    raise
                net = timm.create_model(self.name, pretrained=False, **options)
        except Exception as error:  # of whatever kind its authors chose
            raise UserError(
                f"timm:{self.name} cannot be built for images of {channels}×{height}×{width}: "
                f"{describe_error(error)}"
            ) from error
        return initialise(net, self.init, self.gamma_init)
