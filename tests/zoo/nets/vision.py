"""torchvision's families at small size. Imported only where one is made: that takes seconds."""

from __future__ import annotations

from functools import partial

from torch import nn

from zoo.rows import CLASSES, COLOUR, row

TINY = (3, 16, 16)


@row("torchvision", TINY, relu=True)
def densenet():
    import torchvision.models as tv

    return tv.DenseNet(4, (2, 2), num_init_features=6, num_classes=CLASSES)


@row("torchvision", TINY, relu=True)
def mobilenet_v2():
    import torchvision.models.mobilenetv2 as tv

    setting = [[1, 8, 1, 1], [2, 8, 2, 2]]
    net = tv.MobileNetV2(
        CLASSES, 0.25, inverted_residual_setting=setting, round_nearest=4, dropout=0.0
    )
    # 1,280 channels at the end, whatever is asked for
    last = tv.Conv2dNormActivation(4, 12, kernel_size=1, activation_layer=nn.ReLU6)
    net.features[-1], net.classifier[1] = last, nn.Linear(12, CLASSES)
    return net


@row("torchvision", TINY, heavy=True)
def mobilenet_v3():
    from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3

    setting = [
        InvertedResidualConfig(16, 3, 16, 16, True, "RE", 2, 1, 0.5),
        InvertedResidualConfig(16, 3, 24, 24, True, "HS", 2, 1, 0.5),
    ]
    return MobileNetV3(setting, 24, CLASSES, dropout=0.0)


@row("torchvision", TINY, relu=True, heavy=True)
def shufflenet_v2():
    import torchvision.models as tv

    return tv.ShuffleNetV2([1, 1, 1], [24, 8, 12, 16, 20], num_classes=CLASSES)


@row("torchvision", TINY, heavy=True)
def efficientnet():
    from torchvision.models.efficientnet import EfficientNet, MBConvConfig

    setting = [MBConvConfig(1, 3, 1, 8, 8, 1), MBConvConfig(2, 3, 2, 8, 8, 2)]
    return EfficientNet(
        setting, dropout=0.0, stochastic_depth_prob=0.0, num_classes=CLASSES, last_channel=16
    )


@row("torchvision", COLOUR, heavy=True)
def regnet():
    from torchvision.models.regnet import BlockParams, RegNet

    params = BlockParams.from_init_params(4, 8, 8.0, 2.0, 4, se_ratio=0.25)
    return RegNet(params, num_classes=CLASSES, stem_width=8)


@row("torchvision", COLOUR)
def convnext():
    from torchvision.models.convnext import CNBlockConfig, ConvNeXt

    setting = [CNBlockConfig(6, 8, 1), CNBlockConfig(8, None, 1)]
    return ConvNeXt(setting, num_classes=CLASSES)


@row("torchvision", COLOUR, other_flops=2 * 2 * 17 * 17 * 8)
def vision_transformer():
    import torchvision.models as tv

    norm = partial(nn.LayerNorm, eps=1e-6)
    return tv.VisionTransformer(32, 8, 1, 2, 8, 12, num_classes=CLASSES, norm_layer=norm)


@row(
    "torchvision",
    COLOUR,
    other_flops=4 * (2 * 2 * 64 * 4 * 6) + 2 * 2 * 4 * 16 * 16 * 6,
    heavy=True,
)
def swin():
    import torchvision.models as tv

    return tv.SwinTransformer(
        [4, 4], 6, [2], [2], [4, 4], mlp_ratio=2.0, stochastic_depth_prob=0.0, num_classes=CLASSES
    )
