"""Any of torchvision's classifiers, untrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from lth_bench.errors import UnknownName, UserError
from lth_bench.models.building import Gamma, Init, initialise


@dataclass(frozen=True)
class Torchvision:
    """A classifier of torchvision's, untrained; suites write `torchvision:resnet50`.

    They read three channels and were made for images of 224×224 pixels. The convolutional ones
    take smaller images, down to what their strides and poolings leave (resnet: any; vgg, densenet,
    mobilenet: 32; alexnet: 63; inception_v3: 75), at accuracies below those of networks made for
    small images. Vision transformers need square images whose side their patches divide. In their
    attention only the output projection is a linear layer, so only that can be pruned. Auxiliary
    classifiers (googlenet, inception_v3) are left out.
    """

    name: str
    """A name that `torchvision.models.list_models(module=torchvision.models)` lists."""
    init: Init = "torch"
    """How weights are drawn; `torch` is the network's own way."""
    gamma_init: Gamma | None = None
    """Batch norm's scale at the start; by default the network's own."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """The network as torchvision builds it, with `classes` outputs."""
        import torchvision  # 4 s

        known = torchvision.models.list_models(module=torchvision.models)
        if self.name not in known:
            raise UnknownName("torchvision classifier", self.name, known)
        channels, height, width = input_shape
        if channels != 3:
            raise UserError(
                f"torchvision:{self.name} reads images of 3 channels, but got {channels}; choose "
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
