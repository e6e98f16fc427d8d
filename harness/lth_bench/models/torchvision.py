"""Any of torchvision's classifiers, untrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from lth_bench.errors import UnknownName, UserError
from lth_bench.models.building import Gamma, Init, initialise


@dataclass(frozen=True)
class Torchvision:
    """A torchvision classifier, untrained; in suites `torchvision:resnet50`.

    They take three channels and were designed for images of 224×224 pixels. Convolutional ones also
    take smaller images, down to a limit set by their strides and poolings (resnet: any; vgg,
    densenet, mobilenet: 32; alexnet: 63; inception_v3: 75), at lower accuracy than networks
    designed for small images. Vision transformers need square images whose side is a multiple of
    the patch size. Auxiliary classifiers (googlenet, inception_v3) are left out.
    """

    name: str
    """A name listed by `torchvision.models.list_models(module=torchvision.models)`."""
    init: Init = "torch"
    """Distribution of the initial weights; `torch` keeps the network's own."""
    gamma_init: Gamma | None = None
    """Initial scale γ of batch norm; by default the network's own."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """The network as torchvision builds it, with `classes` outputs."""
        import torchvision  # 4 s

        known = torchvision.models.list_models(module=torchvision.models)
        if self.name not in known:
            raise UnknownName("torchvision classifier", self.name, known)
        channels, height, width = input_shape
        if channels != 3:
            raise UserError(
                f"torchvision:{self.name} needs images with 3 channels, but got {channels}; choose "
                f"another model or dataset"
            )
        options: dict[str, Any] = {}
        if self.name.startswith("vit_"):
            if height != width:
                raise UserError(
                    f"torchvision:{self.name} needs square images, but got {height}×{width}"
                )
            options["image_size"] = height
        if self.name in ("googlenet", "inception_v3"):
            options = {"aux_logits": False, "init_weights": True}
        try:
            net: nn.Module = torchvision.models.get_model(
                self.name, weights=None, num_classes=classes, **options
            )
        except (ValueError, RuntimeError, AssertionError) as error:
            raise UserError(
                f"torchvision:{self.name} cannot be built for images of {height}×{width}: {error}"
            ) from error
        return initialise(net, self.init, self.gamma_init)
